"""Clay on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.clay.card import CARD, SIZES
from rsweep.models.clay.network import Clay, encoded_waves


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    """Every output of the case."""
    size = CARD.variants[meta["variant"]]
    network = Clay(size.width, size.depth, size.heads, *SIZES[meta["variant"]])
    fill(network)
    seen: dict[str, torch.Tensor] = {}
    blocks = network.transformer.layers
    blocks[0].register_forward_pre_hook(lambda _, given: seen.update(block0_in=given[0]))
    for number, block in enumerate(blocks):
        name = f"block{number}"
        block.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    tensors = {name: torch.as_tensor(array) for name, array in inputs.items()}
    pixels, waves = tensors["pixels"], tensors["waves"]
    gsd = tensors["gsd"].expand(len(pixels))
    told = torch.cat([tensors["time"], tensors["latlon"]], 1)

    (raw,) = network(pixels, waves, gsd, told, [size.depth])

    patches = network.patch_embedding
    mixed = patches.fclayer(encoded_waves(waves))
    seen["waves"] = mixed
    seen["gen_weight"], seen["gen_bias"] = patches.weight_generator(mixed)
    seen["patch_tokens"] = patches(pixels, waves).flatten(2).mT
    seen["tokens_raw"], seen["tokens"] = raw, network.transformer.norm(raw)
    seen["cls"] = seen["tokens"][:, 0]
    seen["pooled_patch_mean"] = seen["tokens"][:, 1:].mean(1)
    return {name: seen[name].numpy() for name in meta["outputs"]}
