"""Where chips lie: where their georeference says, where a table says, or at a made-up place."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

from pyproj import CRS, Transformer

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid, centre_and_size, utm_epsg
from rsweep.core.roi import Roi
from rsweep.sources.chips.chip import Picture

MADE_UP = "made-up"
"""What the column `place` of a ROI table says where nothing says where a chip lies."""
SLACK = 0.02
"""Share by which a georeference's pixel may differ from `scale_m`: sets in UTM that were cut out of
other projections have pixels of 9.98 m or so."""
LONGITUDES, LATITUDES = 340.0, 120.0
"""Extent of the lattice of made-up places, in degrees."""
FEWEST_CELLS = 64


def grid_of(picture: Picture, roi: Roi, scale_m: float) -> Grid:
    """The grid of a chip: its own pixels, `scale_m` wide.

    It lies where its georeference says if that is in metres and north up. Of other georeferences,
    and without one, the centre is the ROI's, and the grid is in the UTM zone of that.

    Raises:
        RoiError: the georeference says another pixel size.
    """
    _, height, width = picture.values.shape
    if picture.transform and picture.crs and _in_metres(picture.crs):
        a, b, x0, d, e, y0 = picture.transform
        if b == d == 0 and a > 0 > e:
            _check_pixel(a, scale_m)
            _check_pixel(-e, scale_m)
            return Grid(picture.crs, x0, y0, scale_m, height, width)
    (lon, lat), _ = centre_and_size(roi)
    crs = f"EPSG:{utm_epsg(lon, lat)}"
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    return Grid(crs, x - width * scale_m / 2, y + height * scale_m / 2, scale_m, height, width)


def _in_metres(crs: str) -> bool:
    found = CRS.from_user_input(crs)
    return bool(found.is_projected) and found.axis_info[0].unit_name == "metre"


def _check_pixel(pixel: float, scale_m: float) -> None:
    if abs(pixel / scale_m - 1) > SLACK:
        raise RoiError(
            f"its pixels are {pixel:g} m by its georeference, and scale_m is "
            f"{scale_m:g}; chips are not resampled, so set scale_m: {pixel:g}, or "
            f"chips.georeference: ignore"
        )


def centre_of(picture: Picture) -> tuple[float, float] | None:
    """Longitude and latitude of a georeferenced picture's centre."""
    if not picture.transform or not picture.crs:
        return None
    _, height, width = picture.values.shape
    a, b, c, d, e, f = picture.transform
    x = a * width / 2 + b * height / 2 + c
    y = d * width / 2 + e * height / 2 + f
    lon, lat = Transformer.from_crs(picture.crs, 4326, always_xy=True).transform(x, y)
    return float(lon), float(lat)


def made_up_places(ids: Iterable[str]) -> dict[str, tuple[float, float]]:
    """A place for each name, far from all others: longitude and latitude.

    Drawn from the name's hash, so that one chip more or less leaves the others where they are
    (but for one in a few that would have had the same cell, or where the number of chips doubles).
    """
    names = sorted(ids)
    side = max(FEWEST_CELLS, 1 << math.ceil(math.log2(4 * math.sqrt(max(len(names), 1)))))
    taken: set[int] = set()
    found = {}
    for name in names:
        cell = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % side**2
        while cell in taken:
            cell = (cell + 1) % side**2
        taken.add(cell)
        row, column = divmod(cell, side)
        lon = (column + 0.5) / side * LONGITUDES - LONGITUDES / 2
        found[name] = (round(lon, 5), round((row + 0.5) / side * LATITUDES - LATITUDES / 2, 5))
    return found
