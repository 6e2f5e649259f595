"""TESSERA on the fixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsweep.models.tessera.card import NETWORKS
from rsweep.models.tessera.encoder import Tessera, encoded_days

SIZES = {
    **NETWORKS,
    "v2_small_qknorm": replace(NETWORKS["v2_small"], qk_norm=True),
    "v2_tiny_test": replace(NETWORKS["v2_small"], width=128, layers=2, feedforward=512),
}
"""Those of the card, and two that are in no published file."""


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    """Every output of the case."""
    size = SIZES[meta["variant"]]
    network = Tessera(size)
    fill(network)
    seen = watch(network)
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}

    for sensor in ("s2", "s1"):
        backbone = network.get_submodule(f"{sensor}_backbone")
        days = tensors[f"{sensor}_doy"]
        seen[f"{sensor}_doy_encoding"] = encoded_days(days, size.width)
        seen[f"{sensor}_pooled"] = backbone(tensors[f"{sensor}_bands"], days)
    seen["tokens_raw"] = seen["s2_tokens_raw"]
    for name in [name for name in seen if name.startswith("s2_block")]:
        seen[name.removeprefix("s2_")] = seen[name]
    seen["embedding"] = network(seen["s2_pooled"], seen["s1_pooled"])
    return {name: seen[name].numpy() for name in meta["outputs"]}


def watch(network: Tessera) -> dict[str, Tensor]:
    """A dictionary that fills with what passes through the network's modules."""
    seen: dict[str, Tensor] = {}

    def keep(module: nn.Module, name: str) -> None:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            seen[name] = output[0] if isinstance(output, tuple) else output

        module.register_forward_hook(hook)

    for sensor in ("s2", "s1"):
        backbone = network.get_submodule(f"{sensor}_backbone")
        encoder = backbone.get_submodule("transformer_encoder")
        layers = list(getattr(encoder, "layers", None) or encoder.children())
        keep(backbone.get_submodule("embedding"), f"{sensor}_embed")
        keep(encoder, f"{sensor}_tokens_raw")
        layers[0].register_forward_pre_hook(
            lambda _, given, sensor=sensor: seen.update({f"{sensor}_block0_in": given[0]})
        )
        for number, layer in enumerate(layers):
            keep(layer, f"{sensor}_block{number}")
        gru = getattr(backbone.attn_pool, "temporal_context", None)
        if gru is not None:
            keep(gru, f"{sensor}_gru")
    return seen
