"""From the evaluations of all profiles to the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.evaluate.compare import (
    Decision,
    Draws,
    Outcomes,
    Pairs,
    compare,
    decide,
    draw,
    front,
    split_factor,
)
from rsweep.evaluate.design import Design
from rsweep.evaluate.evaluation import ALL, Predictions, encode

LEAST_SHARE = 0.5
"""A profile with fewer ROIs than this share of what the fullest has is not compared: the others
would be judged on what little it has."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """The profiles that are compared, on the ROIs that all of them have.

    Attributes:
        names: of the profiles, in the order of everything below.
        rows: [N] those ROIs, by number.
        outcomes, draws, pairs, decision: see `compare`.
        costs: seconds of each profile alone.
        front: probability of each to be on the front.
    """

    names: Sequence[str]
    rows: NDArray[np.intp]
    outcomes: Outcomes
    draws: Draws
    pairs: Pairs
    decision: Decision
    costs: Floats
    front: Floats

    @property
    def best(self) -> int:
        """The profile of the highest quality."""
        return int(self.draws.quality.argmax())


def has_prediction(found: Predictions, limit: int = ALL) -> NDArray[np.bool_]:
    """[repeats, N] true where every probe has one."""
    known = [
        row >= 0 if row.dtype.kind == "i" else np.isfinite(row)
        for (_, n), row in found.items()
        if n == limit
    ]
    return np.asarray(np.all(known, axis=0))


def comparable(predictions: Mapping[str, Predictions]) -> tuple[list[str], NDArray[np.intp]]:
    """Profiles that can be compared, and the ROIs that all of these have predictions of."""
    there = {
        name: has_prediction(found).any(axis=0) for name, found in predictions.items() if found
    }
    most = max((int(known.sum()) for known in there.values()), default=0)
    names = [name for name, known in there.items() if known.sum() >= LEAST_SHARE * most > 0]
    common = np.all([there[name] for name in names], axis=0) if names else np.zeros(0, bool)
    return names, np.flatnonzero(common)


def gains_of(
    found: Predictions, truth: NDArray[Any], rows: NDArray[np.intp], limit: int = ALL
) -> Floats:
    """What the probes got right, mean over probes: [repeats, n]; see `Outcomes.gains`."""
    by_probe = []
    for (_, n), guess in found.items():
        if n == limit:
            own = guess[:, rows]
            right = own == truth[rows] if own.dtype.kind == "i" else (own - truth[rows]) ** 2
            by_probe.append(np.asarray(right, np.float64))
    return np.asarray(np.mean(by_probe, axis=0))


@dataclass(frozen=True)
class Resampled:
    """Profiles' outcomes on the ROIs that all of them have, resampled together.

    Attributes:
        names, rows: profiles in the order of everything below, and those ROIs by number.
        repeats: outcomes of each repeat.
        draws: what resampling says.
    """

    names: Sequence[str]
    rows: NDArray[np.intp]
    repeats: Sequence[Outcomes]
    draws: Draws


def resample(predictions: Mapping[str, Predictions], design: Design) -> Resampled | None:
    """Resample profiles on the ROIs that they have in common; None where that shows nothing."""
    names, rows = comparable(predictions)
    truth = encode(design.targets, design)
    if len(rows) < 2 or len(np.unique(truth[rows])) < 2:
        return None
    repeated = np.stack([gains_of(predictions[name], truth, rows) for name in names], axis=1)
    blocks = np.unique(np.asarray(design.blocks)[rows], return_inverse=True)[1]
    repeats = [Outcomes(design.task, truth[rows], blocks, gains) for gains in repeated]
    return Resampled(names, rows, repeats, draw(repeats, _factor(design)))


def compare_profiles(
    predictions: Mapping[str, Predictions],
    design: Design,
    costs: Mapping[str, float],
    matters: float,
) -> Compared | None:
    """Compare profiles on the ROIs that they have in common; None where that shows nothing."""
    found = resample(predictions, design)
    if found is None:
        return None
    names, rows, repeats, draws = found.names, found.rows, found.repeats, found.draws
    pairs, cost = compare(draws), np.array([costs[name] for name in names])
    decision, chance = decide(pairs, cost, matters), front(draws, cost)
    mean = replace(repeats[0], gains=np.mean([each.gains for each in repeats], axis=0))
    return Compared(names, rows, mean, draws, pairs, decision, cost, chance)


def _factor(design: Design) -> float:
    folds = design.fold_names(0)
    tested = np.mean([len(design.test(0, fold)) for fold in folds])
    trained = np.mean([len(design.train(0, fold)) for fold in folds])
    return split_factor(len(design.folds), len(folds), float(tested), max(float(trained), 1.0))
