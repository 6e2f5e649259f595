"""TerraMind on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.terramind.card import CARD
from rsweep.models.terramind.network import GATED, PATCH_PX, TerraMind

CHANNELS = {
    "S2L2A": ("untok_sen2l2a@224", 12),
    "S2L1C": ("untok_sen2l1c@224", 13),
    "S1GRD": ("untok_sen1grd@224", 2),
    "S1RTC": ("untok_sen1rtc@224", 2),
    "DEM": ("untok_dem@224", 1),
    "RGB": ("untok_sen2rgb@224", 3),
}


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    """Every output of a case; upstream builds all six patch embeddings."""
    call, name = meta["call"], meta["variant"]
    size = CARD.variants[name]
    network = TerraMind(size.width, size.depth, size.heads, name in GATED, dict(CHANNELS.values()))
    fill(network)
    seen: list[torch.Tensor] = []
    network.encoder[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pixels = {modality: torch.from_numpy(inputs[modality]) for modality in call["modalities"]}
    layer = call.get("layer", -1) % size.depth + 1
    images = {CHANNELS[modality][0]: tensor for modality, tensor in pixels.items()}
    block0, middle, raw = network(images, [1, layer, size.depth])
    merge = MERGES[call.get("merge_method", "mean")]
    tokens = merge(network.encoder_norm(raw).chunk(len(images), dim=1))
    outputs = {
        "block0_in": seen[0],
        "block0": block0,
        "tokens_raw": raw,
        "tokens": tokens,
        "pooled": tokens.mean(1),
        f"tokens_layer{layer - 1}": merge(middle.chunk(len(images), 1)),
    }
    for modality, tensor in pixels.items():
        part = network.encoder_embeddings[CHANNELS[modality][0]]
        grid = (side // PATCH_PX for side in tensor.shape[2:])
        outputs[f"patch_tokens_{modality}"] = part.patches(tensor)
        outputs[f"pos_mod_emb_{modality}"] = part.places(*grid).expand(len(tensor), -1, -1)
    return {name: tensor.numpy() for name, tensor in outputs.items()}


MERGES: dict[str, Callable[[Any], torch.Tensor]] = {
    "mean": lambda parts: torch.stack(parts).mean(0),
    "max": lambda parts: torch.stack(parts).amax(0),
    "concat": lambda parts: torch.cat(parts, dim=2),
    "none": lambda parts: torch.cat(parts, dim=1),
}
