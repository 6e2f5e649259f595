"""ROI tables as people have them: every kind of file, coordinate system and spelling."""

import json

import geopandas
import numpy as np
import pytest
from pyproj import Transformer
from shapely.geometry import Point, Polygon, box

from rsweep.core.roi_formats import files_of
from rsweep.core.roi_table import read_rois

SQUARE = box(8.70, 50.50, 8.71, 50.51)
POINT = {"type": "point", "lon": 8.7, "lat": 50.5, "buffer_m": 100.0}


def frame(crs=4326, geometry=(SQUARE,), **columns):
    columns = columns or {"id": ["a"], "crop": [3]}
    return geopandas.GeoDataFrame(columns, geometry=list(geometry), crs=4326).to_crs(crs)


def read(path):
    rois, problems = read_rois(path)
    assert not problems, problems
    return rois


def said(path):
    rois, problems = read_rois(path)
    assert not rois
    (problem,) = problems
    return str(problem)


@pytest.mark.parametrize("crs", [4326, 32632, 3857])
@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".geojson", ".parquet"])
def test_polygons_of_any_file_and_system_are_the_same_place(tmp_path, suffix, crs):
    path = tmp_path / f"rois{suffix}"
    one = frame(crs)
    one.to_parquet(path) if suffix == ".parquet" else one.to_file(path, engine="pyogrio")
    (roi,) = read(path)
    assert (roi.id, dict(roi.properties)) == ("a", {"crop": 3})
    found = Polygon(roi.shape["coordinates"][0])
    assert found.symmetric_difference(SQUARE).area < 1e-9


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".geojson"])
def test_points_with_a_buffer_are_squares(tmp_path, suffix):
    path = tmp_path / f"rois{suffix}"
    frame(32632, [Point(8.7, 50.5)], id=["a"], buffer_m=[100]).to_file(path, engine="pyogrio")
    (roi,) = read(path)
    assert roi.shape == pytest.approx(POINT)


def test_a_geojson_that_names_its_system_is_read_in_it(tmp_path):
    x, y = Transformer.from_crs(4326, 32632, always_xy=True).transform(8.7, 50.5)
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [x, y]},
        "properties": {"id": "a", "buffer_m": 100},
    }
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    data = {"type": "FeatureCollection", "features": [feature], "crs": crs}
    path = tmp_path / "rois.geojson"
    path.write_text(json.dumps(data))
    assert read(path)[0].shape == pytest.approx(POINT)
    data["crs"]["properties"]["name"] = "EPSG:nothing"
    path.write_text(json.dumps(data))
    assert "its crs 'EPSG:nothing' is unknown" in said(path)


@pytest.mark.parametrize(
    "text",
    [
        "id,longitude,latitude,buffer_m\na,8.7,50.5,100\n",
        "ID,X,Y,Buffer_m\na,8.7,50.5,100\n",
        "id;lon;lat;buffer_m\na;8,7;50,5;100,0\n",
        "id\tlng\tlat\tbuffer_m\na\t8.7\t50.5\t100\n",
        "id;lon;lat;buffer_m\na;8.7;50.5;100\n",
        "\ufeffid,lon,lat,buffer_m\r\na,8.7,50.5,100\r\n",
        "id,geometry,buffer_m\na,POINT (8.7 50.5),100\n",
        "id,wkt,buffer_m\na,SRID=4326;POINT (8.7 50.5),100\n",
    ],
)
def test_spellings_of_a_csv(tmp_path, text):
    path = tmp_path / "rois.csv"
    path.write_text(text)
    (roi,) = read(path)
    assert (roi.id, roi.shape, dict(roi.properties)) == ("a", POINT, {})


def test_wkt_polygons_of_a_csv(tmp_path):
    path = tmp_path / "rois.csv"
    path.write_text(f'id,geometry,crop\na,"{SQUARE.wkt}",wheat\n')
    (roi,) = read(path)
    assert dict(roi.properties) == {"crop": "wheat"}
    np.testing.assert_allclose(roi.shape["coordinates"][0], SQUARE.exterior.coords)
    path.write_text("id,geometry\na,POLYGON EMPTY\nb,\nc,hello\n")
    rois, problems = read_rois(path)
    assert not rois
    assert [p.what for p in problems][:2] == [
        "geometry is empty",
        "geometry is empty; expected a polygon, or a point with buffer_m",
    ]
    assert problems[2].what.startswith("geometry is no WKT")


def test_a_name_that_is_right_wins_over_one_like_it(tmp_path):
    path = tmp_path / "rois.csv"
    path.write_text("id,lon,lat,buffer_m,x,y\na,8.7,50.5,100,1,2\n")
    assert dict(read(path)[0].properties) == {"x": "1", "y": "2"}


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        {},
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": None},
        "POINT (1 2)",
        3,
        {"type": "Point"},
        {"type": "Point", "coordinates": []},
        {"type": "Polygon", "coordinates": 3},
        {"type": "MultiPolygon", "coordinates": [[]]},
        {"type": "Polygon", "coordinates": {"a": 1}},
        {"type": "GeometryCollection", "geometries": []},
        {"type": ["Polygon"], "coordinates": [[]]},
    ],
)
@pytest.mark.parametrize("crs", [None, {"properties": {"name": "EPSG:32632"}}, {"name": 3}, "x"])
def test_a_geometry_that_is_none_is_said(tmp_path, geometry, crs):
    path = tmp_path / "rois.geojson"
    features = [{"type": "Feature", "id": "a", "properties": {"buffer_m": 9}, "geometry": geometry}]
    data = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(data | ({"crs": crs} if crs else {})))
    assert str(path) in said(path)


def test_one_problem_for_each_cause(tmp_path):
    path = tmp_path / "rois.csv"
    rows = [f"r{i},{478000 + i},5595000,100\n" for i in range(500)]
    path.write_text("id,lon,lat,buffer_m\n" + "".join(rows) + "b,8.7,50.5,\nb,8.7,50.5,0\n")
    _, problems = read_rois(path)
    assert [str(p).partition(": ")[2] for p in problems] == [
        "line 2: longitude is 478000; expected degrees from -180 to 180 (499 more like it)",
        "line 502: buffer_m is empty; expected a number",
        "line 503: buffer_m is 0; expected metres above 0",
    ]


def test_decimal_commas_between_commas_are_named(tmp_path):
    path = tmp_path / "rois.csv"
    path.write_text('id,lon,lat,buffer_m\na,"8,7","50,5",100\n')
    assert "lon is '8,7'; expected a number; decimal commas need a table whose columns" in said(
        path
    )


def test_a_table_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "rois.csv"
    path.write_bytes("id,lon,lat,buffer_m,name\na,8.7,50.5,90,Müller\n".encode("latin-1"))
    assert "is not in UTF-8: byte 40 is 0xfc; save it in UTF-8" in said(path)


def test_a_feature_with_a_buffer_and_no_geometry_lacks_the_geometry(tmp_path):
    path = tmp_path / "rois.geojson"
    feature = {"type": "Feature", "id": "a", "properties": {"buffer_m": 9}, "geometry": None}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert "feature 0: geometry is empty; expected a polygon, or a point with buffer_m" in said(
        path
    )


def test_files_that_are_none(tmp_path):
    assert "cannot be read" in said(tmp_path / ("x" * 5000 + ".csv"))
    for suffix in (".gpkg", ".shp", ".fgb", ".parquet", ".geojson"):
        path = tmp_path / f"bad{suffix}"
        path.write_bytes(b"no such thing")
        assert "cannot be read as a ROI table" in said(path)
    deep = tmp_path / "deep.geojson"
    deep.write_text("[" * 100_000)
    assert "cannot be read as a ROI table" in said(deep)


def test_layers_are_named(tmp_path):
    path = tmp_path / "rois.gpkg"
    for name in ("fields", "forests"):
        frame().to_file(path, layer=name, engine="pyogrio")
    assert "it has the layers fields, forests; expected one" in said(path)


def test_a_shapefile_without_its_system(tmp_path):
    path = tmp_path / "rois.shp"
    frame(32632).to_file(path, engine="pyogrio")
    assert {p.suffix for p in files_of(path)} == {".shp", ".dbf", ".shx", ".prj", ".cpg"}
    path.with_suffix(".prj").unlink()
    assert "a shapefile needs its .prj" in said(path)
