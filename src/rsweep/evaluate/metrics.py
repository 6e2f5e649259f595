"""Scores of out-of-fold predictions, pooled over folds, and the score that needs no embedding."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIMARY = {"classification": "balanced_accuracy", "regression": "r2"}
"""What profiles are compared by."""


def scores(task: str, truth: NDArray[Any], guess: NDArray[Any]) -> dict[str, float]:
    """Every score of a task, of predictions pooled over folds.

    Pooled, because a mean over folds of R2 depends on how little the labels of a fold vary, and a
    fold without some class would score it as if it were found.
    """
    found = _of_classes(truth, guess) if task == "classification" else _of_numbers(truth, guess)
    return {name: round(float(value), 6) for name, value in found.items()}


def _of_classes(truth: NDArray[Any], guess: NDArray[Any]) -> dict[str, float]:
    from sklearn import metrics  # slow to import

    names = np.unique(truth)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        return {
            "balanced_accuracy": metrics.balanced_accuracy_score(truth, guess),
            "accuracy": metrics.accuracy_score(truth, guess),
            "macro_f1": metrics.f1_score(
                truth, guess, labels=names, average="macro", zero_division=0
            ),
        }


def _of_numbers(truth: NDArray[Any], guess: NDArray[Any]) -> dict[str, float]:
    from scipy.stats import spearmanr  # slow to import
    from sklearn import metrics

    constant = np.ptp(guess) == 0
    return {
        "r2": metrics.r2_score(truth, guess),
        "rmse": metrics.root_mean_squared_error(truth, guess),
        "mae": metrics.mean_absolute_error(truth, guess),
        "spearman": 0.0 if constant else float(spearmanr(truth, guess).statistic),
    }


def chance(task: str, classes: int) -> float:
    """Balanced accuracy of guessing at random, or R2 of always saying the mean."""
    return 1 / classes if task == "classification" else 0.0
