"""The pixel grid of a ROI: metres on the ground in the UTM zone of its centroid, north up."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pyproj import Transformer
from shapely.geometry import MultiPolygon, Polygon, box, shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform

from rsweep.errors import RoiError
from rsweep.roi import MAX_LAT, MIN_LAT, Roi

SNAP_M = 60
"""Grid origins are multiples of the coarsest Sentinel-2 pixel, so that 10, 20 and 60 m nest."""
MAX_SIDE_M = 200_000
"""Beyond this a UTM zone is no longer a faithful map of a ROI, nor is one ROI one job."""


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

    def to_dict(self) -> dict[str, Any]:
        """JSON form, read back by `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Grid:
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
        RoiError: the ROI is at a pole, empty, or too large for one UTM zone.
    """
    spec = roi.shape
    if spec["type"] == "point":
        epsg = _zone(roi, spec["lon"], spec["lat"])
        x, y = _to_utm(epsg).transform(spec["lon"], spec["lat"])
        b = spec["buffer_m"]
        return f"EPSG:{epsg}", box(x - b, y - b, x + b, y + b)
    lonlat = _unwrapped(spec)
    epsg = _zone(roi, lonlat.centroid.x, lonlat.centroid.y)
    polygon = transform(_to_utm(epsg).transform, lonlat.segmentize(0.01))
    if polygon.is_empty or polygon.area <= 0:
        raise RoiError(f"ROI {roi.id}: its polygon is empty")
    return f"EPSG:{epsg}", polygon


def _zone(roi: Roi, lon: float, lat: float) -> int:
    if not MIN_LAT <= lat <= MAX_LAT:
        raise RoiError(
            f"ROI {roi.id}: latitude {lat:g} is outside UTM ({MIN_LAT:g} to {MAX_LAT:g})"
        )
    return utm_epsg((lon + 180) % 360 - 180, lat)


def _unwrapped(spec: Mapping[str, Any]) -> BaseGeometry:
    """A ROI in degrees, with longitudes above 180 where it crosses the antimeridian."""
    if spec["type"] == "box":
        east = spec["maxlon"] + (360 if spec["maxlon"] < spec["minlon"] else 0)
        return box(spec["minlon"], spec["minlat"], east, spec["maxlat"])
    polygon = shape(spec)
    left, _, right, _ = polygon.bounds
    if right - left <= 180:
        return polygon
    parts = getattr(polygon, "geoms", [polygon])
    return MultiPolygon([_shift_east(part) for part in parts])


def _shift_east(polygon: Polygon) -> Polygon:
    def ring(points: Any) -> list[tuple[float, float]]:
        return [(x + 360 if x < 0 else x, y) for x, y in points]

    return Polygon(ring(polygon.exterior.coords), [ring(i.coords) for i in polygon.interiors])


def roi_grid(roi: Roi, scale_m: float, context_m: float) -> tuple[Grid, BaseGeometry]:
    """The grid on which a ROI is fetched, and its polygon in the grid's coordinates.

    The grid covers the square around the ROI (so that a rectangular ROI can be read as a square of
    real pixels) and `context_m` more on every side; its origin is a multiple of 60 m.

    Raises:
        RoiError: the ROI is at a pole, empty, or longer than 200 km.
    """
    crs, polygon = roi_polygon(roi)
    left, bottom, right, top = polygon.bounds
    side = max(right - left, top - bottom)
    if side > MAX_SIDE_M:
        raise RoiError(
            f"ROI {roi.id}: is {side / 1000:.0f} km long; at most {MAX_SIDE_M // 1000} km"
        )
    half = side / 2 + context_m
    cx, cy = (left + right) / 2, (bottom + top) / 2
    x0, y0 = _snap(cx - half, math.floor), _snap(cy + half, math.ceil)
    width = math.ceil((_snap(cx + half, math.ceil) - x0) / scale_m)
    height = math.ceil((y0 - _snap(cy - half, math.floor)) / scale_m)
    return Grid(crs, x0, y0, scale_m, height, width), polygon


def _snap(value: float, rounding: Any) -> float:
    # A millimetre of slack: a bound that is a multiple of 60 m up to rounding stays where it is.
    near = round(value / SNAP_M) * SNAP_M
    return float(near if abs(near - value) < 1e-3 else rounding(value / SNAP_M) * SNAP_M)
