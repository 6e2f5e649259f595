"""Columns of the embeddings table: dates, boxes, and a ROI table's own columns with their types."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from shapely.geometry.base import BaseGeometry

from rsweep.core.roi import Roi

INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
"""A whole number as it is written; `007` is a code."""
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
CORNERS = ("xmin", "ymin", "xmax", "ymax")

Shapes = Sequence[BaseGeometry | None]


def property_columns(rois: Sequence[Roi], taken: Collection[str]) -> dict[str, pa.Array]:
    """The ROI table's own columns; one that is called what a result column is gets `roi_` before.

    Args:
        rois: in the order of the table.
        taken: names of the result columns.
    """
    found = {}
    for name in sorted({n for roi in rois for n in roi.properties}):
        own = f"roi_{name}" if name in taken else name  # a label may be called profile, too
        found[own] = property_column([roi.properties.get(name) for roi in rois])
    return found


def property_column(values: Sequence[Any]) -> pa.Array:
    """A column of a ROI table; text that is all numbers or all days, as a CSV has it, is those."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, str) for value in given):
        return _text_column(values, [str(value) for value in given])
    for kind, column in ((bool, pa.bool_()), (int, pa.int64()), ((int, float), pa.float64())):
        if all(isinstance(v, kind) and isinstance(v, bool) == (kind is bool) for v in given):
            try:
                return pa.array(values, column)
            except (pa.ArrowInvalid, OverflowError):
                continue
    return pa.array([_as_text(value) for value in values], pa.string())


def _text_column(values: Sequence[Any], given: list[str]) -> pa.Array:
    if given and all(map(INTEGER.fullmatch, given)):
        return pa.array([None if v is None else int(v) for v in values], pa.int64())
    if given and all(map(NUMBER.fullmatch, given)):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if given and all(map(DAY.fullmatch, given)):
        try:
            return date_column(values)
        except ValueError:  # a day that no month has
            pass
    return pa.array(values, pa.string())


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def date_column(days: Sequence[str | None]) -> pa.Array:
    """Days given as ISO text."""
    return pa.array([None if day is None else date.fromisoformat(day) for day in days], pa.date32())


def bbox_column(shapes: Shapes) -> pa.Array:
    """Boxes around shapes, as GeoParquet 1.1 wants them for finding rows by place."""
    boxes = [None if s is None else dict(zip(CORNERS, s.bounds, strict=True)) for s in shapes]
    return pa.array(boxes, pa.struct([(corner, pa.float64()) for corner in CORNERS]))


def geo_metadata(shapes: Shapes) -> dict[bytes, bytes]:
    """The `geo` metadata of a table with columns `geometry` and `bbox`."""
    bounds = np.array([s.bounds for s in shapes if s is not None] or [[0, 0, 0, 0]])
    extent = [*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0)]
    column = {
        "encoding": "WKB",
        "geometry_types": sorted({s.geom_type for s in shapes if s is not None}),
        "bbox": [float(v) for v in extent],
        "covering": {"bbox": {corner: ["bbox", corner] for corner in CORNERS}},
    }
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return {b"geo": json.dumps(geo).encode()}
