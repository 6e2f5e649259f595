"""Where grids lie in other coordinate systems, across the antimeridian too."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely import transform
from shapely.geometry import Polygon, box

from rsweep.core.grid import Grid

Box = tuple[float, float, float, float]
SIDE_PARTS = 20
"""Parts of a side of an outline, whose ends alone are transformed."""


@functools.lru_cache(maxsize=256)
def grid_outline(grid: Grid, crs: str) -> Polygon:
    """The grid's outline in another coordinate system, its sides bent as they are there.

    It is in one piece: beyond the antimeridian it goes on, past 180 degrees or what is that in a
    projection of the whole world.
    """
    outline = box(*grid.bounds).segmentize(max(grid.height, grid.width) * grid.scale_m / SIDE_PARTS)
    if CRS(crs) == CRS(grid.crs):
        return outline
    to = Transformer.from_crs(grid.crs, crs, always_xy=True)
    turn, (centre, _) = world_width(crs), to.transform(*outline.centroid.coords[0])

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = to.transform(points[:, 0], points[:, 1])
        return np.column_stack([x - turn * np.round((x - centre) / turn) if turn else x, y])

    return transform(outline, moved)


@functools.lru_cache(maxsize=256)
def world_width(crs: str) -> float:
    """What x grows by once around the equator: 360 in degrees; 0 where the system has no seam."""
    to = Transformer.from_crs(4326, crs, always_xy=True)
    (west, _), (east, _) = to.transform(-179.999999, 0.0), to.transform(179.999999, 0.0)
    width = east - west
    quarter, _ = to.transform(90.0, 0.0)
    origin, _ = to.transform(0.0, 0.0)
    # With a seam, a quarter of the way around is a quarter of the width.
    if not np.isfinite([width, quarter, origin]).all():
        return 0.0
    return float(width) if abs(4 * (quarter - origin) - width) < 1e-3 * abs(width) else 0.0


def touches(bounds: Box, crs: str, grid: Grid) -> bool:
    """True if a box in a coordinate system and a grid share more than an edge."""
    outline, turn = grid_outline(grid, crs), world_width(crs)
    return any(
        _overlap(outline, (bounds[0] + by, bounds[1], bounds[2] + by, bounds[3]))
        for by in ((-turn, 0.0, turn) if turn else (0.0,))
    )


def _overlap(outline: Polygon, bounds: Box) -> bool:
    left, bottom, right, top = bounds
    west, south, east, north = outline.bounds
    # Not `if apart`: a grid that the raster's projection cannot hold has bounds that are not
    # finite, and must compare as apart.
    if not (west < right and left < east and south < top and bottom < north):
        return False
    # Nor does it hold one whose outline it folds, as UTM does a quarter of the way around.
    return outline.is_valid and bool(outline.intersection(box(left, bottom, right, top)).area > 0)


def to_lonlat(grid: Grid) -> tuple[float, float]:
    """Longitude and latitude of a grid's centre in degrees."""
    left, bottom, right, top = grid.bounds
    to = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    lon, lat = to.transform((left + right) / 2, (bottom + top) / 2)
    return float(lon), float(lat)
