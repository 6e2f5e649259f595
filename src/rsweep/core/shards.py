"""Shards: groups of ROIs that are one job, cut where the ROIs themselves say so."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

from rsweep.core.canonical import digest
from rsweep.core.nodes import KEY_LENGTH
from rsweep.core.roi import Roi, degrees_around
from rsweep.core.roi_columns import Columns

METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Shard:
    """Consecutive ROIs of a table.

    Attributes:
        name: a hash of their definitions.
        rois: the places, in table order.
        extents: side in metres, rounded up -> how many of the ROIs have it; for estimates.
    """

    name: str
    rois: Sequence[Roi]
    extents: Mapping[int, int] = field(default_factory=dict)


def make_shards(rois: Sequence[Roi], target: int) -> list[Shard]:
    """Cut a table into shards of about `target` ROIs.

    A ROI ends a shard if the hash of its id is one of every `target`. So editing a ROI changes the
    name of its own shard alone, and adding or removing one changes the shard that it falls in (a
    ROI that ends a shard splits or joins); no registry is kept and nothing depends on the machine.
    """
    ids = rois.ids if isinstance(rois, Columns) else [roi.id for roi in rois]
    ends = [place for place, name in enumerate(ids, start=1) if _ends_shard(name, target)]
    cuts = sorted({0, *ends, len(ids)})
    return [_shard(rois[start:stop]) for start, stop in pairwise(cuts)]


def _ends_shard(name: str, target: int) -> bool:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return number % target == 0


def _shard(rois: Sequence[Roi]) -> Shard:
    made = list(rois)
    name = digest([roi.definition() for roi in made])[:KEY_LENGTH]
    return Shard(name, rois, extents_of(made))


def extents_of(rois: Iterable[Roi]) -> dict[int, int]:
    """Side in metres, rounded up -> how many ROIs have it."""
    extents = Counter(extent_m(roi) for roi in rois)
    return _summed((_rounded_up(side), n) for side, n in extents.items())


def own_days(rois: Iterable[Roi]) -> float | None:
    """Mean length of the ROIs' own windows in days; None where none has one."""
    windows = Counter((roi.start, roi.end) for roi in rois if roi.start and roi.end)
    if not windows:
        return None
    days = sum(n * days_between(str(start), str(end)) for (start, end), n in windows.items())
    return days / windows.total()


def days_between(start: str, end: str) -> int:
    """Days of a window, its end exclusive."""
    return (date.fromisoformat(end[:10]) - date.fromisoformat(start[:10])).days


def _summed(counts: Iterable[tuple[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for value, count in counts:
        found[value] = found.get(value, 0) + count
    return found


def _rounded_up(metres: float) -> int:
    """To two digits, so that the ROIs of a shard have few values."""
    step: int = 10 ** max(len(str(int(metres))) - 2, 0)
    return math.ceil(metres / step) * step


def extent_m(roi: Roi) -> float:
    """Longer side of the box around a ROI, about, in metres."""
    if roi.shape["type"] == "point":
        return 2 * float(roi.shape["buffer_m"])
    west, south, east, north = degrees_around(roi.shape)
    width = (east - west) * math.cos(math.radians((south + north) / 2))
    return METRES_PER_DEGREE * max(width, north - south)
