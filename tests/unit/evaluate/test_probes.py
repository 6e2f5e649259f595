"""Probes and folds: against scikit-learn by hand, and on data whose answer is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from rsweep.evaluate.folds import random_folds, spatial_blocks, spatial_folds
from rsweep.evaluate.probes import Labelled, evaluate, task_of

OPTIONS = {"label": "x", "task": "auto", "probes": ["knn", "linear"], "cv": "random", "folds": 4,
           "k": 3}  # fmt: skip


def clusters(count=6, size=10, seed=0, spread=0.02):
    """Places in groups some 100 km apart."""
    rng = np.random.default_rng(seed)
    centres = np.stack([np.arange(count) * 1.3 + 8, 50 + (np.arange(count) % 2) * 1.3], axis=1)
    return np.repeat(centres, size, axis=0) + rng.normal(0, spread, (count * size, 2))


def places(noise, seed=0, size=60, dims=8):
    rng = np.random.default_rng(seed)
    lonlat = clusters()
    classes = rng.integers(0, 3, size)
    features = np.eye(dims)[classes] * 5 + rng.normal(0, noise, (size, dims))
    return Labelled(features, [f"class{c}" for c in classes], lonlat)


def by_hand(model, data, splits):
    scores = []
    labels = np.array(data.labels)
    for train, test in splits:
        scale = StandardScaler().fit(data.features[train])
        model.fit(scale.transform(data.features[train]), labels[train])
        guess = model.predict(scale.transform(data.features[test]))
        scores.append(balanced_accuracy_score(labels[test], guess))
    return np.mean(scores), np.std(scores, ddof=1)


@pytest.mark.parametrize(
    "probe, model",
    [("knn", KNeighborsClassifier(3)), ("linear", LogisticRegression(max_iter=2000))],
)
def test_equals_scikit_learn_by_hand(probe, model):
    data = places(noise=3)
    splits = StratifiedKFold(4, shuffle=True, random_state=0).split(data.features, data.labels)
    mean, std = by_hand(model, data, splits)
    found = evaluate(data, OPTIONS)
    assert found[f"{probe}_balanced_accuracy"] == pytest.approx(mean, abs=1e-4)
    assert found[f"{probe}_balanced_accuracy_std"] == pytest.approx(std, abs=1e-4)
    assert 0.4 < mean < 0.95


@pytest.mark.parametrize("cv", ["spatial", "random"])
def test_separable_is_perfect_and_noise_is_chance(cv):
    options = {**OPTIONS, "cv": cv}
    perfect = evaluate(places(noise=0.01), options)
    assert perfect["knn_accuracy"] == perfect["linear_balanced_accuracy"] == 1.0
    assert perfect["linear_accuracy_std"] == 0.0
    noise = evaluate(places(noise=1e6), options)
    assert abs(noise["linear_balanced_accuracy"] - 1 / 3) < 0.2


def test_same_numbers_again():
    data = places(noise=3)
    for cv in ("spatial", "random"):
        assert evaluate(data, {**OPTIONS, "cv": cv}) == evaluate(data, {**OPTIONS, "cv": cv})


@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize("folds", [2, 3, 5])
def test_spatial_folds_never_share_a_block(numeric, folds):
    lonlat = clusters()
    rng = np.random.default_rng(1)
    targets = rng.normal(size=60) if numeric else rng.choice(["a", "b", "c"], 60)
    blocks = spatial_blocks(lonlat, folds)
    found = spatial_folds(lonlat, targets, folds)
    assert len(set(blocks)) >= len(found) == folds
    for fold in found:
        assert not set(blocks[fold.train]) & set(blocks[fold.test])
        assert len(fold.train) + len(fold.test) == 60
    assert sorted(np.concatenate([f.test for f in found])) == list(range(60))


def test_places_drawn_in_groups_are_held_out_by_group():
    blocks = spatial_blocks(clusters(count=6, size=10), folds=5)
    groups = np.repeat(np.arange(6), 10)
    assert len({(b, g) for b, g in zip(blocks, groups, strict=True)}) == 6


def test_blocks_hold_across_the_antimeridian():
    lonlat = np.array([[179.99, 0], [-179.99, 0], [180.01, 0], [0, 0], [0.01, 0], [0.02, 0]])
    blocks = spatial_blocks(lonlat, folds=2)
    assert len(set(blocks[:3])) == len(set(blocks[3:])) == 1


def test_spatial_folds_are_harsher_where_a_place_gives_the_label_away():
    # Every group has its own label-free fingerprint, and labels that follow the group.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 5)
    prints = rng.normal(size=(12, 6))[groups] + rng.normal(0, 0.05, (60, 6))
    labels = [("a", "b")[g % 2] for g in groups]
    data = Labelled(prints, labels, clusters(count=12, size=5))
    random = evaluate(data, {**OPTIONS, "probes": ["knn"]})
    spatial = evaluate(data, {**OPTIONS, "probes": ["knn"], "cv": "spatial"})
    assert random["knn_accuracy"] == 1.0
    assert spatial["knn_accuracy"] < 0.8


def test_regression():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 5))
    values = features @ [1.0, 2, 0, 0, -1] + 0.01 * rng.normal(size=60)
    found = evaluate(Labelled(features, [str(v) for v in values], clusters()), OPTIONS)
    assert found["task"] == "regression"
    assert found["linear_r2"] > 0.99
    assert found["linear_mae"] < 0.05
    assert found["knn_r2"] < found["linear_r2"]
    assert "linear_accuracy" not in found


def test_missing_is_left_out_and_counted():
    data = places(noise=0.01)
    features, labels = data.features.copy(), list(data.labels)
    features[3, 2] = np.nan
    labels[7], labels[9] = None, " "
    found = evaluate(Labelled(features, labels, data.lonlat), OPTIONS)
    assert (found["rois_probed"], found["rois_left_out"]) == (57, 3)
    assert found["knn_accuracy"] == 1.0


@pytest.mark.parametrize("cv", ["spatial", "random"])
@pytest.mark.parametrize("keep", [0, 1, 3])
def test_too_few_places_say_so(cv, keep):
    data = places(noise=1)
    features = np.where(np.arange(60)[:, None] < keep, data.features, np.nan)
    found = evaluate(Labelled(features, data.labels, data.lonlat), {**OPTIONS, "cv": cv})
    assert found["rois_probed"] == keep
    assert "ROIs can be probed" in found["quality_note"] or "places" in found["quality_note"]
    assert not any(name.endswith("accuracy") for name in found)


def test_labels_that_follow_the_places_say_so():
    labels = ["a"] * 30 + ["b"] * 30
    data = Labelled(np.zeros((60, 2)), labels, clusters(count=2, size=30))
    found = evaluate(data, {**OPTIONS, "cv": "spatial", "folds": 2})
    assert "cv: random" in found["quality_note"]


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


def test_rare_class_does_not_stop_random_folds():
    targets = np.array(["a"] * 9 + ["b"])
    folds = random_folds(np.zeros((10, 2)), targets, 5)
    assert folds
    assert all(len(set(targets[fold.train])) == 2 for fold in folds)
