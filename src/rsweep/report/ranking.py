"""What the page and the figures take from the verdict: scores, standings, and their order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rsweep.plan.evaluation import PROBES

METRICS = ("balanced_accuracy", "r2")
"""What profiles are compared by: for classes, and for numbers."""
METRIC_NAMES = {"balanced_accuracy": "balanced accuracy", "r2": "R²"}
PROBE_NAMES = {
    "knn": "nearest neighbours",
    "knn_cosine": "nearest neighbours by angle",
    "linear": "linear probe",
    "forest": "random forest",
}

Row = Mapping[str, Any]


def metric_of(rows: Sequence[Row]) -> str | None:
    """The metric that a sweep was scored by, or None if it was not."""
    columns = {name for row in rows for name in row}
    return next((m for m in METRICS for p in PROBES if f"{p}_{m}" in columns), None)


def probes_of(rows: Sequence[Row], metric: str) -> list[str]:
    """The probes that some profile has a score of."""
    return [p for p in PROBES if any(f"{p}_{metric}" in row for row in rows)]


def score(row: Row, probe: str, metric: str) -> float | None:
    """A probe's score of a profile."""
    return row.get(f"{probe}_{metric}")


def by_quality(rows: Sequence[Row]) -> list[Row]:
    """Profiles from best to worst; by cost where quality is unknown."""

    def place(row: Row) -> tuple[float, float]:
        known = isinstance(row.get("quality"), float)
        return (-row["quality"] if known else math.inf, row["seconds"])

    return sorted(rows, key=place)
