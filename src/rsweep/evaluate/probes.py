"""Probes: simple models that predict labels from embeddings.

All are seeded, so the same embeddings give the same predictions. Features are standardised by the
training ROIs alone. Classes weigh the same however many ROIs they have, since quality is balanced
accuracy: by class weights, and by weighted votes of neighbours. A study may ask for neither
(`knn_scaled`, `balanced`), as many published probes have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

STRENGTHS: Mapping[str, tuple[float, ...]] = {
    "classification": (1.0, 10.0, 100.0, 1000.0, 10_000.0),
    "regression": (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0),
}
"""Penalties of the linear probe that `strength: auto` tries, on the sum of squared weights."""
INNER_FITS = 1500
"""ROIs that are fitted to choose a strength: small studies try it on up to three splits."""
TOLERANCE = 1e-3
ITERATIONS = 300

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

    def splits(self) -> list[tuple[Indices, Indices]]:
        """Inner splits (rows to train on, rows to score): of blocks, or the validation ROIs."""
        if self.validation.any() and not self.validation.all():
            return [(np.flatnonzero(~self.validation), np.flatnonzero(self.validation))]
        blocks = np.random.default_rng(0).permutation(np.unique(self.groups))
        count = int(np.clip(INNER_FITS // max(len(self.targets), 1), 1, 3))
        parts = [np.isin(self.groups, part) for part in np.array_split(blocks, 3)[:count]]
        return [(np.flatnonzero(~part), np.flatnonzero(part)) for part in parts]


def predict(
    probe: str, task: str, training: Training, features: Floats, options: Mapping[str, Any]
) -> NDArray[Any]:
    """What a probe that learnt from `training` says of other ROIs [M].

    One that saw a single label can only repeat it.
    """
    if len(np.unique(training.targets)) < 2:
        return np.repeat(training.targets[:1], len(features))
    if probe in NEIGHBOURS and not options["knn_scaled"]:
        return np.asarray(_PROBES[probe](training, features, task, options))
    scale = StandardScaler().fit(training.features)
    scaled = replace(training, features=scale.transform(training.features))
    return np.asarray(_PROBES[probe](scaled, scale.transform(features), task, options))


def _knn(
    t: Training, features: Floats, task: str, options: Mapping[str, Any], metric: str = "euclidean"
) -> NDArray[Any]:
    k = min(options["k"], len(t.targets))
    if task == "regression":
        regressor = KNeighborsRegressor(k, metric=metric, algorithm="brute")
        return np.asarray(regressor.fit(t.features, t.targets).predict(features))
    voters = KNeighborsClassifier(k, metric=metric, algorithm="brute").fit(t.features, t.targets)
    if not options["balanced"]:
        return np.asarray(voters.predict(features))
    sizes = np.array([(t.targets == name).sum() for name in voters.classes_])
    votes = voters.predict_proba(features) / sizes
    return np.asarray(voters.classes_[votes.argmax(axis=1)])


def _knn_cosine(
    t: Training, features: Floats, task: str, options: Mapping[str, Any]
) -> NDArray[Any]:
    return _knn(t, features, task, options, "cosine")


def _forest(t: Training, features: Floats, task: str, options: Mapping[str, Any]) -> NDArray[Any]:
    if task == "regression":
        model = RandomForestRegressor(options["trees"], max_features=1 / 3, random_state=0)
    else:
        model = RandomForestClassifier(
            options["trees"], class_weight=_weights(options["balanced"]), random_state=0
        )
    return np.asarray(model.fit(t.features, t.targets).predict(features))


def _linear(t: Training, features: Floats, task: str, options: Mapping[str, Any]) -> NDArray[Any]:
    strength, balanced = options["strength"], options["balanced"]
    if strength == "auto":
        strength = _choose_strength(t, task, balanced)
    return np.asarray(_fitted(t.features, t.targets, task, strength, balanced).predict(features))


def _choose_strength(t: Training, task: str, balanced: bool) -> float:
    """The penalty that predicts held-out blocks of the training ROIs best; the larger of equals."""
    found = np.zeros(len(STRENGTHS[task]))
    for train, test in t.splits():
        if task == "classification":  # what no ROI teaches is found with no penalty
            test = test[np.isin(t.targets[test], t.targets[train])]
        if len(np.unique(t.targets[train])) < 2 or len(test) < 2:
            continue
        scale = StandardScaler().fit(t.features[train])
        seen, unseen = scale.transform(t.features[train]), scale.transform(t.features[test])
        for place, strength in enumerate(STRENGTHS[task]):
            model = _fitted(seen, t.targets[train], task, strength, balanced)
            found[place] += _score(t.targets[test], model.predict(unseen), task)
    best = np.flatnonzero(found >= found.max() - 1e-12)
    return STRENGTHS[task][int(best[-1])]


def _score(truth: NDArray[Any], guess: NDArray[Any], task: str) -> float:
    """Balanced accuracy, or less the mean squared error: enough to choose by."""
    if task == "regression":
        return -float(np.mean((truth - guess) ** 2))
    return float(np.mean([np.mean(guess[truth == name] == name) for name in np.unique(truth)]))


def _weights(balanced: bool) -> str | None:
    return "balanced" if balanced else None


def _fitted(
    features: Floats, targets: NDArray[Any], task: str, strength: float, balanced: bool
) -> Any:
    if task == "regression":
        return Ridge(strength).fit(features, targets)
    model = LogisticRegression(
        C=1 / strength, class_weight=_weights(balanced), max_iter=ITERATIONS, tol=TOLERANCE
    )
    return model.fit(features, targets)


_PROBES: Mapping[str, Any] = {
    "knn": _knn, "knn_cosine": _knn_cosine, "linear": _linear, "forest": _forest,
}  # fmt: skip
NEIGHBOURS = ("knn", "knn_cosine")
