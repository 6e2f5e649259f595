"""When a ROI is read, and a box that holds all that is read around it; no projection is needed."""

from __future__ import annotations

import math

from rsweep.core.roi import SNAP_M, Roi, degrees_around
from rsweep.core.sensors import SENSORS
from rsweep.core.shards import METRES_PER_DEGREE
from rsweep.sources.held import Degrees
from rsweep.stages.fetch.spec import FetchSettings

ALWAYS = ("1900-01-01", "2100-01-01")
"""The window of a static product, whose images are of no date that matters."""
ZONE_HALF_DEG = 3.0
LARGER = 1.02
"""More than a degree differs from `METRES_PER_DEGREE`, and a metre of UTM from one on the ground.
"""


def window_of(settings: FetchSettings, roi: Roi) -> tuple[str, str]:
    """The window of a ROI under the settings of a fetch; its own wins. ISO dates, end exclusive."""
    if SENSORS[settings["sensor"]].static:
        return ALWAYS
    if roi.start and roi.end:
        return roi.start, roi.end
    temporal = settings["temporal"]
    assert temporal is not None  # a study whose ROIs lack windows has one
    return temporal["start"], temporal["end"]


def box_around(settings: FetchSettings, roi: Roi) -> Degrees:
    """A box in degrees that holds the grid of a ROI (see `grid.roi_grid`), and little more.

    West and east may lie beyond 180 degrees.
    """
    west, south, east, north = degrees_around(roi.shape)
    far, near = (
        max(abs(south), abs(north)),
        0.0 if south < 0 < north else min(abs(south), abs(north)),
    )
    wide, tall = (east - west) * math.cos(math.radians(near)), north - south
    half = METRES_PER_DEGREE * max(wide, tall) / 2 + float(roi.shape.get("buffer_m", 0.0))
    # The grid's north is turned from true north by the convergence of the zone's meridians.
    turn = math.radians(min(ZONE_HALF_DEG + (east - west) / 2, 45.0)) * math.sin(math.radians(far))
    spin = math.cos(turn) + math.sin(turn)
    read = max(half * spin + settings["context_m"], settings["least_side_m"] / 2)
    reach = LARGER * spin * (read + SNAP_M + settings["scale_m"])
    dlat = reach / METRES_PER_DEGREE
    dlon = dlat / max(math.cos(math.radians(min(far + dlat, 90.0))), 1e-3)
    lon, lat = (west + east) / 2, (south + north) / 2
    return lon - dlon, lat - dlat, lon + dlon, lat + dlat
