"""Kinds of files that hold ROIs: each is read as rows of column to value, by where they stand."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rsweep.core.knobs import nearest
from rsweep.core.roi import BOX, POINT

Rows = Iterable[tuple[str, dict[str, Any]]]

SYNONYMS = {
    "lon": ("longitude", "long", "lng", "x"),
    "lat": ("latitude", "y"),
    "geometry": ("wkt", "geom", "the_geom"),
}
"""Other names of columns; any name may be in capitals."""
NUMBERS = (*POINT, *BOX)
DELIMITERS = (",", ";", "\t")
SIDECARS = (".dbf", ".shx", ".prj", ".cpg")
"""Files that a shapefile is made of beside its own."""
DEGREES = (-180.0, -90.0, 180.0, 90.0)


def reader(path: Path) -> Callable[[Path], Rows]:
    """The function that reads a file, by its suffix.

    Raises:
        ValueError: there is none.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise ValueError(f"the suffix is {suffix!r}; expected one of {', '.join(READERS)}")
    return READERS[suffix]


def files_of(path: Path) -> list[Path]:
    """All files that a table is made of."""
    shapefile = path.suffix.lower() == ".shp"
    beside = [path.with_suffix(suffix) for suffix in SIDECARS] if shapefile else []
    return [path, *(file for file in beside if file.exists())]


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = file.readline()
        delimiter = max(DELIMITERS, key=header.count)
        file.seek(0)
        rows = csv.DictReader(file, delimiter=delimiter)
        columns = list(rows.fieldnames or [])
        names = _canonical(columns)
        _require_shape(columns, set(names.values()))
        for row in rows:
            found = {names.get(name, name): value for name, value in row.items()}
            if delimiter != ",":  # so a comma is a decimal point
                found = {k: _point(v) if k in NUMBERS else v for k, v in found.items()}
            yield f"line {rows.line_num}", _with_wkt(found)


def _canonical(columns: Iterable[str]) -> dict[str, str]:
    """Column of a table -> its name here; a name that is there as it should be wins."""
    columns = [column for column in columns if column is not None]
    found: dict[str, str] = {}
    for name in ("id", *NUMBERS, "geometry", "start", "end"):
        spellings = (name, *SYNONYMS.get(name, ()))
        alike = [c for s in spellings for c in columns if c.strip().lower() == s]
        if alike:
            found[name if name in columns else alike[0]] = name
    return {column: found.get(column, column.strip()) for column in columns}


def _require_shape(columns: list[str], names: set[str]) -> None:
    for required in (("id", *POINT), ("id", *BOX), ("id", "geometry")):
        if set(required) <= names:
            return
    missing = next((c for c in ("id", *POINT) if c not in names), "id")
    raise ValueError(
        f"columns are {', '.join(columns)}; expected id, {', '.join(POINT)}, or id, "
        f"{', '.join(BOX)}, or id, geometry (WKT)"
        f"{nearest(missing, columns)}"
    )


def _point(value: Any) -> Any:
    return value.replace(",", ".") if isinstance(value, str) else value


def _with_wkt(row: dict[str, Any]) -> dict[str, Any]:
    text = row.get("geometry")
    if not isinstance(text, str) or not text.strip():
        return row
    import shapely

    try:
        shape = shapely.from_wkt(text.split(";", 1)[-1])  # EWKT begins with its SRID
    except shapely.errors.ShapelyError as error:
        return {**row, "geometry": {"type": None, "error": f"is no WKT: {error}"}}
    return {**row, "geometry": shapely.geometry.mapping(shape)}


def _geojson_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    data = json.loads(path.read_text(encoding="utf-8-sig"))
    features = data["features"] if data.get("type") == "FeatureCollection" else [data]
    to_degrees = _to_degrees(data.get("crs"))
    for number, feature in enumerate(features):
        properties = dict(feature.get("properties") or {})
        names = _canonical(properties)
        row = {names[name]: value for name, value in properties.items()}
        row.setdefault("id", feature.get("id"))
        yield f"feature {number}", {**row, "geometry": to_degrees(feature.get("geometry"))}


def _to_degrees(crs: Any) -> Callable[[Any], Any]:
    """A function that brings a GeoJSON geometry of a coordinate system to degrees."""
    name = crs["properties"]["name"] if crs else "OGC:CRS84"
    if "CRS84" in name or name.endswith(":4326"):
        return lambda geometry: geometry
    import shapely
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    try:
        transformer = Transformer.from_crs(CRS.from_user_input(name), 4326, always_xy=True)
    except CRSError as error:
        raise ValueError(f"its crs {name!r} is unknown ({error})") from None

    def convert(geometry: Any) -> Any:
        try:
            shape = shapely.geometry.shape(geometry)
        except (shapely.errors.ShapelyError, AttributeError, KeyError, TypeError, ValueError):
            return geometry  # which is said to be none
        return shapely.geometry.mapping(
            shapely.transform(shape, transformer.transform, interleaved=False)
        )

    return convert


def _frame_rows(frame: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a GeoDataFrame in any coordinate system."""
    frame = _in_degrees(frame)
    names = _canonical([name for name in frame.columns if name != frame.geometry.name])
    records = frame.drop(columns=frame.geometry.name).rename(columns=names).to_dict("records")
    for number, (row, shape) in enumerate(zip(records, frame.geometry, strict=True)):
        yield f"row {number}", {**row, "geometry": shape and shape.__geo_interface__}


def _in_degrees(frame: Any) -> Any:
    if frame.crs is not None:
        return frame.to_crs(4326)
    west, south, east, north = frame.total_bounds
    if west < DEGREES[0] or south < DEGREES[1] or east > DEGREES[2] or north > DEGREES[3]:
        raise ValueError(
            f"it says no coordinate system, and x from {west:g} to {east:g} and y "
            f"from {south:g} to {north:g} are no degrees; a shapefile needs its "
            f".prj"
        )
    return frame


def _parquet_rows(path: Path) -> Rows:
    import geopandas  # slow to import, and only some tables need it

    return _frame_rows(geopandas.read_parquet(path))


def _layer_rows(path: Path) -> Rows:
    import geopandas
    import pyogrio

    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if len(layers) != 1:
            raise ValueError(
                f"it has the layers {', '.join(layers) or 'none'}; expected one with shapes"
            )
        return _frame_rows(geopandas.read_file(path, layer=layers[0], engine="pyogrio"))
    except pyogrio.errors.DataSourceError as error:
        raise ValueError(str(error)) from None


READERS: Mapping[str, Callable[[Path], Rows]] = {
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".geojson": _geojson_rows,
    ".json": _geojson_rows,
    ".parquet": _parquet_rows,
    ".geoparquet": _parquet_rows,
    ".gpkg": _layer_rows,
    ".shp": _layer_rows,
    ".fgb": _layer_rows,
}
