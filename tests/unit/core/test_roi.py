"""ROI tables: what is read, and every error at once with its row."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsweep.core import roi_table
from rsweep.core.canonical import digest
from rsweep.core.roi_columns import read_columns
from rsweep.core.roi_table import read_rois

SQUARE = [[10.0, 50.0], [10.1, 50.0], [10.1, 50.1], [10.0, 50.0]]


def table(tmp_path: Path, text: str, name: str = "rois.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def geojson(tmp_path: Path, *features: dict) -> Path:
    text = json.dumps({"type": "FeatureCollection", "features": list(features)})
    return table(tmp_path, text, "rois.geojson")


def feature(roi: object, coordinates: object = (SQUARE,), kind: str = "Polygon", **properties):
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": {"id": roi, **properties}, "geometry": geometry}


def problems(path: Path) -> list[str]:
    return [str(problem) for problem in read_rois(path)[1]]


def only_problem(path: Path) -> str:
    (problem,) = problems(path)
    return problem


class TestCsv:
    def test_points_with_windows_and_labels(self, tmp_path):
        rois, found = read_rois(
            table(
                tmp_path,
                "\ufeffid,lon,lat,buffer_m,start,end,label\n"
                " a ,14.5, 46.1 ,320,2022-06-01,2022-09-01 00:00:00,none\nb,0,0,1e3,,,\n",
            )
        )
        assert found == []
        a, b = rois
        assert a.definition() == {
            "id": "a",
            "start": "2022-06-01",
            "end": "2022-09-01",
            "shape": {"type": "point", "lon": 14.5, "lat": 46.1, "buffer_m": 320.0},
        }
        assert (dict(a.properties), b.start, dict(b.properties)) == ({"label": "none"}, None, {})

    def test_boxes_also_across_the_antimeridian(self, tmp_path):
        rois, found = read_rois(
            table(
                tmp_path, "id,minlon,minlat,maxlon,maxlat\na,1,2,3,4\nfiji,179.9,-17,-179.9,-16.9\n"
            )
        )
        assert found == []
        assert rois[0].shape == {"type": "box", "minlon": 1, "minlat": 2, "maxlon": 3, "maxlat": 4}
        assert rois[1].shape["maxlon"] == -179.9

    def test_all_errors_at_once_each_with_its_line(self, tmp_path):
        path = table(
            tmp_path,
            "id,lon,lat,buffer_m,start,end\n"
            "a,1,2,100,,\n\na,3,4,100,,\n,1,2,3,,\nb,x,2,3,,\nc,1,91,3,,\nd,181,1,3,,\ne,1,2,-3,,\n"
            "f,1,2,nan,,\ng,1,2,inf,,\nh,1,2,,,\ni,1,2,3,2022-01-01,\nj,1,2,3,2022-05-01,2022-05-01\n"
            "k,1,2,3,May,June\nl,1,2,3,,,,extra\n",
        )
        expected = [
            "line 4: id 'a' is already on line 2",
            "line 5: id is empty",
            "line 6: lon is 'x'; expected a number",
            "line 7: latitude is 91; expected degrees from -90 to 90",
            "line 8: longitude is 181; expected degrees from -180 to 180",
            "line 9: buffer_m is -3; expected metres above 0",
            "line 10: buffer_m is 'nan'; expected a number (1 more like it)",
            "line 12: buffer_m is empty; expected a number",
            "line 13: has only one of start and end; a window of its own needs both",
            "line 14: start 2022-05-01 is not before end 2022-05-01",
            "line 15: start is 'May'; expected a date such as 2022-06-01",
            "line 16: has more values than there are columns; decimal commas need a table whose "
            "columns are separated by semicolons",
        ]
        assert problems(path) == [f"{path}: {text}" for text in expected]

    @pytest.mark.parametrize(
        "row, text",
        [
            ("a,1,5,2,4", "minlat 5 is not below maxlat 4"),
            ("a,1,2,1,4", "minlon and maxlon are both 1"),
            ("a,,,,", "minlon is empty"),
        ],
    )
    def test_bad_boxes(self, tmp_path, row, text):
        path = table(tmp_path, f"id,minlon,minlat,maxlon,maxlat\n{row}\n")
        assert text in only_problem(path)

    def test_missing_column_with_the_nearest_spelling(self, tmp_path):
        text = only_problem(table(tmp_path, "id,lon,lat,buffer\na,1,2,3\n"))
        assert "columns are id, lon, lat, buffer; expected id, lon, lat, buffer_m" in text
        assert "did you mean 'buffer'?" in text

    @pytest.mark.parametrize(
        "content", [b"id,lon\x00,lat\n\xff\xfe", b"", b"id,lon,lat,buffer_m\n"]
    )
    def test_unreadable_or_empty(self, tmp_path, content):
        path = tmp_path / "rois.csv"
        path.write_bytes(content)
        assert str(path) in only_problem(path)

    def test_absent_or_of_another_kind(self, tmp_path):
        assert "does not exist" in only_problem(tmp_path / "none.csv")
        assert "expected one of .csv" in only_problem(table(tmp_path, "", "rois.xlsx"))


class TestPolygons:
    def test_geojson_holds_polygons_by_id(self, tmp_path):
        bare = {**feature("x"), "id": 7, "properties": None}
        rois, found = read_rois(
            geojson(
                tmp_path,
                feature(0, label="wood"),
                bare,
                feature("m", [[[[*p, 250.0] for p in SQUARE]]], "MultiPolygon"),
            )
        )
        assert found == []
        assert [roi.id for roi in rois] == ["0", "7", "m"]
        assert rois[0].shape == {"type": "Polygon", "coordinates": [SQUARE]}
        assert rois[2].shape == {"type": "MultiPolygon", "coordinates": [[SQUARE]]}

    def test_byte_order_mark_in_geojson(self, tmp_path):
        path = table(tmp_path, "\ufeff" + json.dumps(feature("a")), "rois.geojson")
        assert [roi.id for roi in read_rois(path)[0]] == ["a"]

    @pytest.mark.parametrize(
        "item, text",
        [
            (feature("a", [[500000, 5000000]], "LineString"), "geometry is a LineString"),
            (feature("a", []), "geometry is empty"),
            (feature("a", [SQUARE[:3]]), "a ring of 3 points is not closed"),
            (feature("a", [[[1], [2], [3], [1]]]), "its coordinates are not those of a Polygon"),
            (feature("a", [[[0, 0], [float("nan"), 1], [1, 1], [0, 0]]]), "longitude is nan"),
            (
                feature("a", [[[5e5, 5e6], [5e5, 6e6], [6e5, 5e6], [5e5, 5e6]]]),
                "longitude is 500000",
            ),
            (feature(None), "id is empty"),
            ({"properties": {"id": "a"}}, "geometry is empty"),
        ],
    )
    def test_bad_features_are_named(self, tmp_path, item, text):
        path = geojson(tmp_path, feature("good"), item)
        assert f"{path}: feature 1: {text}" in only_problem(path)

    @pytest.mark.parametrize("text", ["[]", "{", '{"type": "FeatureCollection"}', '"x"'])
    def test_what_is_no_geojson(self, tmp_path, text):
        assert "cannot be read as a ROI table" in only_problem(table(tmp_path, text, "r.geojson"))

    def test_geoparquet_in_any_system_with_values_that_json_takes(self, tmp_path):
        import geopandas
        import pandas as pd
        from shapely.geometry import Polygon

        frame = geopandas.GeoDataFrame(
            {
                "id": [1, 2],
                "start": pd.to_datetime(["2022-01-01", None]),
                "end": pd.to_datetime(["2022-02-01", None]),
                "area": np.array([1.5, np.nan]),
                "crop": pd.array([3, None], dtype="Int64"),
            },
            geometry=[Polygon(SQUARE), Polygon(SQUARE)],
            crs=4326,
        )
        frame.to_crs(32632).to_parquet(tmp_path / "rois.parquet")
        rois, found = read_rois(tmp_path / "rois.parquet")
        assert found == []
        assert [(r.id, r.start, r.end) for r in rois] == [
            ("1", "2022-01-01", "2022-02-01"),
            ("2", None, None),
        ]
        assert [dict(r.properties) for r in rois] == [{"area": 1.5, "crop": 3}, {}]
        np.testing.assert_allclose(rois[0].shape["coordinates"][0], SQUARE, atol=1e-9)
        assert digest([dict(r.properties) for r in rois])

    def test_parquet_without_geometry_is_refused(self, tmp_path):
        import pandas as pd

        pd.DataFrame({"id": [1]}).to_parquet(tmp_path / "rois.parquet")
        assert "cannot be read as a ROI table" in only_problem(tmp_path / "rois.parquet")


def test_labels_are_no_part_of_a_definition(tmp_path):
    rows = "id,lon,lat,buffer_m,label\na,1,2,3,{}\n"
    one, two = (read_rois(table(tmp_path, rows.format(x)))[0][0] for x in ("wood", "water"))
    assert one.definition() == two.definition()
    assert one.properties != two.properties


cells = st.sampled_from(
    [
        "",
        " ",
        "a",
        "b",
        " c ",
        "1",
        "-0.0",
        "12.5",
        "1e3",
        "1e400",
        "nan",
        "91",
        "-181",
        "1_0",
        "2022-06-01",
        "2022-09-01 00:00",
        "2022-09-01x",
    ]
)
headers = st.permutations(["id", "lon", "lat", "buffer_m"]).flatmap(
    lambda names: st.permutations([*names, "start", "end", "label"]) | st.just(names)
) | st.permutations(["id", "minlon", "minlat", "maxlon", "maxlat", "label"])
good = {
    "id": st.integers(0, 30).map(str),
    "lon": st.sampled_from(["1", " 2.5", "-0.0"]),
    "lat": st.sampled_from(["1", "50"]),
    "buffer_m": st.sampled_from(["100", "1e2"]),
    "minlon": st.sampled_from(["1", "179"]),
    "minlat": st.sampled_from(["1", "2"]),
    "maxlon": st.sampled_from(["-179", "5"]),
    "maxlat": st.sampled_from(["3", "4"]),
    "start": st.just("2022-06-01"),
    "end": st.just("2022-09-01"),
    "label": cells,
}


@st.composite
def tables(draw):
    """A table that is mostly right."""
    names = draw(headers)
    rows = draw(st.lists(st.tuples(*(good[name] for name in names)).map(list), max_size=5))
    if rows and draw(st.booleans()):
        row = draw(st.sampled_from(rows))
        row[draw(st.integers(0, len(row) - 1))] = draw(cells)
    if rows and draw(st.integers(0, 9)) == 0:
        draw(st.sampled_from(rows)).append("more")
    return "\n".join(",".join(row) for row in [names, *rows])


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_columns_and_rows_read_the_same(tmp_path, text):
    """A table is read by columns, if nothing is wrong with it; row by row it says the same."""
    path = table(tmp_path, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roi_table, "read_columns", lambda _: None)
        rois, found = read_rois(path)
    columns = read_columns(path)
    assert (columns is None) == bool(found)
    if columns is not None:
        assert list(columns) == rois
        assert repr(columns[0]) == repr(rois[0])
        assert list(columns[1:]) == rois[1:]
