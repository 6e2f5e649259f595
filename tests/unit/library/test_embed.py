"""One call: the same numbers as a study's, and nothing run twice."""

import importlib

import geopandas
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

import rsweep
from rsweep.core.errors import RsweepError, StudyError
from rsweep.models.pins import Pin

KNOBS = {
    "model": "rcf",
    "features": 8,
    "image_size": 32,
    "context_m": 60,
    "start": "2022-06-01",
    "end": "2022-06-20",
}
PLACES = pd.DataFrame(
    {"id": ["a", "b"], "lon": [8.7, 8.71], "lat": 50.5, "buffer_m": 90.0, "crop": ["maize", "rye"]}
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pooled_embeddings_are_a_geodataframe(here):
    frame = rsweep.embed(PLACES, **KNOBS)
    assert isinstance(frame, geopandas.GeoDataFrame)
    assert list(frame["id"]) == ["a", "b"]
    assert list(frame["crop"]) == ["maize", "rye"]
    assert frame.vectors.shape == (2, 8)
    assert np.isfinite(frame.vectors).all()
    assert frame.crs.is_geographic
    assert frame.geometry[0].centroid.x == pytest.approx(8.7, abs=1e-4)
    assert frame.meta["settings"]["features"] == 8
    assert frame.copy().meta == frame.meta


def test_a_second_call_runs_nothing_and_gives_the_same(here, capsys):
    first = rsweep.embed(PLACES, progress=True, **KNOBS)
    ran = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in ran] == [
        "fetch",
        "composite",
        "prep",
        "infer",
        "stitch",
    ]
    again = rsweep.embed(PLACES, progress=True, **KNOBS)
    assert capsys.readouterr().out == ""
    assert np.array_equal(first.vectors, again.vectors)
    rsweep.embed(PLACES, progress=True, pooling="max", **KNOBS)
    assert capsys.readouterr().out.startswith("stitch ")


def test_grids_are_arrays_with_coordinates(here):
    pytest.importorskip("xarray")
    grids = rsweep.embed(PLACES, output="grid", patch_size=8, **KNOBS)
    assert list(grids) == ["a", "b"]
    grid = grids["a"]
    assert grid.dims == ("dimension", "y", "x")
    assert grid.attrs["crs"] == "EPSG:32632"
    assert float(grid.x[1] - grid.x[0]) == 80.0
    assert float(grid.y[1] - grid.y[0]) == -80.0
    assert grids.meta["settings"]["output"] == "grid"
    with pytest.raises(KeyError):
        grids["c"]


def test_polygons_in_any_crs_are_taken(here):
    square = geopandas.GeoDataFrame(
        {"id": ["x"]}, geometry=[box(8.699, 50.499, 8.701, 50.501)], crs=4326
    )
    degrees = rsweep.embed(square, **KNOBS)
    metres = rsweep.embed(square.to_crs(32632), **KNOBS)
    assert np.allclose(degrees.vectors, metres.vectors, rtol=1e-3, atol=1e-3)
    with pytest.raises(RsweepError, match="has no crs"):
        rsweep.embed(square.set_crs(None, allow_override=True), **KNOBS)


def test_one_place_is_a_mapping(here):
    frame = rsweep.embed({"lon": 8.7, "lat": 50.5, "buffer_m": 90.0}, **KNOBS)
    assert list(frame["id"]) == ["0"]


def test_a_place_that_cannot_be_embedded_is_a_row_with_its_reason(here):
    frame = rsweep.embed(PLACES.assign(lat=[50.5, 89.0]), **KNOBS)
    assert frame["error"].notna().tolist() == [False, True]
    assert np.isnan(frame.vectors[1]).all()


def test_a_wrong_setting_is_an_error_of_the_library_before_anything_runs(here):
    with pytest.raises(StudyError, match="pach_size"):
        rsweep.embed(PLACES, pach_size=3, **KNOBS)
    assert not (here / "results").exists()


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'embedd'"):
        rsweep.embedd


def test_published_weights_are_known_by_their_content(here, monkeypatch):
    """As in a study: a file of the same name with other content is no reason to reuse a result."""
    planned, module = [], importlib.import_module("rsweep.library.embed")
    monkeypatch.setattr(module, "_absent", lambda study: planned.append(study) or ())
    monkeypatch.setattr(module, "_result", lambda study: None)
    for digit in "12":
        pin = Pin(digit * 64, "commit")
        monkeypatch.setattr("rsweep.plan.pinning._resolve", lambda checkpoint, pin=pin: pin)
        rsweep.embed(
            {"id": "a", "lon": 11.0, "lat": 48.0, "buffer_m": 300},
            "scalemae",
            "2022-06-01",
            "2022-07-01",
            store=f"store{digit}",
        )
    one, two = (study.profiles[0].keys() for study in planned)
    assert one["prep"] == two["prep"]
    assert one["infer"] != two["infer"]
