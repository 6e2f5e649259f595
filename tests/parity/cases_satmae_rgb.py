"""SatMAE on RGB on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.satmae.card import CARD
from rsweep.models.satmae.network import SatMae


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    asked = meta["build"]
    size = CARD.variants[asked["size"]]
    network = SatMae(size.width, size.depth, size.heads, asked["image_size"], asked["patch_size"])
    fill(network)
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels = torch.from_numpy(inputs["image"])
    *blocks, raw = network(pixels, [*range(1, size.depth + 1), size.depth])
    tokens = network.norm(raw)
    outputs = {
        "patch_tokens": network.patch_embed(pixels),
        "block0_in": seen[0],
        **{f"block{n}": block for n, block in enumerate(blocks)},
        "tokens_raw": raw,
        "tokens": tokens,
        "cls": tokens[:, 0],
        "pooled": tokens[:, 1:].mean(1),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
