"""CROMA on the fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsweep.models.croma.card import CARD
from rsweep.models.croma.network import Croma

SENSORS = {"sar": "s1", "optical": "s2"}


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    size = CARD.variants[meta["variant"].partition("_")[0]]
    asked = meta["call"]["modalities"]
    network = Croma(size.width, size.depth, size.heads, [SENSORS[name] for name in asked])
    fill(network)
    pixels = {name: torch.from_numpy(inputs[name]) for name in asked}
    outputs = {"alibi": network.bias(pixels[asked[0]])}
    for name in asked:
        outputs |= dict(_one(network, name, pixels[name]))
    if len(asked) > 1:
        every = range(1, size.depth // 2 + 1)
        blocks = network.joint(pixels["sar"], pixels["optical"], every)
        joint = network.joint_encoder.norm_out(blocks[-1])
        outputs |= {f"block{n}_joint": tokens for n, tokens in enumerate(blocks)}
        outputs |= {"tokens_raw_joint": blocks[-1], "joint_encodings": joint}
        outputs["joint_GAP"] = joint.mean(1)
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def _one(network: Croma, name: str, pixels: Tensor) -> Iterator[tuple[str, Tensor]]:
    sensor = SENSORS[name]
    encoder = network.get_submodule(f"{sensor}_encoder")
    every = range(1, len(encoder.transformer.layers) + 1)
    blocks = network.alone(sensor, pixels, every)
    encodings = encoder.transformer.norm_out(blocks[-1])
    yield f"patch_tokens_{name}", encoder.patches(pixels)
    yield f"tokens_raw_{name}", blocks[-1]
    yield f"{name}_encodings", encodings
    yield f"{name}_GAP", network.get_submodule(f"{sensor}_GAP_FFN")(encodings.mean(1))
    for number, tokens in enumerate(blocks):
        yield f"block{number}_{name}", tokens
