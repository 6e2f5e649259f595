"""Probes and scores: against scikit-learn by hand, and on data whose answer is known."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_design import clusters, options, points

from rsweep.core.canonical import digest
from rsweep.evaluate.design import make_design
from rsweep.evaluate.evaluation import (
    evaluate,
    evaluate_profile,
    evaluation_key,
    read_evaluation,
    read_predictions,
    trainings,
)
from rsweep.evaluate.measures import array_digest
from rsweep.evaluate.metrics import scores
from rsweep.evaluate.probes import Training, predict


def made(noise, seed=0, size=60, dims=8, shares=(1 / 3, 1 / 3, 1 / 3), **own):
    """Embeddings of three classes and the design of their places."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(3, size, p=shares)
    features = np.eye(dims)[classes] * 5 + rng.normal(0, noise, (size, dims))
    labels = [f"class{c}" for c in classes]
    design = make_design(points(clusters(size // 5, 5), labels), options(**own))
    return features.astype(np.float32), design


CHOSEN = {"strength": 1.0}


@pytest.mark.parametrize("cv", ["spatial", "random"])
@pytest.mark.parametrize(
    "probe, model",
    [("linear", LogisticRegression(C=1.0, max_iter=2000, class_weight="balanced"))],
)
def test_equals_scikit_learn_by_hand(cv, probe, model):
    features, design = made(noise=3, cv=cv)
    guess = np.empty(60, object)
    for fold in design.fold_names(0):
        train, test = design.train(0, fold), design.test(0, fold)
        scale = StandardScaler().fit(features[train])
        model.fit(scale.transform(features[train]), design.targets[train])
        guess[test] = model.predict(scale.transform(features[test]))
    found, _ = evaluate(features, design, options(probes=[probe], **CHOSEN))
    expected = balanced_accuracy_score(design.targets, guess.astype(str))
    assert found.scores[probe]["balanced_accuracy"] == pytest.approx(expected, abs=0.03)
    assert 0.4 < expected < 0.95


def test_published_probes_are_plain_scikit_learn():
    rng = np.random.default_rng(0)
    shares = np.array(["a"] * 90 + ["b"] * 20 + ["c"] * 10)
    seen = (rng.normal(0, 1, (120, 6)) + 0.6 * (shares[:, None] == "b")).astype(np.float32)
    unseen = rng.normal(0.2, 1, (80, 6)).astype(np.float32)
    plain = options(probes=["linear"], strength=1.0, k=5, knn_scaled=False, balanced=False)
    usual = options(probes=["linear"], strength=1.0, k=5)
    scale = StandardScaler().fit(seen)
    linear = LogisticRegression(max_iter=1000).fit(scale.transform(seen), shares)
    for probe, expected in {
        "linear": linear.predict(scale.transform(unseen)),
        "knn": KNeighborsClassifier(5).fit(seen, shares).predict(unseen),
        "knn_cosine": KNeighborsClassifier(5, metric="cosine").fit(seen, shares).predict(unseen),
    }.items():
        given = probe, "classification", training(seen, shares), unseen
        same = np.mean(predict(*given, plain) == expected)
        assert same >= (0.98 if probe == "linear" else 1), probe  # solvers stop apart
        assert list(predict(*given, usual)) != list(expected), probe


def test_options_that_are_not_set_leave_the_key_as_it_was():
    features, design = made(noise=1)
    before = {
        name: options()[name] for name in ("probes", "k", "strength", "trees", "labels_per_class")
    }
    parts = {
        "version": 1,
        "array": array_digest(features),
        "shape": list(features.shape),
        "design": design.digest,
        "options": before,
    }
    assert evaluation_key(features, design, options()) == digest(parts)[:16]
    others = ({"balanced": False}, {"knn_scaled": False}, {"refit": False}, {"k": [1, 5]})
    later = ({"linear_scaled": False}, {"chosen_by": "accuracy"})
    for other in (*others, *later):
        assert evaluation_key(features, design, options(**other)) != digest(parts)[:16]


def training(features, targets):
    return Training(features, targets, np.arange(len(targets)), np.zeros(len(targets), bool))


@pytest.mark.parametrize("probe, metric", [("knn", "euclidean"), ("knn_cosine", "cosine")])
def test_neighbours_of_equal_classes_are_scikit_learns(probe, metric):
    rng = np.random.default_rng(0)
    targets = np.repeat(["a", "b"], 40)
    features = rng.normal(size=(80, 4)).astype(np.float32) + (targets == "a")[:, None]
    unseen = rng.normal(size=(50, 4)).astype(np.float32)
    scale = StandardScaler().fit(features)
    model = KNeighborsClassifier(5, metric=metric).fit(scale.transform(features), targets)
    found = predict(probe, "classification", training(features, targets), unseen, options())
    assert list(found) == list(model.predict(scale.transform(unseen)))


@pytest.mark.parametrize("probe, model", [("knn", KNeighborsRegressor(5)), ("linear", Ridge(10.0))])
def test_numbers_are_scikit_learns(probe, model):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 4)).astype(np.float32)
    targets = features @ [1.0, 2, 0, 0] + rng.normal(size=80)
    unseen = rng.normal(size=(50, 4)).astype(np.float32)
    pipe = make_pipeline(StandardScaler(), model).fit(features, targets)
    found = predict(
        probe, "regression", training(features, targets), unseen, options(strength=10.0)
    )
    assert found == pytest.approx(pipe.predict(unseen), abs=1e-4)


@pytest.mark.parametrize("probe", ["knn", "knn_cosine", "linear", "forest"])
@pytest.mark.parametrize("cv", ["spatial", "random"])
def test_separable_is_perfect_and_noise_is_chance(probe, cv):
    few = {"probes": [probe], "trees": 20}
    features, design = made(noise=0.01, cv=cv)
    assert evaluate(features, design, options(**few))[0].scores[probe]["accuracy"] == 1.0
    features, design = made(noise=1e6, cv=cv)
    noise = evaluate(features, design, options(**few))[0].scores[probe]
    assert abs(noise["balanced_accuracy"] - 1 / 3) < 0.22


@pytest.mark.parametrize("probe", ["knn", "linear"])
def test_a_rare_class_counts_as_much_as_a_common_one(probe):
    """An unweighted probe never says "rare": 0.70 balanced accuracy where 0.9 can be had."""
    rng = np.random.default_rng(0)
    rare = rng.random(500) < 0.06
    features = (rng.normal(size=(500, 5)) + 1.2 * rare[:, None]).astype(np.float32)
    labels = np.where(rare, "rare", "common")
    lonlat = rng.uniform(0, 5, (500, 2)) + 40
    design = make_design(points(lonlat, labels), options(cv="random"))
    found, _ = evaluate(features, design, options(probes=[probe]))
    plain = {"knn": KNeighborsClassifier(5), "linear": LogisticRegression()}[probe]
    unweighted = balanced_accuracy_score(labels, cross_val_predict(plain, features, labels, cv=5))
    assert found.scores[probe]["balanced_accuracy"] > unweighted + 0.08


def test_strength_is_chosen_inside_the_training_rois():
    """Few ROIs and many noisy dimensions want a strong penalty: choosing it must pay."""
    rng = np.random.default_rng(0)
    sides = np.where(np.arange(90) % 2, 1.0, -1.0)
    features = rng.normal(size=(90, 300)).astype(np.float32) + 0.18 * sides[:, None]
    labels = np.where(sides > 0, "a", "b")
    design = make_design(points(clusters(18, 5), labels), options(cv="random", repeats=3))

    def quality(strength):
        found, _ = evaluate(features, design, options(probes=["linear"], strength=strength))
        return found.scores["linear"]["balanced_accuracy"]

    assert quality("auto") >= quality(1e-4) - 0.02
    assert quality("auto") > 0.75


def test_validation_rois_choose_and_are_trained_on():
    rng = np.random.default_rng(0)
    parts = (["train"] * 3 + ["validation"] + ["test"]) * 12
    labels = rng.choice(["a", "b"], 60)
    design = make_design(
        points(clusters(), labels, part=parts), options(cv="column", column="part")
    )
    features = (rng.normal(size=(60, 3)) + 2 * (labels == "a")[:, None]).astype(np.float32)
    found, held = evaluate(features, design, options(probes=["linear"]))
    assert found.rois == 12
    assert (held["linear", 0][0] >= 0).sum() == 12


def test_regression_scores_pool_all_folds():
    """Ten sites whose means differ: R2 within a site is low, over all predictions it is high."""
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(0, 5, 10), 30) + rng.normal(0, 1, 300)
    lonlat = np.stack([np.repeat(np.arange(10) * 3.0, 30), np.full(300, 45.0)], axis=1)
    lonlat += rng.normal(0, 0.02, (300, 2))
    features = np.stack([values + rng.normal(0, 1.5, 300), *rng.normal(size=(3, 300))], axis=1)
    design = make_design(points(lonlat, values), options(folds=10, block_km=50))
    found, held = evaluate(features.astype(np.float32), design, options(probes=["linear"]))
    guess = held["linear", 0][0]
    by_fold = [r2_score(values[design.test(0, f)], guess[design.test(0, f)]) for f in range(10)]
    assert found.scores["linear"]["r2"] == pytest.approx(r2_score(values, guess), abs=1e-6)
    assert found.scores["linear"]["r2"] > 0.85 > np.mean(by_fold) + 0.2


def test_a_class_that_no_fold_can_learn_is_never_right():
    """All ROIs of a class in one place: it used to be dropped with its fold, which scored 1.0."""
    labels = np.array(["far" if i < 5 else "ab"[i % 2] for i in range(60)])
    names = ["a", "b", "far"]
    features = np.eye(3)[[names.index(v) for v in labels]].astype(np.float32)
    design = make_design(points(clusters(), labels), options(block_km=20))
    found, held = evaluate(features, design, options(probes=["linear"]))
    assert found.scores["linear"]["balanced_accuracy"] == pytest.approx(2 / 3)
    assert (held["linear", 0][0] >= 0).all()


def test_labels_that_follow_the_places_are_scored_and_not_dropped():
    labels = ["a"] * 30 + ["b"] * 30
    lonlat = np.repeat([[8.0, 50.0], [12.0, 50.0]], 30, axis=0) + np.arange(60)[:, None] * 1e-4
    design = make_design(points(lonlat, labels, 5), options(folds=2, block_km=50))
    features = np.eye(2)[[0] * 30 + [1] * 30].astype(np.float32)
    found, _ = evaluate(features, design, options())
    assert found.scores["knn"]["balanced_accuracy"] == 0.0


def test_missing_is_left_out_and_counted():
    features, design = made(noise=0.01)
    features[3, 2] = np.nan
    found, held = evaluate(features, design, options())
    assert (found.rois, found.lost) == (59, 1)
    assert held["knn", 0][0, 3] == -1
    assert found.scores["knn"]["accuracy"] == 1.0


@pytest.mark.parametrize("keep", [0, 1])
def test_too_few_embeddings_say_so(keep):
    features, design = made(noise=1)
    features[keep:] = np.nan
    found, held = evaluate(features, design, options())
    assert found.scores == held == {}
    assert f"{keep} of 60 ROIs have an embedding" in found.note


def test_curves_use_the_first_of_each_class():
    features, design = made(noise=2)
    by_limit = {}
    for repeat, fold, limit, train in trainings(design, [0, 3, 6]):
        by_limit[repeat, fold, limit] = set(train.tolist())
    for fold in range(5):
        assert by_limit[0, fold, 3] < by_limit[0, fold, 6] < by_limit[0, fold, 0]
        own = design.targets[sorted(by_limit[0, fold, 3])]
        assert [int((own == name).sum()) for name in design.classes] == [3, 3, 3]
    found, held = evaluate(features, design, options(labels_per_class=[3, 6]))
    assert set(held) == {(p, n) for p in ("knn", "linear") for n in (0, 3, 6)}
    assert set(found.scores) == {"knn", "linear"}


def test_same_numbers_again():
    features, design = made(noise=3, repeats=2)
    one, two = (
        evaluate(features, design, options(probes=["knn", "linear", "forest"], trees=10))
        for _ in range(2)
    )
    assert one[0] == two[0]
    assert all(np.array_equal(one[1][k], two[1][k]) for k in one[1])


@pytest.mark.parametrize("numeric", [True, False])
def test_files_are_what_was_written(tmp_path, numeric):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    labels = rng.normal(size=60) if numeric else rng.choice(["none", "b"], 60)
    design = make_design(points(clusters(), labels), options(repeats=2))
    features = rng.normal(size=(60, 4)).astype(np.float32)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), 4)
    table = pa.table({"id": pa.array(design.ids), "embedding": flat})
    pq.write_table(table, tmp_path / "embeddings.parquet")
    own = options(labels_per_class=None if numeric else [2])
    found = evaluate_profile(tmp_path, design, own)
    again, held = evaluate(features, design, own)
    assert read_evaluation(tmp_path) == found == again
    read = read_predictions(tmp_path, design)
    assert set(read) == set(held)
    assert all(np.array_equal(read[k], held[k], equal_nan=numeric) for k in held)
    told = pq.read_table(tmp_path / "predictions.parquet").to_pylist()
    assert {row["roi"] for row in told} == set(design.ids)
    assert told[0]["truth"] == (float(labels[0]) if numeric else labels[0])
    before = (tmp_path / "evaluation.json").stat().st_mtime_ns
    evaluate_profile(tmp_path, design, own)
    assert (tmp_path / "evaluation.json").stat().st_mtime_ns == before
    evaluate_profile(tmp_path, design, {**own, "k": 3})
    assert (tmp_path / "evaluation.json").stat().st_mtime_ns != before


def test_what_changes_an_evaluation_is_in_its_key():
    features, design = made(noise=3)
    keys = {evaluation_key(features, design, options())}
    for own in (
        {"probes": ["knn"]},
        {"k": 7},
        {"strength": 3.0},
        {"trees": 9},
        {"labels_per_class": [5]},
    ):
        keys.add(evaluation_key(features, design, options(**own)))
    keys.add(evaluation_key(features + 1e-3, design, options()))
    keys.add(evaluation_key(features, made(noise=3, seed=1)[1], options()))
    assert len(keys) == 8
    assert evaluation_key(features, design, options(matters=0.3)) in keys


def test_scores_of_a_perfect_and_a_constant_guess():
    truth = np.array(["a", "a", "b", "c"])
    assert set(scores("classification", truth, truth).values()) == {1.0}
    constant = scores("classification", truth, np.array(["a"] * 4))
    assert constant["balanced_accuracy"] == pytest.approx(1 / 3)
    values = np.array([1.0, 2.0, 4.0])
    mean = scores("regression", values, np.full(3, values.mean()))
    assert mean["r2"] == pytest.approx(0, abs=1e-9)
    assert mean["spearman"] == 0.0


def split_in_three(seed=0, size=90):
    """Classes of unlike sizes and features of unlike scales, with train, validation and test."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(["a", "b", "c"], size, p=(0.6, 0.3, 0.1))
    centres = {name: rng.normal(0, 1, 5) for name in "abc"}
    features = np.stack([centres[name] for name in targets]) + rng.normal(0, 1, (size, 5))
    features[:, 0] *= 40
    split = np.array(["train", "validation", "test"])[np.arange(size) % 3]
    return features.astype(np.float32), targets, split


def said(probe, **own):
    """What a probe says of the test rows."""
    features, targets, split = split_in_three()
    known, test = split != "test", split == "test"
    learnt = Training(
        features[known], targets[known], np.arange(known.sum()), split[known] == "validation"
    )
    return predict(probe, "classification", learnt, features[test], options(**own))


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize(
    "probe, scaled", [("knn", True), ("knn", False), ("linear", True), ("linear", False)]
)
def test_a_published_protocol_is_scikit_learns_own(probe, scaled, refit):
    """As papers have it: classes as they are, features as they are or not, validation apart."""
    features, targets, split = split_in_three()
    train = np.isin(split, ["train", "validation"] if refit else ["train"])
    model = {"knn": KNeighborsClassifier(5), "linear": LogisticRegression(C=0.1, max_iter=5000)}
    steps = [model[probe]] if not scaled else [StandardScaler(), model[probe]]
    wanted = make_pipeline(*steps).fit(features[train], targets[train])
    own = {"knn": "knn_scaled", "linear": "linear_scaled"}[probe]
    found = said(probe, k=5, strength=10, balanced=False, refit=refit, **{own: scaled})
    agree = np.mean(found == wanted.predict(features[split == "test"]))
    loose = probe == "linear" and scaled  # its solver stops early
    assert agree == (pytest.approx(1, abs=0.04) if loose else 1)


def test_these_protocols_differ_here():
    own = {"k": 5, "knn_scaled": False, "balanced": False, "refit": False}
    others = ({"k": 1}, {"knn_scaled": True}, {"balanced": True}, {"refit": True})
    assert all((said("knn", **own) != said("knn", **{**own, **other})).any() for other in others)
    plain = {"strength": 10, "balanced": False}
    assert (said("linear", **plain) != said("linear", **plain, linear_scaled=False)).any()


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("probe, grid", [("knn", [1, 3, 9, 25]), ("linear", [0.1, 10, 10_000])])
def test_of_a_list_the_value_that_is_best_on_validation_is_taken(probe, grid, refit):
    features, targets, split = split_in_three()
    train, held = split == "train", split == "validation"
    scale = StandardScaler().fit(features[train])
    name, models = {
        "knn": ("k", [KNeighborsClassifier(k) for k in grid]),
        "linear": ("strength", [LogisticRegression(C=1 / s, max_iter=300, tol=1e-3) for s in grid]),
    }[probe]
    correct = []
    for model in models:
        guess = model.fit(scale.transform(features[train]), targets[train])
        guess = guess.predict(scale.transform(features[held]))
        correct.append(balanced_accuracy_score(targets[held], guess))
    best = grid[max(np.flatnonzero(np.array(correct) >= max(correct) - 1e-12))]
    assert len({*correct}) > 1
    own = {"balanced": False, "refit": refit}
    chosen = said(probe, **{name: grid}, **own)
    assert (chosen == said(probe, **{name: best}, **own)).all()
    assert any((chosen != said(probe, **{name: value}, **own)).any() for value in grid)


def minimum(features, targets, c):
    """Softmax regression of torchgeo-bench: mean cross-entropy + |weights|² / 2Cn, by torch."""
    seen, labels = torch.from_numpy(features).double(), torch.from_numpy(targets)
    layer = torch.nn.Linear(seen.shape[1], int(labels.max()) + 1, dtype=torch.float64)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    steps = torch.optim.LBFGS(
        layer.parameters(), max_iter=4000, line_search_fn="strong_wolfe", tolerance_change=1e-9
    )

    def loss():
        steps.zero_grad()
        found = torch.nn.functional.cross_entropy(layer(seen), labels)
        found = found + layer.weight.square().sum() / (2 * c * len(seen))
        found.backward()
        return found

    steps.step(loss)
    return lambda rows: layer(torch.from_numpy(rows).double()).argmax(dim=1).numpy()


def test_the_linear_probe_of_torchgeo_bench():
    """C of 1e-6 to 1e4 by accuracy on validation, then both parts, nothing scaled."""
    features, words, split = split_in_three(size=150)
    names, targets = np.unique(words, return_inverse=True)
    train, held, test = (split == name for name in ("train", "validation", "test"))
    grid, correct = np.logspace(-6, 4, 9), []
    for c in grid:
        guess = minimum(features[train], targets[train], c)(features[held])
        correct.append(np.mean(guess == targets[held]))
    best = float(grid[np.argmax(correct)])  # the first of equals
    wanted = minimum(features[~test], targets[~test], best)(features[test])
    learnt = Training(
        features[~test], words[~test], np.arange((~test).sum()), split[~test] == "validation"
    )
    own = {"strength": [float(1 / c) for c in grid], "balanced": False, "linear_scaled": False}
    asked = options(**own, chosen_by="accuracy")
    found = predict("linear", "classification", learnt, features[test], asked)
    assert (found == names[wanted]).all()
    assert 0 < np.argmax(correct) < 8


def test_what_a_list_is_chosen_by():
    """With nine of ten labels one class, to say it always is accurate and not balanced."""
    rng = np.random.default_rng(3)
    targets = np.array(["rare" if n % 10 == 0 else "common" for n in range(400)])
    features = (rng.normal(0, 1, (400, 4)) + 0.9 * (targets == "rare")[:, None]).astype(np.float32)
    learnt = Training(features, targets, np.arange(400), np.arange(400) % 3 == 1)

    def found(**own):
        return predict("knn", "classification", learnt, features, options(balanced=False, **own))

    assert (found(k=[1, 25], chosen_by="accuracy") == found(k=25)).all()
    assert (found(k=[1, 25]) == found(k=1)).all()
    assert (found(k=1) != found(k=25)).any()
