"""Which profile is best, and which cannot be told from it: the quality columns of the sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsweep.evaluate.settings import PROBES

METRICS = ("balanced_accuracy", "r2")
"""What profiles are ranked by: for classes, and for numbers."""
METRIC_NAMES = {"balanced_accuracy": "balanced accuracy", "r2": "R²"}
PROBE_NAMES = {"knn": "nearest neighbours", "linear": "linear probe"}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """Mean of a metric over folds, and its standard deviation over them."""

    mean: float
    std: float


@dataclass(frozen=True)
class Standing:
    """A profile's place: `tied` if the folds cannot tell it from the best."""

    row: Row
    score: Score | None
    best: bool = False
    tied: bool = False


def metric_of(rows: Sequence[Row]) -> str | None:
    """The metric that a sweep was scored by, or None if it was not."""
    columns = {name for row in rows for name in row}
    return next((m for m in METRICS for p in PROBES if f"{p}_{m}" in columns), None)


def probes_of(rows: Sequence[Row], metric: str) -> list[str]:
    """The probes that some profile has a score of."""
    return [p for p in PROBES if any(f"{p}_{metric}" in row for row in rows)]


def score(row: Row, probe: str, metric: str) -> Score | None:
    """A probe's score of a profile."""
    name = f"{probe}_{metric}"
    return Score(row[name], row[f"{name}_std"]) if name in row else None


def overall(row: Row, metric: str) -> Score | None:
    """The mean of a profile's probes, so that no choice of a probe flatters it."""
    found = [s for p in PROBES if (s := score(row, p, metric)) is not None]
    if not found:
        return None
    return Score(sum(s.mean for s in found) / len(found), sum(s.std for s in found) / len(found))


def rank(rows: Sequence[Row]) -> list[Standing]:
    """Profiles from best to worst; by cost where quality is equal or unknown.

    A profile is tied with the best if their difference is less than twice its standard error.
    Every profile has the same folds, so this errs on the side of a tie.
    """
    metric = metric_of(rows)
    scored = [(row, overall(row, metric) if metric else None) for row in rows]
    scored.sort(key=lambda pair: (-pair[1].mean if pair[1] else math.inf, pair[0]["seconds"]))
    if not scored or scored[0][1] is None:
        return [Standing(row, found) for row, found in scored]
    top, folds = scored[0][1], max(scored[0][0].get("folds", 1), 1)
    return [
        Standing(row, found, place == 0, place > 0 and _tied(found, top, folds))
        for place, (row, found) in enumerate(scored)
    ]


def _tied(found: Score | None, top: Score, folds: int) -> bool:
    if found is None:
        return False
    error = math.sqrt((found.std**2 + top.std**2) / folds)
    return top.mean - found.mean <= 2 * error
