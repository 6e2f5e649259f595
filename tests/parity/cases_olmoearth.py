"""OlmoEarth on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsweep.models.olmoearth.card import CARD, version
from rsweep.models.olmoearth.encoder import Encoder, Observed, Times
from rsweep.models.olmoearth.network import mean_of_all, mean_per_patch
from rsweep.models.olmoearth.tokens import MODALITIES, band_sets

SENSORS = {"sentinel2_l2a": "s2", "sentinel1": "s1_rtc", "landsat": "landsat_l1"}
BEFORE_MONTH = torch.tensor([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    """Every output of the case, tokens of a sensor under its upstream name."""
    call = meta["call"]
    size = CARD.variants[meta["variant"]]
    network = Encoder(size.width, size.depth, size.heads, version(meta["variant"]))
    fill(network)
    seen = watch(network)
    observed = {
        SENSORS[name]: observe(
            name, inputs, call, len(band_sets(MODALITIES[SENSORS[name]], network.version))
        )
        for name in call["modalities"]
    }
    day, month, year = torch.tensor(inputs["timestamps"]).unbind(2)
    times = Times(month, (year - 2000) * 365.25 + BEFORE_MONTH[month] + day - 1)
    gsd = torch.full((len(day),), float(call.get("input_res", 10)))

    tokens = network(observed, times, gsd, call["patch_size"], (size.depth,), True)

    visible = {sensor: o.visible for sensor, o in observed.items()}
    seen["tokens_raw"] = seen[f"block{size.depth - 1}"]
    for sensor, values in tokens.items():
        hidden = visible[sensor][..., None]
        seen[f"tokens_{MODALITIES[sensor].name}"] = torch.where(hidden, values, 0)
    seen["pooled"], seen["grid"] = mean_of_all(tokens, visible), mean_per_patch(tokens, visible)
    return {name: seen[name].numpy() for name in meta["outputs"]}


def observe(name: str, inputs: dict[str, np.ndarray], call: dict[str, Any], sets: int) -> Observed:
    """Values and visible tokens of a modality; upstream reads its masks at top-left pixels."""
    values = torch.tensor(inputs[name]).permute(0, 3, 4, 1, 2)
    mask = torch.zeros(*inputs[name].shape[:4], sets)
    if f"{name}_mask" in inputs:
        mask = torch.tensor(inputs[f"{name}_mask"])
    for item, date, *band_set in call.get("missing", {}).get(name, []):
        mask[item, :, :, date, band_set or slice(None)] = 3
    if call.get("fast_pass"):
        mask = torch.zeros_like(mask)
    step = call["patch_size"]
    return Observed(values, mask[:, ::step, ::step] == 0)


def watch(network: Encoder) -> dict[str, Tensor]:
    """A dictionary that fills with what passes through the network's modules."""
    seen: dict[str, Tensor] = {}
    first = network.blocks[0]
    first.register_forward_pre_hook(lambda _, given: seen.update(block0_in=given[0]))
    for number, block in enumerate(network.blocks):
        name = f"block{number}"
        block.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    network.patch_embeddings.register_forward_hook(
        lambda _, given, output: seen.update({f"patch_tokens_{given[0]}": output})
    )
    return seen
