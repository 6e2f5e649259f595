"""Run a parity case of AnySat through the project's network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsweep.models.anysat.card import BLOCKS, PIXEL_M
from rsweep.models.anysat.network import AnySat, to_map
from rsweep.models.anysat.temporal import Series

Seen = dict[str, dict[str, list[Tensor]]]


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    """Every output of the case; those inside a sensor's branch of Sentinel-2, or of the first."""
    network = AnySat()
    fill(network)
    series = {name: _series(name, inputs) for name in inputs if "_" not in name}
    within = _watch_branches(network, series)
    seen: dict[str, Tensor] = {}
    network.blocks[0].register_forward_pre_hook(lambda _, given: seen.update(block0_in=given[0]))

    patch = meta["call"]["patch_size_m"] // PIXEL_M
    layers = {"block0": 1, "block_last_self": BLOCKS - 1, "last": BLOCKS}
    outputs, pixels = network(series, patch, tuple(layers.values()))

    seen |= dict(zip(layers, outputs, strict=True))
    branch = "s2" if "s2" in series else next(iter(series))
    seen |= {name: torch.cat(parts) for name, parts in within[branch].items()}
    seen["tile"], patches = seen["last"][:, 0], seen["last"][:, 1:, None]
    own = pixels[meta["call"].get("output_modality") or next(iter(series))]
    seen["patch"] = to_map(patches)
    seen["dense"] = to_map(torch.cat([patches.expand(*own.shape[:3], -1), own], 3))
    return {name: seen[name].numpy() for name in meta["outputs"]}


def _series(name: str, inputs: dict[str, np.ndarray]) -> Series:
    mask = inputs.get(f"{name}_mask")
    valid = None if mask is None else torch.tensor(mask) != 0
    return Series(torch.tensor(inputs[name]), torch.tensor(inputs[f"{name}_dates"]), valid)


def _watch_branches(network: AnySat, series: dict[str, Series]) -> Seen:
    """Sensor -> what passes through its branch; the encoder of patches is shared by all."""
    seen: Seen = {name: defaultdict(list) for name in series}
    current = [""]

    def watch(module: nn.Module, name: str) -> None:
        module.register_forward_hook(lambda _, __, output: seen[current[0]][name].append(output))

    for sensor in series:
        projector = network.get_submodule(f"projector_{sensor}")
        projector.register_forward_pre_hook(
            lambda _, __, sensor=sensor: current.__setitem__(0, sensor)
        )
        watch(projector, "projector")
        watch(projector.patch_embed.inconv, "ltae_mlp")
    watch(network.spatial_encoder.predictor_blocks[0], "spatial_block0")
    watch(network.spatial_encoder, "spatial_out")
    return seen
