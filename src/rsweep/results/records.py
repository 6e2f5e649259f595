"""Records of runs: read whole or not at all, so that a cost is never summed of half a record."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.plan.study import Study

log = logging.getLogger("rsweep")

Record = Mapping[str, Any]
Records = Mapping[str, Record]
"""Shard -> its record; empty where it is lost."""

NEEDED = ("seconds", "rois", "peak_memory_mb")
"""Numbers that every record has; inference has more."""
INFER_NEEDED = ("tiles", "forward_seconds", "load_seconds")


def read_records(study: Study, node: Node) -> Records:
    """Shard -> what ran; nothing where the record is lost or is none, which is said."""
    store = Store(study.store)
    found: dict[str, Record] = {}
    for shard in study.shards:
        record = store.read_record(node, shard.name)
        found[shard.name] = record if is_record(record, node.stage) else {}
    lost = [name for name, record in found.items() if not record]
    if lost:
        log.warning(
            "%s: %d of %d records of runs are lost or damaged, %s first; what they cost is "
            "estimated from the others",
            store.folder(node),
            len(lost),
            len(found),
            lost[0],
        )
    return found


def is_record(record: Record, stage: str) -> bool:
    """True if a record has every number that costs are made of."""
    needed = (*NEEDED, *(INFER_NEEDED if stage == "infer" else ()))
    return all(_is_number(record.get(name)) for name in needed)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15


def estimated(records: Records, rois: Mapping[str, int], name: str) -> float:
    """Sum of a number over shards; of one whose record is lost as much per ROI as the others.

    Args:
        records: shard -> its record, empty if it is lost.
        rois: shard -> how many ROIs it has.
        name: of the number.
    """
    known = sum(rois[shard] for shard, record in records.items() if record)
    everything = sum(rois.values())
    summed = float(sum(record[name] for record in records.values() if record))
    return summed if known in (0, everything) else summed * everything / known
