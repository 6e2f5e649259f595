"""What stages have cost in a store, against what their models of cost say."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.stage import Work
from rsweep.core.store import Store
from rsweep.explain.chains import StoredNodes
from rsweep.stages.registry import STAGES

Group = tuple[str, ...]
"""A stage, and what its cost depends on beside settings: a provider, a model and its variant."""
MOST_RECORDS = 2000
"""Read of each stage; more say no more."""


@dataclass(frozen=True)
class Rate:
    """How measured cost compares with a model of cost.

    Attributes:
        ratio: median of measured over modelled seconds.
        low, high: the range that nine in ten jobs lie in.
        bytes_per_roi: median size of a file by its ROIs.
        jobs: how many were measured.
    """

    ratio: float
    low: float
    high: float
    bytes_per_roi: float
    jobs: int


def group_of(node: Node) -> Group:
    """What a node's cost is compared with."""
    names = {"fetch": ("provider", "sensor"), "infer": ("model", "variant")}
    return (node.stage, *(str(node.settings[name]) for name in names.get(node.stage, ())))


def measured_rates(store: Store, cores: int = 1) -> dict[Group, Rate]:
    """Group -> how it compares; and stage alone -> the same over all of its groups."""
    found: dict[Group, list[tuple[float, float]]] = {}
    nodes = StoredNodes(store)
    for stage in STAGES:
        for node in nodes.of_stage(stage):
            for pair in _pairs(store, node, cores):
                for group in {group_of(node), (stage,)}:
                    found.setdefault(group, []).append(pair)
    return {group: _rate(pairs) for group, pairs in found.items()}


def _pairs(store: Store, node: Node, cores: int) -> Iterator[tuple[float, float]]:
    """Of each job of a node: measured over modelled seconds, and bytes per ROI."""
    for path in sorted(store.folder(node).glob("*.run.json"))[:MOST_RECORDS]:
        record = _read(path)
        rois, seconds = record.get("rois"), record.get("seconds")
        file = path.with_name(path.name.replace(".run.json", ".h5"))
        if not rois or not seconds or not file.exists():
            continue
        work = Work(int(rois), int(record.get("tiles", rois)), cores, 0)
        modelled = STAGES[node.stage].seconds(node.settings, work)
        yield float(seconds) / modelled, file.stat().st_size / int(rois)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _rate(pairs: list[tuple[float, float]]) -> Rate:
    ratios = sorted(ratio for ratio, _ in pairs)
    low = ratios[int(0.05 * (len(ratios) - 1))]
    high = ratios[int(0.95 * (len(ratios) - 1) + 0.999)]
    sizes = statistics.median(size for _, size in pairs)
    return Rate(statistics.median(ratios), low, high, sizes, len(pairs))
