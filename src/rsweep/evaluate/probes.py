"""Probes: simple models that predict labels from embeddings.

All are seeded, so the same embeddings give the same predictions. Features are standardised by the
training ROIs alone. Classes weigh the same however many ROIs they have, since quality is balanced
accuracy: by class weights, and by weighted votes of neighbours. A study may ask for neither
(`knn_scaled`, `linear_scaled`, `balanced`), as many published probes have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from rsweep.plan.evaluation import EvaluateOptions

STRENGTHS: Mapping[str, tuple[float, ...]] = {
    "classification": (1.0, 10.0, 100.0, 1000.0, 10_000.0),
    "regression": (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0),
}
"""Penalties of the linear probe that `strength: auto` tries, on the sum of squared weights."""
INNER_FITS = 1500
"""ROIs that are fitted to choose a strength: small studies try it on up to three splits."""
TOLERANCE = 1e-3
ITERATIONS = 300
TOLERANCE_AS_THEY_ARE = 1e-6
ITERATIONS_AS_THEY_ARE = 4000
"""Of features that are not standardised, on which the solver goes in small steps."""

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Training:
    """What a probe may learn from.

    Attributes:
        features: [N, D].
        targets: [N] words or numbers.
        groups: [N] blocks that stay whole when a setting is chosen.
        validation: [N] true for ROIs on which a setting is chosen, if the study names them.
    """

    features: Floats
    targets: NDArray[Any]
    groups: Indices
    validation: NDArray[np.bool_]

    def only(self, rows: NDArray[np.bool_]) -> Training:
        """A part of it."""
        return Training(
            self.features[rows], self.targets[rows], self.groups[rows], self.validation[rows]
        )

    def splits(self) -> list[tuple[Indices, Indices]]:
        """Inner splits (rows to train on, rows to score): of blocks, or the validation ROIs."""
        if self.validation.any() and not self.validation.all():
            return [(np.flatnonzero(~self.validation), np.flatnonzero(self.validation))]
        blocks = np.random.default_rng(0).permutation(np.unique(self.groups))
        count = int(np.clip(INNER_FITS // max(len(self.targets), 1), 1, 3))
        parts = [np.isin(self.groups, part) for part in np.array_split(blocks, 3)[:count]]
        return [(np.flatnonzero(~part), np.flatnonzero(part)) for part in parts]


def predict(
    probe: str, task: str, training: Training, features: Floats, options: EvaluateOptions
) -> NDArray[Any]:
    """What a probe that learnt from `training` says of other ROIs [M].

    One that saw a single label can only repeat it.
    """
    if not options["refit"] and training.validation.any() and not training.validation.all():
        options = _chosen(probe, task, training, options)
        training = training.only(~training.validation)
    if len(np.unique(training.targets)) < 2:
        return np.repeat(training.targets[:1], len(features))
    training, features = _scaled(probe, training, features, options)
    return np.asarray(_PROBES[probe](training, features, task, options))


def _chosen(probe: str, task: str, training: Training, options: EvaluateOptions) -> EvaluateOptions:
    """Options with what the validation ROIs choose, of those that are lists or auto."""
    if len(np.unique(training.targets)) < 2:
        return options
    if probe == "linear":
        return {**options, "strength": _strength(training, task, options)}
    if probe in METRICS:
        return {**options, "k": _neighbours(training, task, options, METRICS[probe])}
    return options


def _scaled(
    probe: str, training: Training, features: Floats, options: EvaluateOptions
) -> tuple[Training, Floats]:
    """Training and other features, standardised by the training ROIs unless told otherwise."""
    named: Mapping[str, object] = options
    if probe in SCALED and not named[SCALED[probe]]:
        return training, features
    scale = StandardScaler().fit(training.features)
    return replace(training, features=scale.transform(training.features)), scale.transform(features)


METRICS = {"knn": "euclidean", "knn_cosine": "cosine"}
"""Probes of neighbours, and what they are near by."""
SCALED = {**dict.fromkeys(METRICS, "knn_scaled"), "linear": "linear_scaled"}
"""Probe -> the option that says whether its features are standardised; of others they are."""


def _knn(
    t: Training, features: Floats, task: str, options: EvaluateOptions, metric: str = "euclidean"
) -> NDArray[Any]:
    k = _neighbours(t, task, options, metric)
    return _vote(t.features, t.targets, features, task, k, metric, options["balanced"])


def _neighbours(t: Training, task: str, options: EvaluateOptions, metric: str) -> int:
    """How many are asked: the one number, or the best of a list."""
    asked = options["k"]
    if not isinstance(asked, list):
        return int(asked)

    def guess(train: Indices, test: Indices, k: int) -> NDArray[Any]:
        seen, unseen = _two(t.features, train, test, options["knn_scaled"])
        return _vote(seen, t.targets[train], unseen, task, k, metric, options["balanced"])

    return int(_best(t, task, asked, guess, options["chosen_by"]))


def _vote(
    known: Floats,
    targets: NDArray[Any],
    features: Floats,
    task: str,
    k: int,
    metric: str,
    balanced: bool,
) -> NDArray[Any]:
    """What the k nearest of some known ROIs say of others: their mean, or most votes."""
    k = min(k, len(targets))
    if task == "regression":
        regressor = KNeighborsRegressor(k, metric=metric, algorithm="brute")
        return np.asarray(regressor.fit(known, targets).predict(features))
    voters = KNeighborsClassifier(k, metric=metric, algorithm="brute").fit(known, targets)
    if not balanced:
        return np.asarray(voters.predict(features))
    sizes = np.array([(targets == name).sum() for name in voters.classes_])
    votes = voters.predict_proba(features) / sizes
    return np.asarray(voters.classes_[votes.argmax(axis=1)])


def _knn_cosine(t: Training, features: Floats, task: str, options: EvaluateOptions) -> NDArray[Any]:
    return _knn(t, features, task, options, "cosine")


def _forest(t: Training, features: Floats, task: str, options: EvaluateOptions) -> NDArray[Any]:
    if task == "regression":
        model = RandomForestRegressor(options["trees"], max_features=1 / 3, random_state=0)
    else:
        weights = _weights(options["balanced"])
        model = RandomForestClassifier(options["trees"], class_weight=weights, random_state=0)
    return np.asarray(model.fit(t.features, t.targets).predict(features))


def _linear(t: Training, features: Floats, task: str, options: EvaluateOptions) -> NDArray[Any]:
    model = _fitted(t.features, t.targets, task, _strength(t, task, options), options)
    return np.asarray(model.predict(features))


def _strength(t: Training, task: str, options: EvaluateOptions) -> float:
    """The penalty: the one number, or the best of a list or of `STRENGTHS`."""
    asked = options["strength"]
    if not isinstance(asked, list) and asked != "auto":
        return float(asked)

    def guess(train: Indices, test: Indices, strength: float) -> NDArray[Any]:
        seen, unseen = _two(t.features, train, test, options["linear_scaled"])
        model = _fitted(seen, t.targets[train], task, strength, options)
        return np.asarray(model.predict(unseen))

    values = STRENGTHS[task] if asked == "auto" else asked
    return float(_best(t, task, values, guess, options["chosen_by"]))


def _two(features: Floats, train: Indices, test: Indices, scaled: bool) -> tuple[Floats, Floats]:
    """Features of an inner split, standardised by those trained on."""
    if not scaled:
        return features[train], features[test]
    scale = StandardScaler().fit(features[train])
    return scale.transform(features[train]), scale.transform(features[test])


def _best(
    t: Training,
    task: str,
    values: Sequence[float],
    guess: Callable[[Indices, Indices, Any], NDArray[Any]],
    measure: str,
) -> float:
    """The value that predicts held-out ROIs of the inner splits best; the larger of equals."""
    found = np.zeros(len(values))
    for train, test in t.splits():
        if task == "classification":  # what no ROI teaches is found by no value
            test = test[np.isin(t.targets[test], t.targets[train])]
        if len(np.unique(t.targets[train])) < 2 or len(test) < 2:
            continue
        for place, value in enumerate(values):
            found[place] += _score(t.targets[test], guess(train, test, value), task, measure)
    best = np.flatnonzero(found >= found.max() - 1e-12)
    return values[int(best[-1])]


def _score(truth: NDArray[Any], guess: NDArray[Any], task: str, measure: str) -> float:
    """What a study asks for, of numbers less the mean squared error: enough to choose by."""
    if task == "regression":
        return -float(np.mean((truth - guess) ** 2))
    if measure == "accuracy":
        return float(np.mean(truth == guess))
    return float(np.mean([np.mean(guess[truth == name] == name) for name in np.unique(truth)]))


def _weights(balanced: bool) -> str | None:
    return "balanced" if balanced else None


def _fitted(
    features: Floats,
    targets: NDArray[Any],
    task: str,
    strength: float,
    options: EvaluateOptions,
) -> Any:
    if task == "regression":
        return Ridge(strength).fit(features, targets)
    own = {"C": 1 / strength, "class_weight": _weights(options["balanced"])}
    if options["linear_scaled"]:
        model = LogisticRegression(**own, max_iter=ITERATIONS, tol=TOLERANCE)
        return model.fit(features, targets)
    model = LogisticRegression(**own, max_iter=ITERATIONS_AS_THEY_ARE, tol=TOLERANCE_AS_THEY_ARE)
    return model.fit(features.astype(np.float64), targets)  # singles end before that tolerance


_PROBES: Mapping[str, Any] = {
    "knn": _knn,
    "knn_cosine": _knn_cosine,
    "linear": _linear,
    "forest": _forest,
}
