"""A folder of results as tables and arrays."""

import numpy as np
import pytest

import rsweep
from rsweep.core.errors import RsweepError


def test_profiles_tables_and_vectors_are_those_of_the_files(study):
    results = rsweep.open(study.folder)
    assert set(results.profiles) == {p.name for p in study.profiles}
    name = next(p.name for p in study.profiles if p.settings["output"] == "pooled")
    frame = results.frame(name)
    assert list(frame["id"]) == [roi.id for roi in study.rois]
    assert np.array_equal(results.vectors(name), frame.vectors, equal_nan=True)
    assert frame.meta["profile"] == name
    assert set(results.profiles) <= set(results.sweep.index)
    assert (results.costs.loc[name, "infer_seconds"]) > 0
    assert len(results.scores) == len(results.profiles)
    score = results.scores.loc[name, "knn_balanced_accuracy"]
    assert score == pytest.approx(results.sweep.loc[name, "knn_balanced_accuracy"])


def test_an_unknown_profile_is_named_with_those_there(study):
    results = rsweep.open(study.folder)
    with pytest.raises(RsweepError, match=f"it has: {results.profiles[0]}"):
        results.frame("nothing")


def test_a_folder_without_results_is_an_error(tmp_path):
    with pytest.raises(RsweepError, match="expected a folder such as results/demo"):
        rsweep.open(tmp_path)
