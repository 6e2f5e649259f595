"""TerraFM on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.terrafm.card import CARD
from rsweep.models.terrafm.network import BANDS, TerraFm


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    """Every output of a case; upstream builds all three patch embeddings."""
    size = CARD.variants[meta["variant"]]
    network = TerraFm(size.width, size.depth, size.heads, list(BANDS))
    fill(network)
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pixels, branch = torch.from_numpy(inputs["image"]), meta["call"]["branch"]
    every = network(pixels, branch, range(1, size.depth + 1))
    normed = network.norm(every[-1])
    outputs = {
        "patch_tokens": network.patch_embed(pixels, branch),
        "block0_in": seen[0],
        **{f"block{number}": tokens for number, tokens in enumerate(every)},
        "tokens_raw": every[-1],
        "tokens": normed[:, 1:],
        "cls": normed[:, 0],
        "pooled_patch_mean": normed[:, 1:].mean(1),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
