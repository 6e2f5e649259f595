"""The evaluate section: all its problems at once, with the nearest spelling."""

import pytest

from rsweep.core.roi import Roi
from rsweep.evaluate.settings import check_evaluate, read_evaluate

SHAPE = {"type": "point", "lon": 0, "lat": 0, "buffer_m": 10}
ROIS = [Roi(f"r{i}", SHAPE, properties={"crop": "ab"[i % 2], "same": "1"}) for i in range(6)]


def test_defaults():
    options, problems = read_evaluate({"label": "crop"}, ROIS, "s.yaml")
    assert problems == []
    assert options == {"label": "crop", "task": "auto", "probes": ["knn", "linear"],
                       "cv": "spatial", "folds": 5, "k": 5}  # fmt: skip


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
    ],
)
def test_problems_name_key_value_and_nearest(section, texts):
    text = "\n".join(map(str, check_evaluate(section, ROIS, "s.yaml")))
    for expected in texts:
        assert expected in text


def test_all_problems_at_once():
    problems = check_evaluate({"labels": "crop", "k": 0, "cv": "x"}, ROIS, "s.yaml")
    assert len(problems) == 3
