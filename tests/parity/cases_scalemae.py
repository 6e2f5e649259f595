"""ScaleMAE on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.scalemae.card import CARD, PATCH_PX
from rsweep.models.scalemae.network import ScaleMae, positions


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    size = CARD.variants[meta["variant"]]
    network = ScaleMae(size.width, size.depth, size.heads)
    fill(network)
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels, gsd = torch.from_numpy(inputs["image"]), torch.from_numpy(inputs["input_res"])
    h, w = (side // PATCH_PX for side in pixels.shape[2:])
    block0, raw = network(pixels, gsd, [1, size.depth])
    norm = network.norm(raw)
    outputs = {
        "patch_tokens": network.patch_embed(pixels),
        "pos_embed": positions(h, w, gsd, size.width),
        "block0_in": seen[0],
        "block0": block0,
        "tokens_raw": raw,
        "tokens_norm": norm,
        "cls_norm": norm[:, 0],
        "pooled_patch_mean": raw[:, 1:].mean(1),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
