"""DOFA on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.dofa.card import CARD
from rsweep.models.dofa.network import Dofa
from rsweep.models.hypernetwork import KERNEL_PX


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    size = CARD.variants[meta["variant"]]
    network = Dofa(size.width, size.depth, size.heads)
    fill(network)
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels = torch.from_numpy(inputs["image"])
    wavelengths = torch.tensor(meta["call"]["wavelengths_um"])
    patch = meta["call"].get("patch_size", KERNEL_PX)
    block0, raw = network(pixels, wavelengths, patch, [1, size.depth])
    waves = network.patch_embed.waves(wavelengths)
    weight, bias = network.patch_embed.weight_generator(waves)
    outputs = {
        "waves": waves,
        "gen_weight": weight,
        "gen_bias": bias,
        "patch_tokens": network.patch_embed(pixels, wavelengths, patch).flatten(2).mT,
        "block0_in": seen[0],
        "block0": block0,
        "tokens_raw": raw[:, 1:],
        "cls_raw": raw[:, 0],
        "pooled": network.fc_norm(raw[:, 1:].mean(1)),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
