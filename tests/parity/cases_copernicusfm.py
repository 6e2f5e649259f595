"""Copernicus-FM on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.card import Variant
from rsweep.models.copernicusfm.card import CARD
from rsweep.models.copernicusfm.network import CopernicusFm

SIZES = {**CARD.variants, "small": Variant(384, 12, 6, 48.8)}
"""Upstream's code has a small one too, of which no weights were published."""


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    size, call = SIZES[meta["variant"]], meta["call"]
    network = CopernicusFm(size.width, size.depth, size.heads, variable=True)
    fill(network)
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    given = {name: torch.from_numpy(array) for name, array in inputs.items()}
    if call["mode"] == "spectral":
        part = network.patch_embed_spectral
        waves = part.waves(given["wavelengths"], given["bandwidths"])
    else:
        part = network.patch_embed_variable
        waves = part.waves(given["language_embed"])
    weight, bias = part.weight_generator(waves)
    grid = part.cut(given["image"], *part.kernel(waves, call["kernel_size"]))
    known = given["metadata"].masked_fill(given["metadata_unknown"] == 1, torch.nan)
    every = network(grid, known, range(1, size.depth + 1))
    outputs = {
        "waves": waves,
        "gen_weight": weight,
        "gen_bias": bias,
        "patch_tokens": grid.flatten(2).mT,
        **{f"{name}_embed": code for name, code in network.told(known).items()},
        "block0_in": seen[0],
        **{f"block{number}": tokens for number, tokens in enumerate(every)},
        "tokens_raw": every[-1][:, 1:],
        "cls_raw": every[-1][:, 0],
        "pooled": network.fc_norm(every[-1][:, 1:].mean(1)),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
