"""Run a parity case of Galileo through the project's network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsweep.models.galileo.card import CARD
from rsweep.models.galileo.encoder import Encoder
from rsweep.models.galileo.tokens import KINDS, Observed, mean_of_all, mean_per_patch

INPUTS = {"space_time": "s_t", "space": "sp", "time": "t", "static": "st"}


def run(
    meta: dict[str, Any], inputs: dict[str, np.ndarray], fill: Callable[[nn.Module], None]
) -> dict[str, np.ndarray]:
    """Every output of the case; of the space-time tokens the groups that `call` names."""
    call = meta["call"]
    size = CARD.variants[meta["variant"]]
    network = Encoder(size.width, size.depth, size.heads)
    fill(network)
    patch, norm = call["patch_size"], call.get("add_layernorm_on_exit", True)
    tensors = {name: torch.tensor(array) for name, array in inputs.items()}
    observed = {n: seen for k in KINDS for n, seen in _observe(k, tensors, patch).items()}
    seen = _watch(network)

    months = tensors["months"]
    gsd = torch.full((len(months),), float(call.get("input_resolution_m", 10)))
    kinds = network(observed, months, gsd, patch, (size.depth,), norm)

    space_time = list(KINDS[0].bands)
    wanted = call.get("visible_space_time_groups", list(range(len(space_time))))
    shown = [i for i, name in enumerate(space_time) if name in observed]
    b, height, width, frames, _ = tensors["s_t_x"].shape
    grid = (b, height // patch, width // patch, frames, len(space_time), size.width)
    projected = torch.zeros(grid)  # as upstream where a group is hidden everywhere
    hidden = network.norm.bias if norm else torch.zeros(size.width)  # upstream: norm of a zero
    tokens = hidden.expand(grid).clone()
    if shown:
        projected[..., shown, :] = torch.stack([seen[space_time[i]] for i in shown], 4)
        visible = kinds[0].visible[..., None]
        tokens[..., shown, :] = torch.where(visible, kinds[0].values, hidden)
    seen["projected"], seen["tokens"] = projected[..., wanted, :], tokens[..., wanted, :]
    seen["averaged"] = mean_of_all(kinds)
    seen["grid"] = mean_per_patch(kinds).expand(*grid[:3], -1).flatten(1, 2)
    return {name: seen[name].numpy() for name in meta["outputs"]}


def _watch(network: Encoder) -> dict[str, Tensor]:
    """A dictionary that fills with what passes through the network's modules."""
    seen: dict[str, Tensor] = {}
    first, last = network.blocks[0], network.blocks[-1]
    first.register_forward_pre_hook(lambda _, given: seen.update(block0_in=given[0]))
    first.register_forward_hook(lambda _, __, output: seen.update(block0=output))
    last.register_forward_hook(lambda _, __, output: seen.update(block_last=output))
    for name, module in network.get_submodule("space_time_embed").named_children():
        module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    return seen


def _observe(kind: Any, tensors: dict[str, Tensor], patch: int) -> dict[str, Observed]:
    """The groups of a kind that upstream's inputs and masks show somewhere."""
    values, mask = tensors[INPUTS[kind.name] + "_x"], tensors[INPUTS[kind.name] + "_m"]
    if kind.spatial:  # upstream samples masks at the top-left pixel of a patch
        mask = mask[:, ::patch, ::patch]
        values = values.permute(0, 3, 4, 1, 2) if kind.temporal else values.permute(0, 3, 1, 2)
    else:
        mask = mask[:, None, None]
    if not kind.temporal:
        values, mask = values[:, None], mask[:, :, :, None]
    bands = torch.split(values, list(kind.bands.values()), 2)
    visible = (mask == 0).unbind(-1)
    return {
        name: Observed(part, shown)
        for name, part, shown in zip(kind.bands, bands, visible, strict=True)
        if shown.any()
    }
