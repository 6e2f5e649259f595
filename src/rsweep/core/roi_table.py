"""Reading a table of ROIs, with every problem in it by row."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsweep.core.knobs import Problem
from rsweep.core.roi import Roi, parse_row
from rsweep.core.roi_columns import read_columns
from rsweep.core.roi_formats import READERS, reader

VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d[\d.]*|line \d+|feature \d+|row \d+")
"""Parts of a message that differ between rows that are wrong for one reason."""


def read_rois(path: str | Path) -> tuple[Sequence[Roi], list[Problem]]:
    """Read a ROI table and every problem in it: one for each cause, with where it stands first.

    CSV columns: id and lon, lat, buffer_m; or id and minlon, minlat, maxlon, maxlat; or id and
    geometry as WKT; optional start, end; any other column is a property. GeoJSON, GeoParquet,
    GeoPackage, shapefile and FlatGeobuf hold polygons, or points with a property buffer_m, in any
    coordinate system.
    """
    path = Path(path)
    try:
        if not path.exists():
            what = f"does not exist; `rois` names one of {', '.join(READERS)}"
            return [], [Problem(str(path), what)]
        if path.suffix.lower() == ".csv" and (columns := read_columns(path)):
            return columns, []
        rows = list(reader(path)(path))
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        what = f"is not in UTF-8: byte {error.start} is 0x{found:02x}; save it in UTF-8"
        return [], [Problem(str(path), what)]
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        csv.Error,
        RecursionError,
    ) as error:
        what = f"cannot be read as a ROI table: {error or type(error).__name__}"
        return [], [Problem(str(path)[:200], what)]
    if not rows:
        return [], [Problem(str(path), "has no ROIs")]
    return _parse_rows(path, rows)


def _parse_rows(
    path: Path, rows: list[tuple[str, dict[str, Any]]]
) -> tuple[list[Roi], list[Problem]]:
    rois: list[Roi] = []
    wrong: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    for where, row in rows:
        try:
            roi = parse_row(row)
        except ValueError as error:
            wrong.append((where, str(error)))
            continue
        if roi.id in seen:
            wrong.append((where, f"id {roi.id!r} is already on {seen[roi.id]}"))
        seen.setdefault(roi.id, where)
        rois.append(roi)
    return rois, _by_cause(path, wrong)


def _by_cause(path: Path, wrong: list[tuple[str, str]]) -> list[Problem]:
    """The first row of each cause, with how many more there are."""
    causes: dict[str, list[tuple[str, str]]] = {}
    for where, what in wrong:
        causes.setdefault(VALUES.sub("#", what), []).append((where, what))
    return [
        Problem(
            f"{path}: {found[0][0]}",
            f"{found[0][1]}{f' ({len(found) - 1} more like it)' if found[1:] else ''}",
        )
        for found in causes.values()
    ]
