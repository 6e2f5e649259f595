"""What each stage of a study has, needs and will cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rsweep.core.nodes import Node
from rsweep.core.shards import Shard, own_days
from rsweep.core.store import Store
from rsweep.foresight.measured import Fits, Measure, find_fit, measured, model_of
from rsweep.foresight.service import asked_of, eecu, ledger_month, volume_with_requests
from rsweep.foresight.volumes import Places, Volume, merged
from rsweep.plan.estimates import memory_mb
from rsweep.plan.rounds import wanted_shards
from rsweep.plan.study import Study
from rsweep.sources.earthengine.ledger import Month

UNSURE = 4.0
"""A model of cost that nothing was measured for may be off by this factor, either way."""
SCALED = 1.5
"""Operations that are in proportion to counted ones may be off by this factor."""
SHAPE = 1.1
"""Counts that follow from sizes of places, rounded, may be off by this factor."""

Quantity = Literal[
    "requests",
    "fetched_bytes",
    "eecu_seconds",
    "tiles",
    "flops",
    "device_seconds",
    "core_seconds",
    "memory_mb",
    "disk_bytes",
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)


@dataclass(frozen=True)
class Amount:
    """An amount with its range, and how it is known.

    Attributes:
        basis: "measured here" with the number of jobs, "model of cost", "counted", or what else
            it is made of.
    """

    value: float
    low: float
    high: float
    basis: str


NOTHING = Amount(0.0, 0.0, 0.0, "")


@dataclass(frozen=True)
class NodeCost:
    """What is left to do of a node.

    Attributes:
        node: the node.
        files, present: files that the study needs, and that are there.
        users: profiles that need it.
        amounts: what the files to make take; of memory what the largest job asks for.
    """

    node: Node
    files: int
    present: int
    users: int
    amounts: Mapping[Quantity, Amount]

    @property
    def to_do(self) -> int:
        """Files to make."""
        return self.files - self.present


@dataclass(frozen=True)
class Known:
    """What a forecast is made of.

    Attributes:
        study, store: of which, and where its files go.
        fits: what was measured in the store.
        device: of inference, cpu or gpu.
        places: shard -> its ROIs.
        month: the ledger of Earth Engine; None where there is none.
    """

    study: Study
    store: Store
    fits: Fits
    device: str
    places: Mapping[str, Places]
    month: Month | None


def forecast(study: Study) -> list[NodeCost]:
    """What is left to do of every node of a study, sources first."""
    store = Store(study.store)
    device = "gpu" if study.options["gpus"] else "cpu"
    places = {s.name: Places(s.extents, own_days(s.rois)) for s in study.shards}
    known = Known(study, store, measured(store), device, places, ledger_month(study))
    users: dict[str, int] = {}
    for profile in study.profiles:
        for node in profile.node.upstream():
            users[node.key] = users.get(node.key, 0) + 1
    wanted = wanted_shards(study)
    return [
        _node_cost(known, node, users[key], [s for s in study.shards if s.name in wanted[key]])
        for key, node in study.nodes().items()
    ]


def _node_cost(known: Known, node: Node, users: int, shards: Sequence[Shard]) -> NodeCost:
    there = _names(known.store.folder(node))
    absent = [shard for shard in shards if f"{node.file(shard.name)}.h5" not in there]
    amounts = dict(_amounts(known, node, absent)) if absent else {}
    return NodeCost(node, len(shards), len(shards) - len(absent), users, amounts)


def _amounts(
    known: Known, node: Node, shards: Sequence[Shard]
) -> Iterator[tuple[Quantity, Amount]]:
    places = merged(known.places[shard.name] for shard in shards)
    volumes = [volume_with_requests(node, each) for each in places]
    yield "core_seconds", _amount(known, node, "core_seconds", volumes)
    yield "disk_bytes", _amount(known, node, "disk_bytes", volumes)
    asked = float(memory_mb(node, shards, 1))
    yield "memory_mb", Amount(asked, asked / UNSURE, asked, "asked for")
    if node.stage == "infer":
        yield from _inference(known, node, volumes)
    if node.stage == "fetch" and _is_service(node):
        yield from _fetching(known, node, volumes, places)


def _inference(
    known: Known, node: Node, volumes: Sequence[Volume]
) -> Iterator[tuple[Quantity, Amount]]:
    tiles, flops = sum(v.tiles for v in volumes), 1e9 * sum(v.gflops for v in volumes)
    yield "tiles", Amount(tiles, tiles / SHAPE, tiles * SHAPE, "counted")
    yield "flops", Amount(flops, flops / SCALED, flops * SCALED, "counted at the model's defaults")
    if known.device == "gpu":
        yield "device_seconds", _amount(known, node, "device_seconds", volumes)


def _fetching(
    known: Known, node: Node, volumes: Sequence[Volume], places: Sequence[Places]
) -> Iterator[tuple[Quantity, Amount]]:
    if node.settings["provider"] == "earthengine":
        yield "eecu_seconds", Amount(*eecu(asked_of(node, places), known.month))
    yield "requests", _amount(known, node, "requests", volumes)
    yield "fetched_bytes", _amount(known, node, "fetched_bytes", volumes)


def _is_service(node: Node) -> bool:
    """True if scenes come over a network."""
    return node.settings["provider"] in ("stac", "earthengine")


MODELLED = "model of cost"


def _amount(known: Known, node: Node, measure: Measure, volumes: Sequence[Volume]) -> Amount:
    model, fit = model_of(node, measure), find_fit(known.fits, node, measure, known.device)
    rows = [model.parts(volume) for volume in volumes]
    if fit is None:
        value = sum(p * n for row in rows for p, n in zip(model.guess, row, strict=True))
        return Amount(value, value / UNSURE, value * UNSURE, MODELLED)
    value = sum(fit.of(row) for row in rows)
    return Amount(value, value * fit.low, value * fit.high, f"measured here ({fit.jobs} jobs)")


def _names(folder: Path) -> set[str]:
    """Files of a folder, listed once: a look at each costs a round trip on a network's disk."""
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()
