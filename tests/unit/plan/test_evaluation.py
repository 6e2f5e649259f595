"""The evaluate section: all its problems at once, with the nearest spelling."""

import pytest

from rsweep.core.roi import Roi
from rsweep.plan.evaluation import (
    DESIGN,
    OPTIONS,
    PROBING,
    check_evaluate,
    is_missing,
    read_evaluate,
    task_of,
)

SHAPE = {"type": "point", "lon": 0, "lat": 0, "buffer_m": 10}
ROIS = [
    Roi(
        f"r{i}",
        SHAPE,
        properties={
            "crop": "ab"[i % 2],
            "same": "1",
            "height": str(i + 0.5),
            "part": ("test", "other")[i % 2],
        },
    )
    for i in range(6)
]


def test_defaults():
    options, problems = read_evaluate({"label": "crop"}, ROIS, "s.yaml")
    assert problems == []
    assert options == {name: knob.default for name, knob in OPTIONS.items()} | {"label": "crop"}
    assert set(DESIGN) | set(PROBING) | {"matters"} == set(OPTIONS)


@pytest.mark.parametrize("section", [None, {}])
def test_no_section_is_no_evaluation(section):
    assert read_evaluate(section, ROIS, "s.yaml") == ({}, [])


@pytest.mark.parametrize(
    "section, texts",
    [
        ({"label": "corp"}, ["s.yaml: evaluate.label", "did you mean 'crop'?"]),
        ({}, []),
        ({"probes": ["knn"]}, ["evaluate.label", "is missing"]),
        ({"label": "crop", "probes": ["linar"]}, ["evaluate.probes", "did you mean 'linear'?"]),
        ({"label": "crop", "cv": "spatail"}, ["evaluate.cv", "did you mean 'spatial'?"]),
        ({"label": "crop", "fold": 3}, ["evaluate.fold", "did you mean 'folds'?"]),
        ({"label": "crop", "folds": 1}, ["evaluate.folds", "from 2"]),
        ({"label": "crop", "folds": 9}, ["evaluate.folds", "only 6 ROIs"]),
        ({"label": "same"}, ["evaluate.label", "fewer than two values"]),
        ("crop", ["s.yaml: evaluate", "expected a mapping"]),
        ({"label": "crop", "cv": "group"}, ["evaluate.column", "is missing, but cv is group"]),
        ({"label": "crop", "column": "crop"}, ["evaluate.column", "cv is spatial"]),
        ({"label": "crop", "cv": "column", "column": "same"}, ["fewer than two values"]),
        ({"label": "crop", "cv": "column", "column": "part"}, ["expected train, test"]),
        ({"label": "crop", "cv": "column", "column": "prt"}, ["did you mean 'part'?"]),
        ({"label": "crop", "task": "regression"}, ["evaluate.task", "'a', which is not a number"]),
        ({"label": "height", "labels_per_class": [5]}, ["labels_per_class", "needs classes"]),
        ({"label": "crop", "labels_per_class": [5, "x"]}, ["labels_per_class", "'x'"]),
        ({"label": "crop", "matters": -1}, ["evaluate.matters"]),
    ],
)
def test_problems_name_key_value_and_nearest(section, texts):
    text = "\n".join(map(str, check_evaluate(section, ROIS, "s.yaml")))
    for expected in texts:
        assert expected in text


def test_all_problems_at_once():
    problems = check_evaluate({"labels": "crop", "k": 0, "cv": "x"}, ROIS, "s.yaml")
    assert len(problems) == 3


@pytest.mark.parametrize(
    "labels, task",
    [
        (["1", "2", "3"], "classification"),
        (["1.5", "2", "3"], "regression"),
        ([str(i) for i in range(30)], "regression"),
        (["a", "1"], "classification"),
    ],
)
def test_task_of_labels(labels, task):
    assert task_of(labels, "auto") == task
    assert task_of(labels, "classification") == "classification"


def test_a_class_may_be_called_none():
    assert not any(is_missing(word) for word in ("none", "None", "null", "0"))
    assert all(is_missing(word) for word in (None, "", " ", "nan", float("nan")))


def test_counts_of_labels_are_numbers_in_order():
    options, problems = read_evaluate({"label": "crop", "labels_per_class": [20, "5"]}, ROIS, "s")
    assert (options["labels_per_class"], problems) == ([5, 20], [])


@pytest.fixture
def raster(tmp_path):
    import numpy as np
    import rasterio

    path = tmp_path / "cover.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=4,
        height=4,
        count=1,
        dtype="uint8",
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 0, 0, -10, 0),
    ) as file:
        file.write(np.ones((1, 4, 4), np.uint8))
    return path


def test_a_raster_of_labels_needs_no_column(raster):
    section = {"label_raster": str(raster), "label_ignore": 0, "label_names": {1: "crops", "2": 7}}
    options, problems = read_evaluate(section, ROIS, "s")
    assert problems == []
    assert options["label"] == "cover"
    assert options["label_ignore"] == [0.0]
    assert options["label_names"] == {"1": "crops", "2": "7"}
    assert read_evaluate({**section, "label": "crop"}, ROIS, "s")[0]["label"] == "crop"


def test_problems_of_a_raster_of_labels(raster, tmp_path):
    bare = tmp_path / "bare.tif"
    bare.write_bytes(b"no raster")
    for own, expected in (
        ({"label_raster": str(tmp_path / "none.tif")}, "is not a file here"),
        ({"label_raster": str(bare)}, "cannot be read as a raster"),
        ({"label_raster": str(raster), "label_band": 2}, "evaluate.label_band: is 2, but"),
        ({"label_raster": str(raster), "label_purity": 0.3}, "evaluate.label_purity"),
        ({"label_raster": str(raster), "label_ignore": ["x"]}, "evaluate.label_ignore"),
        ({"label_raster": str(raster), "label_names": {"x": "y"}}, "evaluate.label_names"),
        (
            {"label_raster": str(raster), "task": "regression", "labels_per_class": 5},
            "needs classes",
        ),
        ({"label": "crop", "label_cell_m": 30}, "is read with a label_raster only"),
    ):
        assert expected in "\n".join(map(str, check_evaluate(own, ROIS, "s")))


def test_a_raster_without_a_coordinate_system_is_named(tmp_path):
    import rasterio

    path = tmp_path / "nowhere.tif"
    with rasterio.open(path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8"):
        pass
    (problem,) = check_evaluate({"label_raster": str(path)}, ROIS, "s")
    assert "does not say in which coordinate system" in str(problem)


@pytest.mark.parametrize("name, good", [("k", [1, 5, 5]), ("strength", [10, 1.0])])
def test_a_grid_is_a_list_of_numbers(name, good):
    told, problems = read_evaluate({"label": "y", name: good}, [], "s.yaml")
    assert not problems
    assert told[name] == sorted({float(value) for value in good})
    for bad in ([], ["auto"], [1, "wide"], [0]):
        assert name in str(read_evaluate({"label": "y", name: bad}, [], "s.yaml")[1])
