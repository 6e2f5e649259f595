"""How long jobs may take, for schedulers that ask: generous guesses, from a study's own sizes.

A job that outlives its guess is killed and tried again with twice of it, so a guess that is too
long costs a place in the queue and one that is too short costs the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.core.stage import Extent, Work
from rsweep.stages.registry import STAGES

MARGIN = 3.0
LEAST_MIN = 10
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


LIBRARIES_MB = 400
"""Of a process that has read its libraries, and nothing else."""


def memory_mb(node: Node, shards: Iterable[Shard], attempt: int) -> int:
    """Memory that a job asks for: what its stage says, or more for a large ROI; times the attempt.

    Stages stream, so that one ROI's part is in memory and not its shard.
    """
    stage, settings = STAGES[node.stage], _upstream(node)
    largest = max((side for shard in shards for side in shard.extents), default=0)
    around = 2 * float(settings.get("context_m") or 0)
    side_m = max(largest + around, float(settings.get("least_side_m") or 0))
    extent = Extent(side_m / float(settings.get("scale_m", 10)), _frames_of(settings))
    need = LIBRARIES_MB + stage.roi_mb(settings, extent)
    return math.ceil(max(stage.memory_mb(node.settings), need)) * attempt


def _frames_of(settings: Mapping[str, Any]) -> int:
    frames = settings.get("frames", 1)
    return int(settings.get("max_frames", FRAMES)) if frames == "auto" else int(frames)


def tiles_of(node: Node, shard: Shard) -> int:
    """Tiles of a shard under the settings of a node, about."""
    settings = _upstream(node)
    frames = settings.get("frames", 1)
    frames = FRAMES if frames == "auto" else int(frames)
    if "stride" not in settings:
        return len(shard.rois) * frames
    return frames * sum(_along(side, settings) ** 2 * n for side, n in shard.extents.items())


def _along(side_m: float, settings: Mapping[str, Any]) -> int:
    """Most tiles along a side of a ROI: it starts anywhere between two places where a tile may."""
    scale_m, size = float(settings.get("scale_m", 10)), int(settings["tile_size"])
    length = side_m / scale_m + int(settings.get("align", 1))
    return 1 + math.ceil(max(length - size, 0) / int(settings["stride"]))


def _upstream(node: Node) -> dict[str, Any]:
    """Settings of all stages that a node depends on."""
    return {name: value for n in node.upstream() for name, value in n.settings.items()}
