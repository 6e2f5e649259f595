"""Panopticon on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.panopticon.card import CARD
from rsweep.models.panopticon.network import Panopticon


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    size = CARD.variants[meta["variant"]]
    network = Panopticon(size.width, size.depth, size.heads)
    fill(network)
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pixels, ids = torch.from_numpy(inputs["imgs"]), torch.from_numpy(inputs["chn_ids"])
    masked = inputs.get("spec_masks")
    masked = None if masked is None else torch.from_numpy(masked).bool()
    every = network(pixels, ids, range(1, size.depth + 1), masked)
    patches = network.patch_embed
    normed = network.norm(every[-1])
    outputs = {
        "channel_embed": patches.chnfus.chnemb(ids),
        "fused": patches.chnfus(patches.conv3d(pixels), ids, masked),
        "patch_tokens": patches(pixels, ids, masked),
        "block0_in": seen[0],
        **{f"block{number}": tokens for number, tokens in enumerate(every)},
        "tokens_raw": every[-1],
        "tokens": normed[:, 1:],
        "cls": normed[:, 0],
        "pooled_patch_mean": normed[:, 1:].mean(1),
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}
