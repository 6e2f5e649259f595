"""Count the operations of every model's default: `python -m rsweep.report.count_operations`.

Matrix products, convolutions and attention are counted by torch's flop counter, an addition and a
multiplication being two. What costs is not computed: its result is zeros of the right shape, so a
network of any size is counted in seconds, and to the same number on every machine.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode, flop_registry, sdpa_flop_count

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import ModelCard
from rsweep.models.protocol import TileBatch
from rsweep.models.registry import network_module
from rsweep.plan.catalogue import cards, defaults
from rsweep.report.operations import COUNTED, frames_of
from rsweep.stages.bands import sensor_bands

CPU_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


class Uncomputed(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Zeros of the right shape in place of the result of every operation that is counted."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func._overloadpacket
        if packet not in flop_registry and packet != CPU_ATTENTION:
            return func(*args, **(kwargs or {}))
        shapes = tree_map_only(torch.Tensor, lambda t: t.to("meta"), (args, kwargs or {}))
        found = func(*shapes[0], **shapes[1])
        return tree_map_only(torch.Tensor, _zeros_like, found)


def _zeros_like(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype).zero_()


def attention(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    """Operations of the CPU's fused attention, by the shapes of queries, keys and values."""
    operations: Any = sdpa_flop_count  # untyped in torch
    return int(operations(*shapes[:3]))


def count(card: ModelCard, **own: Any) -> float:
    """Operations of one tile in 1e9, under a model's default settings but for `own`."""
    settings = cast(ProfileSettings, {**defaults(card), **own})
    try:
        # Tensors without values: no memory for weights, but no network may look at a value.
        with torch.device("meta"):
            return _count(card, settings, contextlib.nullcontext())
    except (RuntimeError, AttributeError, KeyError):
        make: Any = Uncomputed
        return _count(card, settings, make())


def _count(card: ModelCard, settings: ProfileSettings, mode: Any) -> float:
    bands = sensor_bands(settings, card)
    read = {"bands": bands, "constants": card.constants(settings)}
    embedder = network_module(card.id).build({**settings, **read})
    embedder.network.eval().requires_grad_(False)
    batch = _batch(bands, settings, frames_of(card, settings))
    mapping: Any = {CPU_ATTENTION: attention}
    torch.backends.mha.set_fastpath_enabled(False)  # a whole layer in one call is not counted
    with (
        torch.inference_mode(),
        mode,
        FlopCounterMode(display=False, custom_mapping=mapping) as counter,
    ):
        embedder.embed(batch)
    return float(counter.get_total_flops()) / 1e9


def _batch(bands: Mapping[str, list[str]], settings: ProfileSettings, frames: int) -> TileBatch:
    side = settings["image_size"]
    months = torch.arange(frames)[None] % 12
    every = {"month": months, "year": 0 * months + 2022, "day_of_year": 30 * months}
    dates = {name: dict.fromkeys(bands, value) for name, value in every.items()}
    return TileBatch(
        pixels={s: torch.ones(1, frames, len(own), side, side) for s, own in bands.items()},
        valid={s: torch.ones(1, frames, side, side, dtype=torch.bool) for s in bands},
        lonlat=torch.zeros(1, 2, dtype=torch.float64),
        gsd=torch.full((1,), float(settings["scale_m"])),
        **dates,
    )


def rows() -> Iterator[tuple[str, float]]:
    """Model and its operations, to four digits."""
    for card in cards():
        yield card.id, float(f"{count(card):.4g}")


if __name__ == "__main__":
    COUNTED.write_text(json.dumps(dict(rows()), indent=1) + "\n", encoding="utf-8")
