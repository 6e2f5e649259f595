"""The pixel grid of a ROI: metres on the ground in the UTM zone of its centroid, north up."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict, cast

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.affinity import translate
from shapely.geometry import Polygon, box, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from rsweep.core.errors import RoiError
from rsweep.core.roi import MAX_LAT, MIN_LAT, SNAP_M, Roi

SLACK = 1e-6
"""Pixels by which a bound may miss a whole pixel through rounding."""
MAX_SIDE_M = 200_000
"""Beyond this a UTM zone is no longer a faithful map of a ROI, nor is one ROI one job."""
MAX_SIDE_DEG = 30
"""At the edge of UTM (84 degrees) 200 km are 17 degrees of longitude."""
MAX_SIDE_PX = 32_000
"""One band of one frame of such a ROI is 4 GB, beyond which it cannot be stored in one piece."""


class GridRecord(TypedDict):
    """JSON form of a `Grid`."""

    crs: str
    x0: float
    y0: float
    scale_m: float
    height: int
    width: int


@dataclass(frozen=True)
class Grid:
    """Square pixels of `scale_m` metres: x0, y0 is the top-left corner in `crs`."""

    crs: str
    x0: float
    y0: float
    scale_m: float
    height: int
    width: int

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine coefficients (a, b, c, d, e, f) of pixel (column, row) to map."""
        return (self.scale_m, 0.0, self.x0, 0.0, -self.scale_m, self.y0)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in `crs`."""
        bottom = self.y0 - self.height * self.scale_m
        return (self.x0, bottom, self.x0 + self.width * self.scale_m, self.y0)

    def to_dict(self) -> GridRecord:
        """JSON form, read back by `from_dict`."""
        return cast(GridRecord, asdict(self))

    @classmethod
    def from_dict(cls, data: GridRecord) -> Grid:
        """The grid that `to_dict` wrote."""
        return cls(**data)


def utm_epsg(lon: float, lat: float) -> int:
    """EPSG code of the UTM zone of a place (the plain zones, without Norway's exceptions)."""
    zone = int((lon + 180) // 6) % 60 + 1
    return (32600 if lat >= 0 else 32700) + zone


@functools.lru_cache(maxsize=256)
def _to_utm(epsg: int) -> Transformer:
    return Transformer.from_crs(4326, epsg, always_xy=True)


def roi_polygon(roi: Roi) -> tuple[str, BaseGeometry]:
    """A ROI's UTM coordinate system and its polygon there, in metres.

    Raises:
        RoiError: the ROI is at a pole, empty, not a valid polygon, or too large for one UTM zone.
    """
    spec = roi.shape
    if spec["type"] == "point":
        epsg = _zone(spec["lon"], spec["lat"])
        x, y = _to_utm(epsg).transform(spec["lon"], spec["lat"])
        b = spec["buffer_m"]
        return f"EPSG:{epsg}", box(x - b, y - b, x + b, y + b)
    parts = _unwrapped(spec)
    invalid = next((part for part in parts if not part.is_valid), None)
    if invalid is not None:
        raise RoiError(f"its polygon is not valid: {explain_validity(invalid)}")
    # Parts that meet, as they do where a table cuts a place at the antimeridian, are one.
    lonlat = shapely.union_all(parts)
    west, south, east, north = lonlat.bounds
    if max(east - west, north - south) > MAX_SIDE_DEG:
        raise RoiError(
            f"is {east - west:.1f} by {north - south:.1f} degrees, too large for one UTM zone"
        )
    epsg = _zone(lonlat.centroid.x, lonlat.centroid.y)
    polygon = shapely.transform(lonlat.segmentize(0.01), functools.partial(_project, epsg))
    if not polygon.area > 0:
        raise RoiError("its polygon is empty")
    return f"EPSG:{epsg}", polygon


def centre_and_size(roi: Roi) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre (longitude, latitude) of the box around a ROI, and the box's width and height in m.

    Raises:
        RoiError: as `roi_polygon`.
    """
    crs, polygon = roi_polygon(roi)
    left, bottom, right, top = polygon.bounds
    to_utm = _to_utm(int(crs.removeprefix("EPSG:")))
    middle = ((left + right) / 2, (bottom + top) / 2)
    lon, lat = to_utm.transform(*middle, direction="INVERSE")
    return (float(lon), float(lat)), (right - left, top - bottom)


def _project(epsg: int, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(_to_utm(epsg).transform(lonlat[:, 0], lonlat[:, 1]))


def _zone(lon: float, lat: float) -> int:
    if not MIN_LAT <= lat <= MAX_LAT:
        raise RoiError(f"latitude {lat:g} is outside UTM ({MIN_LAT:g} to {MAX_LAT:g})")
    return utm_epsg((lon + 180) % 360 - 180, lat)


def _unwrapped(spec: Mapping[str, Any]) -> list[Polygon]:
    """Polygons of a ROI in degrees, with longitudes above 180 where it crosses the antimeridian."""
    if spec["type"] == "box":
        east = spec["maxlon"] + (360 if spec["maxlon"] < spec["minlon"] else 0)
        return [box(spec["minlon"], spec["minlat"], east, spec["maxlat"])]
    polygon = shape(spec)
    parts = list(getattr(polygon, "geoms", [polygon]))
    left, _, right, _ = polygon.bounds
    return parts if right - left <= 180 else shapely.transform(parts, _shift_east).tolist()


def _shift_east(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.where(lonlat[:, 0] < 0, 360, 0) + lonlat[:, 0], lonlat[:, 1]])


def lonlat_polygon(roi: Roi) -> BaseGeometry | None:
    """A ROI's polygon in degrees; None where UTM has no place for it.

    One across the antimeridian is cut there into two parts, as GeoJSON and GeoParquet want it.
    """
    try:
        crs, polygon = roi_polygon(roi)
    except RoiError:
        return None
    back = Transformer.from_crs(crs, 4326, always_xy=True)
    middle, _ = back.transform(*polygon.centroid.coords[0])

    def to_lonlat(points: NDArray[np.float64]) -> NDArray[np.float64]:
        lon, lat = back.transform(*points.T)
        return np.column_stack([lon - 360 * np.round((lon - middle) / 360), lat])

    return _cut_at_antimeridian(shapely.transform(polygon, to_lonlat))


def _cut_at_antimeridian(lonlat: BaseGeometry) -> BaseGeometry:
    west, _, east, _ = lonlat.bounds
    if west >= -180 and east <= 180:
        return lonlat
    turns = [
        (turn, lonlat.intersection(box(turn - 180, -90, turn + 180, 90))) for turn in (-360, 0, 360)
    ]
    return shapely.union_all([translate(part, -turn) for turn, part in turns if part.area > 0])


def roi_grid(
    roi: Roi, scale_m: float, context_m: float, least_side_m: float = 0.0
) -> tuple[Grid, BaseGeometry]:
    """The grid on which a ROI is fetched, and its polygon in the grid's coordinates.

    The grid covers the square around the ROI (so that a rectangular ROI can be read as a square of
    real pixels) and `context_m` more on every side, and is `least_side_m` wide at the least; its
    origin is a multiple of 60 m.

    Raises:
        RoiError: the ROI is at a pole, empty, not valid, or too large.
    """
    crs, polygon = roi_polygon(roi)
    left, bottom, right, top = polygon.bounds
    side = max(right - left, top - bottom)
    if side > MAX_SIDE_M:
        raise RoiError(f"is {side / 1000:.0f} km long; at most {MAX_SIDE_M // 1000} km")
    half = max(side / 2 + context_m, least_side_m / 2)
    cx, cy = (left + right) / 2, (bottom + top) / 2
    x0, y0 = _snap(cx - half, math.floor), _snap(cy + half, math.ceil)
    width = math.ceil((_snap(cx + half, math.ceil) - x0) / scale_m - SLACK)
    height = math.ceil((y0 - _snap(cy - half, math.floor)) / scale_m - SLACK)
    if max(width, height) > MAX_SIDE_PX:
        raise RoiError(
            f"is {max(width, height)} px wide at scale_m {scale_m:g} with "
            f"its context; at most {MAX_SIDE_PX}"
        )
    return Grid(crs, x0, y0, scale_m, height, width), polygon


def _snap(value: float, rounding: Any) -> float:
    near = round(value / SNAP_M) * SNAP_M
    # A bound that is a multiple of 60 m up to a millimetre of rounding stays where it is.
    return float(near if abs(near - value) < 1e-3 else rounding(value / SNAP_M) * SNAP_M)
