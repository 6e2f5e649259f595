"""Comparing profiles: quality from out-of-fold predictions, and how sure differences are.

All profiles are scored on the same ROIs and resampled together, so that what is hard for all of
them does not blur their differences. Whole blocks are resampled: neighbours tell the same story.

The bootstrap weighs blocks instead of drawing them, by gamma variates of mean 1, and scales the
deviations back. With integer counts a class that few blocks have would vanish from many resamples,
and profiles that differ in a handful of ROIs would have wildly skewed differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from rsweep.evaluate.verdict import Interval

RESAMPLES = 2000
SHAPE = 16.0
"""Of the gamma weights; their standard deviation is 1/4."""
LEVEL = 0.95

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Outcomes:
    """What the probes got right, ROI by ROI.

    Attributes:
        task: classification or regression.
        truth: [N] class numbers, or values.
        blocks: [N] block of each ROI, numbered from 0 without gaps.
        gains: [P, N] share of probes and repeats that found the class, or mean squared error: both
            metrics are linear in these.
    """

    task: str
    truth: NDArray[Any]
    blocks: Indices
    gains: Floats

    def quality(self, weights: Floats) -> Floats:
        """Balanced accuracy or R2, [R, P], where blocks weigh as `weights` [R, B] say."""
        if self.task == "regression":
            one, value, square, error = self._sums
            mean = (weights @ value) / (weights @ one)
            spread = weights @ square - mean**2 * (weights @ one)
            return np.asarray(1 - (weights @ error) / spread[:, None])
        total = np.zeros((len(weights), len(self.gains)))
        for size, hits in self._by_class:
            total += (weights @ hits) / (weights @ size)[:, None]
        return total / len(self._by_class)

    def of(self, gains: Floats) -> Floats:
        """Qualities [P'] that other gains [P', N] of the same ROIs stand for."""
        return np.asarray(replace(self, gains=gains).quality(np.ones((1, self.count)))[0])

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return int(self.blocks.max()) + 1

    @cached_property
    def _sums(self) -> tuple[Floats, Floats, Floats, Floats]:
        t = self.truth - self.truth.mean()  # so that squares lose no digits
        parts = (np.ones(len(t)), t, t**2, self.gains.T)
        return tuple(self._by_block(part) for part in parts)  # type: ignore[return-value]

    @cached_property
    def _by_class(self) -> list[tuple[Floats, Floats]]:
        inside = [(self.truth == name).astype(np.float64) for name in np.unique(self.truth)]
        return [
            (self._by_block(rows), self._by_block(rows[:, None] * self.gains.T)) for rows in inside
        ]

    def _by_block(self, values: Floats) -> Floats:
        total = np.zeros((self.count, *values.shape[1:]))
        np.add.at(total, self.blocks, values)
        return total

    def effective_blocks(self) -> float:
        """Blocks of equal size that would tell as much (Kish): fewer where some are large."""
        sizes = np.bincount(self.blocks)
        return float(sizes.sum() ** 2 / (sizes**2).sum())


@dataclass(frozen=True)
class Draws:
    """Profiles' qualities and how they scatter together.

    Attributes:
        quality: [P].
        scatter: [R, P] deviations of resampled qualities.
        degrees: degrees of freedom of the scatter.
    """

    quality: Floats
    scatter: Floats
    degrees: float

    @cached_property
    def covariance(self) -> Floats:
        """[P, P]."""
        centred = self.scatter - self.scatter.mean(axis=0)
        return np.asarray(centred.T @ centred / len(centred))

    def errors(self) -> Floats:
        """Standard errors of the differences of all pairs, [P, P]; exactly 0 of equal profiles."""
        own = np.diag(self.covariance)
        variance = own[:, None] + own[None] - 2 * self.covariance
        return np.sqrt(np.where(variance > 1e-14, variance, 0))

    def interval(self, profile: int) -> Interval:
        """A profile's quality with a 95 % interval of its own."""
        half = stdtrit(self.degrees, (1 + LEVEL) / 2) * np.sqrt(self.covariance[profile, profile])
        value = float(self.quality[profile])
        return Interval(round(value, 5), round(value - half, 5), round(value + half, 5))


def draw(repeats: Sequence[Outcomes], factor: float = 1.0, seed: int = 0) -> Draws:
    """Resample the blocks of outcomes, an equal share of the resamples on each repeat.

    Args:
        repeats: outcomes of the same ROIs under folds that were drawn anew.
        factor: variance of the mean over repeats as a multiple of that of one; see `split_factor`.
        seed: of the weights.
    """
    rng, first = np.random.default_rng(seed), repeats[0]
    quality = np.array([outcomes.of(outcomes.gains) for outcomes in repeats])
    degrees = max(first.effective_blocks() - 1, 1.0)
    scale = np.sqrt(factor * SHAPE * (degrees + 1) / degrees)
    shape = (-(-RESAMPLES // len(repeats)), first.count)
    scatter = [
        outcomes.quality(rng.gamma(SHAPE, 1 / SHAPE, shape)) - own
        for outcomes, own in zip(repeats, quality, strict=True)
    ]
    return Draws(quality.mean(axis=0), scale * np.concatenate(scatter), degrees)


def split_factor(repeats: int, folds: int, tested: float, trained: float) -> float:
    """Variance of the mean score over repeated splits, as a multiple of that of one's pooled score.

    Resampling predictions leaves the trained probes as they are, but other training ROIs would
    have given others, and folds share most of theirs. Nadeau and Bengio (2003, equation 9): the
    mean of J folds' scores has (1/J + tested/trained) times the variance of one fold's score, which
    is `folds` times that of the pooled score.
    """
    return 1 / repeats + folds * tested / trained


@dataclass(frozen=True)
class Pairs:
    """Differences of all pairs with simultaneous intervals, [P, P]: row minus column.

    Attributes:
        difference: quality of the row's profile minus that of the column's.
        error: its standard error.
        critical: half-width of the intervals in standard errors.
        reach: [P] the same of upper bounds on how far the row's profile is ahead of each other one,
            held for all of the others at once.
        degrees: degrees of freedom.
    """

    difference: Floats
    error: Floats
    critical: float
    reach: Floats
    degrees: float

    @property
    def low(self) -> Floats:
        """Lower ends."""
        return self.difference - self.critical * self.error

    @property
    def high(self) -> Floats:
        """Upper ends."""
        return self.difference + self.critical * self.error

    @property
    def behind(self) -> Floats:
        """[P] how far each profile is behind the best, at most, for all profiles at once.

        Multiple comparisons with the best (Hsu 1981; Edwards and Hsu 1983): whichever profile is
        the best, the bounds of its own lead over the others hold together, and none of them is
        above the largest of a column. Fewer statements than all pairs, so they are sharper.
        """
        return np.asarray((self.difference + self.reach[:, None] * self.error).max(axis=0))

    def above(self, threshold: float) -> Floats:
        """Probability that each difference is above a threshold; 0 or 1 for equal profiles."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (self.difference - threshold) / self.error
        sure = (self.difference > threshold).astype(np.float64)
        return np.where(self.error > 0, stdtr(self.degrees, np.nan_to_num(t)), sure)


def compare(draws: Draws, level: float = LEVEL) -> Pairs:
    """All pairs, with the level held for all of them at once (max-T)."""
    errors = draws.errors()
    most, reach = np.zeros(len(draws.scatter)), np.zeros(len(errors))
    for profile, error in enumerate(errors):
        known = error > 0
        if known.any():
            ahead = (draws.scatter[:, known] - draws.scatter[:, [profile]]) / error[known]
            largest = ahead.max(axis=1)
            np.maximum(most, largest, out=most)
            reach[profile] = critical(largest, draws.degrees, level, sides=1)
    difference = draws.quality[:, None] - draws.quality[None]
    return Pairs(difference, errors, critical(most, draws.degrees, level), reach, draws.degrees)


def critical(most: Floats, degrees: float, level: float = LEVEL, sides: int = 2) -> float:
    """Half-width in standard errors of simultaneous intervals, from resamples' largest T.

    The resamples are about normal; few blocks make the standard errors themselves uncertain, for
    which the ratio of Student's t to the normal quantile stands.
    """
    tail = 1 - (1 - level) / sides
    ratio = stdtrit(degrees, tail) / stdtrit(1e9, tail)
    return float(np.quantile(most, level) * ratio)


def contrast(draws: Draws, weights: Floats) -> tuple[Floats, Floats]:
    """Estimates [E] and half-widths [E] of linear combinations of qualities, simultaneous."""
    if not len(weights):
        return np.zeros(0), np.zeros(0)
    scatter = draws.scatter @ weights.T
    error = scatter.std(axis=0)
    known = error > 1e-7
    most = (np.abs(scatter[:, known]) / error[known]).max(axis=1) if known.any() else np.zeros(1)
    return draws.quality @ weights.T, critical(most, draws.degrees) * np.where(known, error, 0)


def front(draws: Draws, cost: Floats) -> Floats:
    """Probability of each profile that none which costs no more is better, [P]."""
    order = np.lexsort((-draws.quality, cost))
    sampled = (draws.quality + draws.scatter)[:, order]
    reached = np.maximum.accumulate(sampled, axis=1)
    ahead = np.ones_like(sampled, dtype=bool)
    ahead[:, 1:] = sampled[:, 1:] > reached[:, :-1] + 1e-12
    found = np.zeros(len(order))
    found[order] = ahead.mean(axis=0)
    return found


@dataclass(frozen=True)
class Decision:
    """What follows from all pairs.

    Attributes:
        within: [P] shown to be within the margin of the best.
        worse: [P] shown to be worse than another.
        recommended: the cheapest of those within, or None.
        more: by how many times as many ROIs would decide; None if decided, or if none would.
    """

    within: NDArray[np.bool_]
    worse: NDArray[np.bool_]
    recommended: int | None
    more: float | None


def decide(pairs: Pairs, cost: Floats, matters: float) -> Decision:
    """The cheapest profile that no other is better than by more than `matters`, for all shown."""
    within = pairs.behind <= matters
    worse = (pairs.low.max(axis=0) > 0) & ~within
    if within.any():
        chosen = np.flatnonzero(within)
        return Decision(within, worse, int(chosen[np.argmin(cost[chosen])]), None)
    room = matters - pairs.difference
    possible = (room > 0).all(axis=0)
    if not possible.any():
        return Decision(within, worse, None, None)
    reach = pairs.reach[:, None]
    need = (reach * pairs.error / np.where(room > 0, room, np.inf)) ** 2
    return Decision(within, worse, None, float(need.max(axis=0)[possible].min()))
