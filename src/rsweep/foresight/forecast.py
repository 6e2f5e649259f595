"""What each stage of a study has, needs and will cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.foresight.measured import Group, Rate, group_of, measured_rates
from rsweep.plan.estimates import memory_mb, seconds_of
from rsweep.plan.study import Study

UNSURE = 4.0
"""A model of cost that nothing was measured for may be off by this factor, either way."""


@dataclass(frozen=True)
class NodeCost:
    """What is left to do of a node.

    Attributes:
        node: the node.
        files, present: files that the study needs, and that are there.
        users: profiles that need it.
        seconds, low, high: core seconds of the files to make, and their range.
        size: bytes of these files, about; None where nothing of its kind was measured.
        memory_mb: that its jobs ask for.
        basis: "measured here" with the number of jobs, or "model of cost".
    """

    node: Node
    files: int
    present: int
    users: int
    seconds: float
    low: float
    high: float
    size: float | None
    memory_mb: int
    basis: str

    @property
    def to_do(self) -> int:
        """Files to make."""
        return self.files - self.present


def forecast(study: Study, cores: int = 1) -> list[NodeCost]:
    """What is left to do of every node of a study, sources first."""
    store, rates = Store(study.store), measured_rates(Store(study.store), cores)
    users: dict[str, int] = {}
    for profile in study.profiles:
        for node in profile.node.upstream():
            users[node.key] = users.get(node.key, 0) + 1
    return [
        _node_cost(node, users[key], study.shards, store, rates, cores)
        for key, node in study.nodes().items()
    ]


def _node_cost(
    node: Node, users: int, shards: Sequence[Shard], store: Store, rates: Mapping[Group, Rate],
    cores: int,
) -> NodeCost:  # fmt: skip
    there = _names(store.folder(node))
    absent = [shard for shard in shards if f"{node.file(shard.name)}.h5" not in there]
    modelled = sum(seconds_of(node, shard, cores, 0) for shard in absent)
    rate = rates.get(group_of(node)) or rates.get((node.stage,))
    memory = memory_mb(node, shards, 1)
    done = len(shards) - len(absent)
    if rate is None:
        return NodeCost(node, len(shards), done, users, modelled, modelled / UNSURE,
                        modelled * UNSURE, None, memory, "model of cost")  # fmt: skip
    rois = sum(len(shard.rois) for shard in absent)
    return NodeCost(
        node, len(shards), done, users, modelled * rate.ratio, modelled * rate.low,
        modelled * rate.high, rois * rate.bytes_per_roi, memory,
        f"measured here ({rate.jobs} jobs)",
    )  # fmt: skip


def _names(folder: Path) -> set[str]:
    """Files of a folder, listed once: a look at each costs a round trip on a network's disk."""
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()
