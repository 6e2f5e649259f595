"""How long jobs may take, for schedulers that ask: generous guesses, from a study's own sizes.

A job that outlives its guess is killed and tried again with twice of it, so a guess that is too
long costs a place in the queue and one that is too short costs the work.
"""

from __future__ import annotations

import math
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.core.shards import Shard
from rsweep.core.stage import Work
from rsweep.stages.registry import STAGES

MARGIN = 3.0
LEAST_MIN = 10
METRES_PER_DEGREE = 111_320.0
FRAMES = 12
"""Of a series, where the study leaves their number to the window."""


def runtime_min(node: Node, shard: Shard, attempt: int, cores: int, gpus: int) -> int:
    """Minutes that a job asks for: more after a failure."""
    seconds = seconds_of(node, shard, cores, gpus)
    return max(LEAST_MIN, math.ceil(MARGIN * seconds / 60)) * attempt


def seconds_of(node: Node, shard: Shard, cores: int, gpus: int) -> float:
    """Seconds that a job is expected to take."""
    work = Work(len(shard.rois), tiles_of(node, shard), cores, gpus)
    return STAGES[node.stage].seconds(node.settings, work)


def tiles_of(node: Node, shard: Shard) -> int:
    """Tiles of a shard under the settings of a node, about."""
    settings = _upstream(node)
    frames = settings.get("frames", 1)
    frames = FRAMES if frames == "auto" else int(frames)
    if "stride" not in settings:
        return len(shard.rois) * frames
    stride = float(settings["stride"] * settings.get("scale_m", 10))
    return frames * sum(math.ceil(extent_m(roi) / stride) ** 2 for roi in shard.rois)


def _upstream(node: Node) -> dict[str, Any]:
    """Settings of all stages that a node depends on."""
    return {name: value for n in node.upstream() for name, value in n.settings.items()}


def extent_m(roi: Roi) -> float:
    """Longer side of the box around a ROI, about, in metres."""
    shape = roi.shape
    if shape["type"] == "point":
        return 2 * float(shape["buffer_m"])
    if shape["type"] == "box":
        lons, lats = [shape["minlon"], shape["maxlon"]], [shape["minlat"], shape["maxlat"]]
    else:
        points = list(_points(shape["coordinates"]))
        lons, lats = [p[0] for p in points], [p[1] for p in points]
    width = (max(lons) - min(lons)) * math.cos(math.radians(sum(lats) / len(lats)))
    return METRES_PER_DEGREE * float(max(width, max(lats) - min(lats)))


def _points(coordinates: Any) -> Any:
    if isinstance(coordinates[0], int | float):
        yield coordinates
        return
    for part in coordinates:
        yield from _points(part)
