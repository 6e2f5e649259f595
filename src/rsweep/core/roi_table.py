"""Reading a table of ROIs, with every problem in it by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rsweep.core.knobs import Problem, nearest
from rsweep.core.roi import BOX, POINT, Roi, parse_row
from rsweep.core.roi_columns import read_columns


def read_rois(path: str | Path) -> tuple[Sequence[Roi], list[Problem]]:
    """Read a ROI table: CSV, GeoJSON, or (Geo)Parquet; every problem in it, by row.

    CSV columns: id and lon, lat, buffer_m, or id and minlon, minlat, maxlon, maxlat; optional
    start, end; any other column is a property. GeoJSON and GeoParquet hold polygons in degrees
    (EPSG:4326) with an `id` property.
    """
    path = Path(path)
    if not path.exists():
        return [], [Problem(str(path), "does not exist; `rois` names a CSV, GeoJSON or GeoParquet")]
    if path.suffix.lower() == ".csv" and (columns := read_columns(path)):
        return columns, []
    try:
        rows = list(_reader(path)(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        return [], [Problem(str(path), f"cannot be read as a ROI table: {error}")]
    if not rows:
        return [], [Problem(str(path), "has no ROIs")]
    return _parse_rows(path, rows)


def _parse_rows(
    path: Path, rows: list[tuple[str, dict[str, Any]]]
) -> tuple[list[Roi], list[Problem]]:
    rois: list[Roi] = []
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for where, row in rows:
        try:
            roi = parse_row(row)
        except ValueError as error:
            problems.append(Problem(f"{path}: {where}", str(error)))
            continue
        if roi.id in seen:
            problems.append(
                Problem(f"{path}: {where}", f"id {roi.id!r} is already on {seen[roi.id]}")
            )
        seen.setdefault(roi.id, where)
        rois.append(roi)
    return rois, problems


def _reader(path: Path) -> Any:
    suffix = path.suffix.lower()
    readers = {".csv": _csv_rows, ".geojson": _geojson_rows, ".json": _geojson_rows,
               ".parquet": _parquet_rows, ".geoparquet": _parquet_rows}  # fmt: skip
    if suffix not in readers:
        raise ValueError(f"the suffix is {suffix!r}; expected one of {', '.join(readers)}")
    return readers[suffix]


def _csv_rows(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        for required in (("id", *POINT), ("id", *BOX)):
            if set(required) <= set(columns):
                break
        else:
            missing = next((c for c in ("id", *POINT) if c not in columns), "id")
            raise ValueError(
                f"columns are {', '.join(columns)}; expected id, {', '.join(POINT)} "
                f"or id, {', '.join(BOX)}{nearest(missing, columns)}"
            )
        for row in reader:
            yield f"line {reader.line_num}", dict(row)


def _geojson_rows(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    data = json.loads(path.read_text(encoding="utf-8-sig"))
    features = data["features"] if data.get("type") == "FeatureCollection" else [data]
    for number, feature in enumerate(features):
        row = dict(feature.get("properties") or {})
        row.setdefault("id", feature.get("id"))
        yield f"feature {number}", {**row, "geometry": feature.get("geometry")}


def _parquet_rows(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    import geopandas  # only a parquet table needs it, and it is slow to import

    frame = geopandas.read_parquet(path)
    if frame.crs is not None:
        frame = frame.to_crs(4326)
    for number, (row, shape) in enumerate(
        zip(frame.drop(columns=frame.geometry.name).to_dict("records"), frame.geometry, strict=True)
    ):
        yield f"row {number}", {**row, "geometry": shape and shape.__geo_interface__}
