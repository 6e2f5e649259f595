"""FoMo on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.fomo.card import CARD, PATCH_PX
from rsweep.models.fomo.network import Fomo


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    size = CARD.variants[meta["variant"]]
    network = Fomo(size.width, size.depth, size.heads)
    fill(network)
    seen: list[torch.Tensor] = []
    first = network.transformer.layers[0]
    first.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels, keys = torch.from_numpy(inputs["image"]), meta["call"]["spectral_keys"]
    *blocks, raw = network(pixels, keys, [*range(1, size.depth + 1), size.depth])
    tokens = network.transformer.norm(raw)
    side = pixels.shape[-1] // PATCH_PX
    grids = tokens.reshape(len(tokens), len(keys), side, side, -1)
    outputs = {
        "patch_tokens": network.patches(pixels),
        "block0_in": seen[0],
        **{f"block{n}": block for n, block in enumerate(blocks)},
        "tokens_raw": raw,
        "tokens": tokens,
        "pooled": tokens.mean(1),
        "grid": grids.mean(1).permute(0, 3, 1, 2),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
