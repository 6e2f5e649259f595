"""The section `given` of a study: what it may say, and what follows from it."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from rsweep.core.errors import StudyError
from rsweep.plan.planning import find_plan, read_plan
from rsweep.plan.study import make_study


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.7,50.5,90\n")
    np.savez(tmp_path / "a.npz", id=["a"], embedding=np.ones((1, 2)))
    (tmp_path / "maps").mkdir()
    with rasterio.open(
        tmp_path / "maps/a.tif",
        "w",
        width=2,
        height=2,
        count=1,
        dtype="float32",
        driver="GTiff",
        transform=from_origin(0, 0, 1, 1),
    ) as file:
        file.write(np.ones((1, 2, 2), np.float32))
    return {
        "study": "s",
        "rois": "rois.csv",
        "temporal": {"year": 2022},
        "profiles": {"cheap": {"model": "rcf"}},
    }


def with_given(config, *given):
    return {**config, "given": list(given)}


@pytest.mark.parametrize(
    "given, reason",
    [
        ("a.npz", "given 1: is 'a.npz'; expected a mapping"),
        ({"name": "x"}, "given 1.path: is missing"),
        ({"path": "a.npz"}, "given 1.name: is missing"),
        ({"name": "x", "path": "b.npz"}, "b.npz is not there"),
        ({"name": "x", "path": "none/{id}.tif"}, "none is not there"),
        ({"name": "x", "path": "rois.csv"}, "expected a file that ends in"),
        ({"name": "x/y", "path": "a.npz"}, "it names a folder"),
        ({"name": "cheap", "path": "a.npz"}, "which a profile or another set is called"),
        ({"name": "x", "path": "a.npz", "pooling": "max"}, "pooling: is read of a GeoTIFF only"),
        ({"name": "x", "path": "a.npz", "decode": "alphaearth"}, "decode: is read of a GeoTIFF"),
        ({"name": "x", "path": "maps/{id}.npz"}, "for a GeoTIFF per ROI"),
        ({"name": "x", "path": "maps/a.tif", "decode": "tessera"}, "a.npy is not there"),
        ({"name": "x", "path": "maps/{id}.tif", "pooling": ["mean", "avg"]}, "'avg'"),
        ({"name": "x", "path": "a.npz", "pth": 1}, "is not an option; did you mean 'path'"),
    ],
)
def test_what_a_set_cannot_be_is_said_before_anything_runs(config, given, reason):
    with pytest.raises(StudyError) as caught:
        make_study(with_given(config, given), "study.yaml")
    assert reason in str(caught.value)


def test_it_is_a_list(config):
    with pytest.raises(StudyError, match="expected a list of mappings"):
        make_study({**config, "given": {"name": "x"}}, "study.yaml")


def test_a_list_of_poolings_is_a_set_for_each(config):
    given = {"name": "x", "path": "maps/{id}.tif", "pooling": ["mean", "gem"]}
    study = make_study(with_given(config, given, {"name": "y", "path": "a.npz"}), "study.yaml")
    assert [each.name for each in study.given] == ["x_mean", "x_gem", "y"]
    assert [each.settings for each in study.given] == [
        {"given": "x", "pooling": "mean"},
        {"given": "x", "pooling": "gem"},
        {"given": "y"},
    ]
    assert study.folder_of("x_gem") == study.folder / "given/x_gem"
    assert study.folder_of("cheap") == study.folder / "profiles/cheap"


def test_no_key_knows_of_it_and_its_content_is_pinned(config, tmp_path):
    bare = make_study(config, "study.yaml")
    given = with_given(
        config, {"name": "y", "path": "a.npz"}, {"name": "x", "path": "maps/{id}.tif"}
    )
    study = make_study(given, "study.yaml")
    assert set(study.nodes()) == set(bare.nodes())
    plan = find_plan(given)
    assert read_plan(plan)[0].given == study.given
    np.savez(tmp_path / "a.npz", id=["a"], embedding=np.zeros((1, 2)))
    again = read_plan(find_plan(given))[0]
    assert again.given[0].sha256 != study.given[0].sha256
    assert again.given[1] == study.given[1]
    (tmp_path / "maps/b.tif").write_bytes((tmp_path / "maps/a.tif").read_bytes())
    assert read_plan(find_plan(given))[0].given[1].sha256 != study.given[1].sha256


def test_a_study_may_have_nothing_else(config):
    own = {name: value for name, value in config.items() if name != "profiles"}
    study = make_study(with_given(own, {"name": "y", "path": "a.npz"}), "study.yaml")
    assert not study.profiles
    assert not study.nodes()
    assert make_study(own, "study.yaml").profiles  # without it, the base profile alone


def test_the_scales_of_tessera_are_in_its_digest(config, tmp_path):
    entry = {"name": "x", "path": "maps/a.tif", "decode": "tessera"}
    np.save(tmp_path / "maps/a.npy", np.ones((2, 2, 3), np.int8))
    found = []
    for scale in (0.5, 0.25):
        np.save(tmp_path / "maps/a_scales.npy", np.full((2, 2), scale, np.float32))
        found.append(make_study(with_given(config, entry), "study.yaml").given[0].sha256)
    assert found[0] != found[1]
