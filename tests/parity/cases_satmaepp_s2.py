"""SatMAE++ on groups of bands on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.satmaepp.card import CARD
from rsweep.models.satmaepp.network import SatMaePP


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    asked, groups = meta["build"], meta["call"]["groups"]
    size = CARD.variants[asked["size"]]
    network = SatMaePP(
        size.width, size.depth, size.heads, asked["image_size"], asked["patch_size"], groups
    )
    fill(network)
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels = torch.from_numpy(inputs["image"])
    *blocks, raw = network(pixels, [*range(1, size.depth + 1), size.depth])
    tokens = network.norm(raw)
    side = asked["image_size"] // asked["patch_size"]
    grids = tokens[:, 1:].reshape(len(tokens), len(groups), side, side, -1)
    patches = {
        f"patch_tokens_{n}": embed(pixels[:, groups[n]])
        for n, embed in enumerate(network.patch_embed)
    }
    outputs = {
        **patches,
        "block0_in": seen[0],
        **{f"block{n}": block for n, block in enumerate(blocks)},
        "tokens_raw": raw,
        "tokens": tokens,
        "cls": tokens[:, 0],
        "pooled": tokens[:, 1:].mean(1),
        "grid": grids.mean(1).permute(0, 3, 1, 2),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
