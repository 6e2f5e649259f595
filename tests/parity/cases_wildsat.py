"""WildSAT on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.wildsat.card import CARD
from rsweep.models.wildsat.network import WildSat


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    size = CARD.variants[meta["variant"]]
    network = WildSat(size.width, size.depth, size.heads)
    fill(network)
    seen: list[torch.Tensor] = []
    first = network.backbone.encoder.layers[0]
    first.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pixels = torch.from_numpy(inputs["image"])
    *blocks, raw = network(pixels, [*range(1, size.depth + 1), size.depth])
    scores = network.scores(raw)
    outputs = {
        "patch_tokens": network.patches(pixels),
        "block0_in": seen[0],
        **{f"block{n}": block for n, block in enumerate(blocks)},
        "tokens_raw": raw,
        "tokens": network.norm(raw),
        "logits": scores,
        "pooled_text": network.output(scores, "text"),
        "pooled_location": network.output(scores, "location"),
        "pooled": network.output(scores, "image"),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
