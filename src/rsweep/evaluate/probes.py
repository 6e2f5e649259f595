"""Probes: how well a simple model predicts labels from embeddings, cross-validated.

All is seeded, so the same embeddings give the same numbers. Features are standardised by the
training folds alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    mean_absolute_error,
    r2_score,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rsweep.evaluate.folds import Fold, random_folds, spatial_folds
from rsweep.evaluate.settings import is_missing

FEW = 20
"""Whole numbers of at most this many values are taken for classes."""
RIDGE = np.logspace(-2, 6, 17)
"""Strengths of ridge regression tried by leave-one-out on the training folds."""

METRICS = {
    "classification": {"balanced_accuracy": balanced_accuracy_score, "accuracy": accuracy_score},
    "regression": {"r2": r2_score, "mae": mean_absolute_error},
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """Places with an embedding and a label.

    Attributes:
        features: [N, D].
        labels: [N] strings; None or empty where a place has none.
        lonlat: [N, 2] degrees, centres of the places.
    """

    features: Floats
    labels: Sequence[str | None]
    lonlat: Floats


def evaluate(data: Labelled, options: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of the probes: mean and standard deviation over folds, flat, for a table.

    A place with a NaN in its embedding or without a label is left out and counted. Where nothing
    can be scored there is a `quality_note` that says why, and no score.
    """
    labelled = np.array([not is_missing(label) for label in data.labels])
    usable = np.logical_and(labelled, np.isfinite(data.features).all(axis=1))
    labels = [str(label) for label, use in zip(data.labels, usable, strict=True) if use]
    data = Labelled(data.features[usable], labels, data.lonlat[usable])
    task = task_of(data.labels, options["task"])
    found = {"label": options["label"], "task": task, "cv": options["cv"],
             "rois_probed": len(labels), "rois_left_out": int((~usable).sum())}  # fmt: skip
    try:
        return found | _scored(data, task, options)
    except ValueError as error:
        return found | {"folds": 0, "quality_note": str(error)}


def task_of(labels: Sequence[str | None], asked: str) -> str:
    """Classification or regression: what the study asks for, or what the labels look like."""
    if asked != "auto":
        return asked
    try:
        numbers = np.array([float(str(label)) for label in labels])
    except ValueError:
        return "classification"
    few_whole = (numbers == np.round(numbers)).all() and len(np.unique(numbers)) <= FEW
    return "classification" if few_whole else "regression"


def _scored(data: Labelled, task: str, options: Mapping[str, Any]) -> dict[str, Any]:
    targets = _targets(data.labels, task)
    split = spatial_folds if options["cv"] == "spatial" else random_folds
    folds = split(data.lonlat, targets, options["folds"])
    found: dict[str, Any] = {"folds": len(folds)}
    for probe in options["probes"]:
        scores = [_score(data.features, targets, fold, probe, task, options) for fold in folds]
        for name in METRICS[task]:
            values = [score[name] for score in scores]
            found[f"{probe}_{name}"] = round(float(np.mean(values)), 4)
            found[f"{probe}_{name}_std"] = round(float(np.std(values, ddof=len(values) > 1)), 4)
    return found


def _targets(labels: Sequence[str | None], task: str) -> NDArray[Any]:
    if len(set(labels)) < 2:
        raise ValueError(f"{len(labels)} ROIs can be probed, of {len(set(labels))} labels")
    words = np.array(labels, dtype=str)
    return words if task == "classification" else words.astype(np.float64)


def _score(
    features: Floats, targets: NDArray[Any], fold: Fold, probe: str, task: str,
    options: Mapping[str, Any],
) -> dict[str, float]:  # fmt: skip
    model = make_pipeline(StandardScaler(), make_probe(probe, task, options["k"], len(fold.train)))
    with warnings.catch_warnings():
        # A fold may lack a class that the others have: its scores are over those it has.
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        model.fit(features[fold.train], targets[fold.train])
        guess = model.predict(features[fold.test])
        return {n: float(m(targets[fold.test], guess)) for n, m in METRICS[task].items()}


def make_probe(probe: str, task: str, k: int, train_size: int) -> Any:
    """An unfitted probe; knn takes no more neighbours than there are."""
    if probe == "knn":
        kind = KNeighborsClassifier if task == "classification" else KNeighborsRegressor
        return kind(min(k, train_size))
    if task == "classification":
        return LogisticRegression(max_iter=2000)
    return RidgeCV(RIDGE)
