"""Sentinel-2's offset of -1000: from the processing baseline, checked against pixels where needed.

From baseline 04.00 on ESA adds 1000 to every value. Earth Search's `sentinel-2-l2a` took it off
some items and says which in a property that is not always right, so that their pixels are looked
at: dark surfaces lie below 900 where it was taken off, and between 1000 and 1600 where it was not.
A scene whose pixels contradict its property is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import RoiError
from rsweep.sources.baseline import FIRST_BASELINE, OFFSET
from rsweep.sources.cog import open_raster
from rsweep.sources.stac.collections import Collection
from rsweep.sources.stac.items import Item

FLAG = "earthsearch:boa_offset_applied"
SURELY_BELOW, DARKEST_RAW, DARK = 900, 1000, 1600
ENOUGH_PIXELS = 100
SIDE = 256
"""The check reads at most this many pixels a side: of a COG, one overview of the whole tile."""
Verdict = Literal["applied", "raw", "unknown"]


def scene_offset(
    entry: Collection, item: Item, dark_pixels: Callable[[], NDArray[Any]]
) -> tuple[float, dict[str, Any]]:
    """Offset of an item's values, and what the scene's record says of it.

    Args:
        entry: the item's collection.
        item: the item.
        dark_pixels: gives raw values of a band in which land is dark; only called where the
            catalogue is not to be trusted.

    Raises:
        RoiError: the item does not tell its baseline, or its pixels contradict it.
    """
    if entry.baseline == "none":
        return entry.offset, {}
    baseline = item.baseline
    if baseline is None and entry.baseline == "own":
        return 0.0, {"offset_applied": True}
    if baseline is None:
        raise RoiError(f"item {item.id} does not tell its processing baseline")
    if baseline < FIRST_BASELINE:
        return 0.0, {"offset_applied": False}
    if entry.baseline in ("raw", "own"):
        return OFFSET, {"offset_applied": False}
    applied = item.properties.get(FLAG) is True
    seen = judge(dark_pixels())
    if seen != "unknown" and (seen == "applied") != applied:
        raise RoiError(
            f"item {item.id}: {FLAG} is {applied}, but its pixels say that the offset of "
            f"{OFFSET:g} was {'' if seen == 'applied' else 'not '}applied; use collection "
            "sentinel-2-c1-l2a, or leave the scene out"
        )
    return (0.0 if applied else OFFSET), {"offset_applied": applied, "offset_seen": seen}


def judge(values: NDArray[Any]) -> Verdict:
    """Whether values of a dark band (any shape, 0 missing) had the offset taken off."""
    valid = values[values > 0]
    if valid.size < ENOUGH_PIXELS:
        return "unknown"
    if (valid < SURELY_BELOW).mean() > 0.01:
        return "applied"
    # Bright tiles (cloud, snow, desert) have nothing dark in either encoding.
    return "raw" if DARKEST_RAW <= np.percentile(valid, 0.5) < DARK else "unknown"


def read_overview(path: str) -> NDArray[Any]:
    """A raster's first band at no more than `SIDE` pixels a side."""
    with open_raster(path) as raster:
        shape = (min(raster.height, SIDE), min(raster.width, SIDE))
        values: NDArray[Any] = raster.read(1, out_shape=shape)
    return values
