"""Run a parity case of AgriFM through the project's network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from rsweep.models.agrifm.swin import AgriFM, fold_time


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    """Every output of the case: the pyramid channels first, blocks channels last."""
    network = AgriFM()
    fill(network)
    seen: dict[str, torch.Tensor] = {}
    first = network.backbone.layers[0]
    for name, module in {"block0": first.blocks[0], "block1_shifted": first.blocks[1]}.items():
        module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))

    image = torch.tensor(inputs["image"])
    image = image[:, None] if image.ndim == 4 else image  # one frame may come without its axis
    *features, last = network(image, range(1, 6))

    seen["patch_tokens"] = features[0].permute(0, 4, 1, 2, 3)
    seen["stage0_out"] = features[1].permute(0, 4, 1, 2, 3)
    maps = {f"features_{i}": feature for i, feature in enumerate(features)}
    maps["encoder_features"] = network.backbone.norm(last)
    seen |= {name: fold_time(feature).permute(0, 3, 1, 2) for name, feature in maps.items()}
    return {name: seen[name].numpy() for name in meta["outputs"]}
