"""How long jobs may take, for schedulers that ask: generous guesses, from a study's own sizes.

A job that outlives its guess is killed and tried again with twice of it, so a guess that is too
long costs a place in the queue and one that is too short costs the work.
"""

from __future__ import annotations

import math
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.core.stage import Work
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


def tiles_of(node: Node, shard: Shard) -> int:
    """Tiles of a shard under the settings of a node, about."""
    settings = _upstream(node)
    frames = settings.get("frames", 1)
    frames = FRAMES if frames == "auto" else int(frames)
    if "stride" not in settings:
        return len(shard.rois) * frames
    stride = float(settings["stride"] * settings.get("scale_m", 10))
    tiles = (math.ceil(side / stride) ** 2 * rois for side, rois in shard.extents.items())
    return frames * sum(tiles)


def _upstream(node: Node) -> dict[str, Any]:
    """Settings of all stages that a node depends on."""
    return {name: value for n in node.upstream() for name, value in n.settings.items()}
