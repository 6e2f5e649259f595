"""RemoteCLIP's image tower on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.remoteclip.card import CARD, OUTPUT, PATCH_PX
from rsweep.models.remoteclip.network import Tower

NAMES = {"ViT-B-32": "b32", "ViT-L-14": "l14"}


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    name = NAMES[meta["variant"]]
    size = CARD.variants[name]
    network = Tower(size.width, size.depth, size.heads, PATCH_PX[name], OUTPUT[name])
    fill(network)
    seen: list[torch.Tensor] = []
    first = network.transformer.resblocks[0]
    first.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels = torch.from_numpy(inputs["image"])
    *blocks, raw = network(pixels, [*range(1, size.depth + 1), size.depth])
    outputs = {
        "patch_tokens": network.patches(pixels),
        "block0_in": seen[0],
        **{f"block{n}": block for n, block in enumerate(blocks)},
        "tokens_raw": raw,
        "tokens_norm": network.ln_post(raw),
        "pooled": network.projected(raw),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
