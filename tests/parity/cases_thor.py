"""THOR on the fixtures: channels on their own grids, or one stack at 10 m as the embedder gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rsweep.models.thor.card import CARD
from rsweep.models.thor.channels import FINEST_GSD_M, present
from rsweep.models.thor.network import GROUP_WIDTH, Thor, resample


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    size = CARD.variants[meta["variant"]]
    network = Thor(size.width, size.depth, size.heads, GROUP_WIDTH[meta["variant"]])
    fill(network)
    patch = meta["build"]["patch_size"]
    channels = _channels(meta, inputs)
    gsd = torch.full((len(next(iter(channels.values()))),), float(FINEST_GSD_M))
    block0, raw = network(channels, patch, gsd, [1, size.depth])
    groups = [group for group, _ in present(channels)]
    sides = [channels[names[0]].shape[-1] // patch for _, names in present(channels)]
    outputs = {
        "patch_tokens": network.tokens(channels, patch),
        "aux_embed": network.group_embedding(groups, patch, gsd)[0],
        "alibi": network.position_bias(groups, sides, patch)[0],
        "block0": block0,
        "tokens_raw": raw,
        "tokens_norm": network.norm(raw),
        "pooled_raw": raw.mean(1),
        "pooled_norm": network.norm(raw).mean(1),
    } | _grids(raw, sides)
    for channel, pixels in channels.items():
        outputs[f"resampled_{channel.replace(':', '_')}"] = pixels[:, None]
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def _channels(meta: dict[str, Any], inputs: dict[str, np.ndarray]) -> dict[str, Tensor]:
    if meta["call"]["entry"] == "dict":
        return {name: torch.from_numpy(inputs[name])[:, 0] for name in meta["call"]["channels"]}
    bands = torch.from_numpy(inputs["stack"]).split(1, dim=1)
    stack = dict(zip(meta["call"]["channels"], bands, strict=True))
    return {
        name: resample(stack[name], meta["build"]["ground_cover"] // group.gsd_m)[:, 0]
        for group, names in present(stack)
        for name in names
    }


def _grids(tokens: Tensor, sides: list[int]) -> dict[str, Tensor]:
    """The groups' token maps on the finest of their grids, merged in each of upstream's ways."""
    parts = tokens.split([side**2 for side in sides], dim=1)
    grids = [part.mT.unflatten(2, (side, side)) for part, side in zip(parts, sides, strict=True)]
    size = [max(sides)] * 2
    maps = [functional.interpolate(grid, size, mode="bilinear") for grid in grids]
    total = torch.stack(maps).sum(0)
    return {
        "grid_mean": total / len(maps),
        "grid_sum": total,
        "grid_concat": torch.cat(maps, dim=1),
    }
