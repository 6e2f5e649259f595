"""Shards: groups of ROIs that are one job, cut where the ROIs themselves say so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from rsweep.core.canonical import digest
from rsweep.core.nodes import KEY_LENGTH
from rsweep.core.roi import Roi


@dataclass(frozen=True)
class Shard:
    """Consecutive ROIs of a table; `name` is a hash of their definitions."""

    name: str
    rois: tuple[Roi, ...]


def make_shards(rois: Sequence[Roi], target: int) -> list[Shard]:
    """Cut a table into shards of about `target` ROIs.

    A ROI ends a shard if the hash of its id is one of every `target`. So editing a ROI changes the
    name of its own shard alone, and adding or removing one changes the shard that it falls in (a
    ROI that ends a shard splits or joins); no registry is kept and nothing depends on the machine.
    """
    groups: list[list[Roi]] = [[]]
    for roi in rois:
        groups[-1].append(roi)
        if _ends_shard(roi, target):
            groups.append([])
    return [_shard(group) for group in groups if group]


def _ends_shard(roi: Roi, target: int) -> bool:
    number = int.from_bytes(hashlib.sha256(roi.id.encode()).digest()[:8], "big")
    return number % target == 0


def _shard(rois: Sequence[Roi]) -> Shard:
    return Shard(digest([roi.definition() for roi in rois])[:KEY_LENGTH], tuple(rois))
