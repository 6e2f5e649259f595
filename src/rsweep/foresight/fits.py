"""A cost as a sum of parts, none below zero, fitted to what was measured and held by a guess."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOLD = 0.05
"""Weight of the guess against a measured job; it decides what the jobs leave open."""
FEW = 5
"""Jobs below which their scatter says little."""
FEW_FACTOR = 1.5
"""Range of a forecast from a few jobs, at the least, either way."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """Parts of a cost, and how far measured jobs were from it.

    Attributes:
        parts: cost of one of each number that a cost is made of.
        low, high: measured over fitted: the range that nine in ten jobs lie in.
        jobs: how many were measured.
    """

    parts: tuple[float, ...]
    low: float
    high: float
    jobs: int

    def of(self, numbers: Sequence[float]) -> float:
        """The cost of something."""
        return sum(p * n for p, n in zip(self.parts, numbers, strict=True))


def fit(rows: Sequence[Sequence[float]], costs: Sequence[float], guess: Sequence[float]) -> Fit:
    """Parts that explain measured costs.

    Args:
        rows: of each job the numbers that its cost is made of.
        costs: what each cost.
        guess: parts without measurements; only their ratios count.
    """
    found, y = np.array(rows, float), np.maximum(np.array(costs, float), 1e-9)
    prior = np.array(guess) * (y.sum() / max((found @ np.array(guess)).sum(), 1e-12))
    weight = 1 / np.sqrt(y)
    spread = np.sqrt(((found * weight[:, None]) ** 2).mean(axis=0) * HOLD)
    a = np.vstack([found * weight[:, None], np.diag(spread)])
    parts = _least_squares(a, np.concatenate([y * weight, spread * prior]))
    parts *= y.sum() / max((found @ parts).sum(), 1e-12)
    return Fit(tuple(map(float, parts)), *_range(y / np.maximum(found @ parts, 1e-12)), len(y))


def _least_squares(a: Numbers, b: Numbers) -> Numbers:
    """The least-squares solution without a number below 0: the best over which are 0."""
    count, best, least = a.shape[1], np.zeros(a.shape[1]), np.inf
    for size in range(1, count + 1):
        for kept in itertools.combinations(range(count), size):
            columns = list(kept)
            own = np.linalg.lstsq(a[:, columns], b, rcond=None)[0]
            error = float(((a[:, columns] @ own - b) ** 2).sum())
            if (own >= 0).all() and error < least:
                least, best = error, np.zeros(count)
                best[columns] = own
    return best


def _range(ratios: Numbers) -> tuple[float, float]:
    low, high = (float(np.quantile(ratios, q)) for q in (0.05, 0.95))
    if len(ratios) < FEW:
        return min(low, 1 / FEW_FACTOR), max(high, FEW_FACTOR)
    return min(low, 1.0), max(high, 1.0)
