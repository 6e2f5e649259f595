"""ROIs: exactly what a place is, and how a row of a table says so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rsweep.core.knobs import parse_date

POINT = ("lon", "lat", "buffer_m")
BOX = ("minlon", "minlat", "maxlon", "maxlat")
WINDOW = ("start", "end")
MIN_LAT, MAX_LAT = -80.0, 84.0  # the latitudes that UTM covers
SNAP_M = 60
"""Grid origins are multiples of the coarsest Sentinel-2 pixel, so that 10, 20 and 60 m nest."""
DECIMAL_COMMAS = "decimal commas need a table whose columns are separated by semicolons"


@dataclass(frozen=True)
class Roi:
    """One place.

    Attributes:
        id: its name in the table.
        shape: {"type": "point", "lon", "lat", "buffer_m"}: a square of half-side `buffer_m` ground
            metres; {"type": "box", …} in degrees, minlon > maxlon where it crosses the
            antimeridian; or {"type": "Polygon" | "MultiPolygon", "coordinates"} as in GeoJSON.
        start, end: its own window (ISO dates, end exclusive), or None for the study's.
        properties: the table's other columns (labels), which change no embedding.
    """

    id: str
    shape: Mapping[str, Any]
    start: str | None = None
    end: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    def definition(self) -> dict[str, Any]:
        """What the pixels of this ROI depend on, for its shard's name."""
        return {"id": self.id, "shape": dict(self.shape), "start": self.start, "end": self.end}


def degrees_around(shape: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """West, south, east and north of a shape; east is above 180 across the antimeridian.

    Of a point it is the point; see `Roi.shape`.
    """
    if shape["type"] == "point":
        return shape["lon"], shape["lat"], shape["lon"], shape["lat"]
    if shape["type"] == "box":
        turn = 360.0 if shape["maxlon"] < shape["minlon"] else 0.0
        return shape["minlon"], shape["minlat"], shape["maxlon"] + turn, shape["maxlat"]
    points = list(_points(shape["coordinates"]))
    lons, lats = [point[0] for point in points], [point[1] for point in points]
    if max(lons) - min(lons) > 180:
        lons = [lon + 360 if lon < 0 else lon for lon in lons]
    return min(lons), min(lats), max(lons), max(lats)


def _points(coordinates: Any) -> Iterator[Any]:
    if isinstance(coordinates[0], int | float):
        yield coordinates
        return
    for part in coordinates:
        yield from _points(part)


def parse_row(row: dict[str, Any]) -> Roi:
    """The ROI of a row of a table, of column to value.

    Raises:
        ValueError: the row is of no place; the text says which column and what would be right.
    """
    columns = set(row)
    row = {name: plain for name, value in row.items() if (plain := _plain(value)) is not None}
    if None in columns:
        raise ValueError(f"has more values than there are columns; {DECIMAL_COMMAS}")
    roi_id = str(row.pop("id", ""))
    if not roi_id:
        raise ValueError("id is empty")
    start, end = (_date(name, row.pop(name, None)) for name in WINDOW)
    if (start is None) != (end is None):
        raise ValueError("has only one of start and end; a window of its own needs both")
    if start and end and start >= end:
        raise ValueError(f"start {start} is not before end {end}")
    return Roi(roi_id, _shape(row, columns), start, end, row)


def _plain(value: Any) -> Any:
    """A value of a table as JSON has it; None where there is none (empty, NaN, NaT)."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool | int | Mapping | list):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if str(value) in ("None", "NaT", "<NA>") else str(value)


def _date(name: str, value: Any) -> str | None:
    try:
        return None if value is None else parse_date(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _shape(row: dict[str, Any], columns: set[str]) -> dict[str, Any]:
    """The shape that a row of a table with these columns gives; its values are taken out of it."""
    geometry = row.pop("geometry", None)
    if isinstance(geometry, Mapping) and geometry.get("type") == "Point":
        row.update(zip(("lon", "lat"), _position(geometry), strict=True))
    elif geometry is not None:
        return _polygon(geometry)
    elif not {"lon", "lat", *BOX} & columns:
        raise ValueError("geometry is empty; expected a polygon, or a point with buffer_m")
    if set(BOX) <= columns and not set(POINT) <= set(row):
        return _box({name: _number(name, row.pop(name, None)) for name in BOX})
    lon, lat, buffer_m = (_number(name, row.pop(name, None)) for name in POINT)
    if buffer_m <= 0:
        raise ValueError(f"buffer_m is {buffer_m:g}; expected metres above 0")
    check_place(lon, lat)
    return {"type": "point", "lon": lon, "lat": lat, "buffer_m": buffer_m}


def _box(values: dict[str, float]) -> dict[str, Any]:
    for lon, lat in ((values["minlon"], values["minlat"]), (values["maxlon"], values["maxlat"])):
        check_place(lon, lat)
    if values["minlat"] >= values["maxlat"]:
        raise ValueError(f"minlat {values['minlat']:g} is not below maxlat {values['maxlat']:g}")
    if values["minlon"] == values["maxlon"]:
        raise ValueError(f"minlon and maxlon are both {values['minlon']:g}")
    return {"type": "box", **values}


def _position(point: Mapping[str, Any]) -> tuple[float, float]:
    """Longitude and latitude of a GeoJSON point."""
    place = point.get("coordinates")
    if not isinstance(place, list | tuple) or len(place) < 2:
        raise ValueError("its coordinates are not those of a Point")
    return place[0], place[1]


def _polygon(geometry: Any) -> dict[str, Any]:
    kind = geometry.get("type") if isinstance(geometry, Mapping) else type(geometry).__name__
    if kind not in ("Polygon", "MultiPolygon"):
        told = geometry.get("error") if isinstance(geometry, Mapping) else None
        raise ValueError(
            f"geometry {told or f'is a {kind}'}; expected a Polygon, a MultiPolygon, "
            f"or a Point with buffer_m"
        )
    held = geometry.get("coordinates")
    if not held:
        raise ValueError("geometry is empty")
    polygons = held if kind == "MultiPolygon" else [held]
    try:
        rings = [[[[float(p[0]), float(p[1])] for p in ring] for ring in poly] for poly in polygons]
    except (TypeError, IndexError, KeyError, ValueError):
        raise ValueError(f"its coordinates are not those of a {kind}") from None
    if not rings or not all(rings):
        raise ValueError("geometry is empty")
    for ring in (ring for poly in rings for ring in poly):
        if len(ring) < 4 or ring[0] != ring[-1]:
            raise ValueError(f"a ring of {len(ring)} points is not closed, or has fewer than 4")
        for lon, lat in ring:
            check_place(lon, lat)
    return {"type": kind, "coordinates": rings if kind == "MultiPolygon" else rings[0]}


def _number(name: str, value: Any) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        found = "empty" if value is None else repr(value)
        comma = isinstance(value, str) and "," in value
        hint = f"; {DECIMAL_COMMAS}" if comma else ""
        raise ValueError(f"{name} is {found}; expected a number{hint}")
    return number + 0.0


def check_place(lon: float, lat: float) -> None:
    """Raise ValueError if these are not degrees of longitude and latitude."""
    if not -180 <= lon <= 180:
        raise ValueError(f"longitude is {lon:g}; expected degrees from -180 to 180")
    if not -90 <= lat <= 90:
        raise ValueError(f"latitude is {lat:g}; expected degrees from -90 to 90")
