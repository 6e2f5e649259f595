"""Columns of the embeddings table keep the types that a ROI table gives them."""

import json
from datetime import date

import pyarrow as pa
import pytest
from shapely.geometry import box

from rsweep.results.columns import bbox_column, date_column, geo_metadata, property_column


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["wheat", None], pa.string(), ["wheat", None]),
        (["3", "-4", None], pa.int64(), [3, -4, None]),
        (["3", "4.5e2"], pa.float64(), [3.0, 450.0]),
        (["007", "12"], pa.string(), ["007", "12"]),
        (["1" * 30], pa.float64(), [1e30 / 9]),
        (["2022-06-01", None], pa.date32(), [date(2022, 6, 1), None]),
        (["2022-06-31"], pa.string(), ["2022-06-31"]),
        (["1,5", "nan"], pa.string(), ["1,5", "nan"]),
        ([1, None, 3], pa.int64(), [1, None, 3]),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        ([True, None], pa.bool_(), [True, None]),
        ([True, 1], pa.string(), ["True", "1"]),
        ([2**70], pa.string(), [str(2**70)]),
        ([{"a": 1}, [2], "x", None], pa.string(), ['{"a": 1}', "[2]", "x", None]),
        ([None, None], pa.string(), [None, None]),
    ],
)
def test_a_property_has_its_type(values, kind, expected):
    column = property_column(values)
    assert column.type == kind
    assert (
        column.to_pylist() == pytest.approx(expected)
        if kind == pa.float64()
        else (column.to_pylist() == expected)
    )


def test_days_are_dates():
    assert date_column(["2022-06-01", None]).to_pylist() == [date(2022, 6, 1), None]


def test_boxes_are_found_by_geoparquet_readers():
    shapes = [box(8, 50, 9, 51), None, box(7, 49, 7.5, 52)]
    column = bbox_column(shapes)
    assert column.to_pylist()[1] is None
    assert column.to_pylist()[0] == {"xmin": 8, "ymin": 50, "xmax": 9, "ymax": 51}
    geo = json.loads(geo_metadata(shapes)[b"geo"])["columns"]["geometry"]
    assert geo["bbox"] == [7, 49, 9, 52]
    assert geo["covering"]["bbox"] == {c: ["bbox", c] for c in ("xmin", "ymin", "xmax", "ymax")}


def test_geopandas_reads_rows_by_place(tmp_path):
    import geopandas
    import pyarrow.parquet as pq

    shapes = [box(8, 50, 9, 51), box(7, 49, 7.5, 52)]
    table = pa.table(
        {"id": ["a", "b"], "geometry": [s.wkb for s in shapes], "bbox": bbox_column(shapes)}
    )
    pq.write_table(table.replace_schema_metadata(geo_metadata(shapes)), tmp_path / "t.parquet")
    found = geopandas.read_parquet(tmp_path / "t.parquet", bbox=(8.2, 50.2, 8.4, 50.4))
    assert list(found["id"]) == ["a"]
    assert found.crs == "OGC:CRS84"
