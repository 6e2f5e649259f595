"""SatVision-TOA at a small width on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.satvision.card import Pyramid
from rsweep.models.satvision.network import SatVision


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    asked = meta["build"]
    pyramid = Pyramid(tuple(asked["depths"]), tuple(asked["num_heads"]), asked["extra_norm_period"])
    network = SatVision(8 * asked["embed_dim"], pyramid, asked["image_size"])
    fill(network)
    seen: list[torch.Tensor] = []
    for block in network.layers[0].blocks:
        block.register_forward_hook(lambda _, args, out: seen.append(out))
    pixels = torch.from_numpy(inputs["image"])
    stages = network(pixels, [1, 2, 3, 4])
    outputs = {
        "patch_tokens": network.patch_embed(pixels).flatten(1, 2),
        "block0": seen[0].flatten(1, 2),
        "block1_shifted": seen[1].flatten(1, 2),
        **{f"stage{n}": grid.flatten(1, 2) for n, grid in enumerate(stages)},
        "grid": stages[-1].permute(0, 3, 1, 2),
        "pooled": network.pooled(stages[-1]),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
