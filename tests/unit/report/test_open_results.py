"""A folder of results as tables and arrays."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

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


def test_predictions_are_those_that_scores_are_of(study):
    results = rsweep.open(study.folder)
    found = results.predictions
    assert set(found["profile"]) == set(results.profiles)
    assert {"roi", "repeat", "probe", "labels_per_class", "truth", "prediction"} <= set(found)
    whole = found[found["labels_per_class"].isna() & (found["probe"] == "knn")]
    for name, own in whole.groupby("profile"):
        scores = [
            balanced_accuracy_score(r["truth"], r["prediction"]) for _, r in own.groupby("repeat")
        ]
        told = results.scores.loc[name, "knn_balanced_accuracy"]
        assert np.mean(scores) == pytest.approx(told, abs=1e-6)


def test_the_notebook_s_last_cell_reads_a_study_that_ran(study, tmp_path, monkeypatch, capsys):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/demo").symlink_to(study.folder)
    monkeypatch.chdir(tmp_path)
    notebook = Path(__file__).parents[3] / "docs/notebook.ipynb"
    *_, last = json.loads(notebook.read_text())["cells"]
    exec("".join(last["source"]), {"rsweep": rsweep})
    told = capsys.readouterr().out
    assert "4 profiles" in told
    assert "patch_size-8_pooled  knn" in told  # the share that its probe has right


def test_a_study_without_evaluation_has_no_predictions(study, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "profiles" / name).mkdir(parents=True)
        (tmp_path / "profiles" / name / "meta.json").write_text("{}")
    assert rsweep.open(tmp_path).predictions.empty


def test_an_unknown_profile_is_named_with_those_there(study):
    results = rsweep.open(study.folder)
    with pytest.raises(RsweepError, match=f"it has: {results.profiles[0]}"):
        results.frame("nothing")


def test_a_folder_without_results_is_an_error(tmp_path):
    with pytest.raises(RsweepError, match="expected a folder such as results/demo"):
        rsweep.open(tmp_path)
