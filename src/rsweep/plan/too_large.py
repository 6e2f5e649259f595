"""ROIs that need more tiles than a profile allows: found before anything is fetched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rsweep.core.errors import RoiError
from rsweep.core.knobs import Problem
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.core.shards import Shard
from rsweep.plan.profiles import Profile
from rsweep.stages.prep.spec import PrepSettings, prep_settings

ROUNDING_PX = 2
"""By how much a ROI's span in whole pixels may be shorter than its length says."""


def too_many_tiles(
    profiles: Sequence[Profile], shards: Sequence[Shard], max_failed: float, where: str
) -> list[Problem]:
    """A problem for profiles under which more ROIs would fail than a study allows."""
    problems: dict[tuple[Any, ...], Problem] = {}
    count = sum(len(shard.rois) for shard in shards)
    for profile in profiles:
        prep = next(node for node in profile.node.upstream() if node.stage == "prep")
        if prep.settings["input_prep"] != "tile" or "max_tiles" not in prep.settings:
            continue  # the key has the limit where a ROI may reach it
        scale, limit = profile.settings["scale_m"], prep.settings["max_tiles"]
        how = (prep.settings["tile_size"], prep.settings["stride"], limit, scale)
        if how in problems:
            continue
        large = list(_too_large(shards, prep, scale))
        if large and (len(large) > max_failed * count or len(large) == count):
            roi, tiles = large[0]
            problems[how] = Problem(
                f"{where}: {profile.name}.max_tiles",
                f"is {limit}, and {len(large)} of {count} ROIs, {roi.id} first, need more: that "
                f"one {tiles:,} tiles of {how[0]} px; raise max_tiles or tile_size, or set "
                f"input_prep: resize",
            )
    return list(problems.values())


def _too_large(shards: Sequence[Shard], prep: Node, scale_m: float) -> Iterator[tuple[Roi, int]]:
    """ROIs above the limit, each with the tiles that it needs at the least."""
    settings = prep_settings(prep)
    for shard in shards:
        if max(shard.extents, default=0) == 0 or not _above(max(shard.extents), scale_m, settings):
            continue
        for roi in shard.rois:
            tiles = _tiles(roi, scale_m, settings)
            if tiles > settings["max_tiles"]:
                yield roi, tiles


def _above(side_m: float, scale_m: float, settings: PrepSettings) -> bool:
    """True if a square of this side may need too many tiles."""
    return _along(side_m / scale_m, settings) ** 2 > int(settings["max_tiles"])


def _tiles(roi: Roi, scale_m: float, settings: PrepSettings) -> int:
    from rsweep.core.grid import roi_polygon  # projections, which few studies need here

    try:
        left, bottom, right, top = roi_polygon(roi)[1].bounds
    except RoiError:
        return 0  # which has an error of its own
    return _along((right - left) / scale_m, settings) * _along((top - bottom) / scale_m, settings)


def _along(length_px: float, settings: PrepSettings) -> int:
    """Tiles along one side, at the least."""
    beyond = length_px - ROUNDING_PX - int(settings["tile_size"])
    return max(math.ceil(beyond / int(settings["stride"])), 0) + 1
