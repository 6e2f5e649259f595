"""What each knob bought: contrasts of matched profiles, interactions first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.evaluate.compare import Draws, contrast
from rsweep.evaluate.matched import Change, Lattice, Step
from rsweep.evaluate.verdict import Effect, Interaction, Interval

Floats = NDArray[np.float64]


def effects_of(
    settings: Sequence[Mapping[str, Any]], names: Sequence[str], draws: Draws, costs: Floats
) -> tuple[list[Effect], list[Interaction]]:
    """Effects of steps and how they change with other knobs, each family simultaneously sure."""
    lattice = Lattice(settings)
    steps = lattice.steps()
    interactions = _interactions([c for step in steps for c in lattice.changes(step)], draws)
    values, halves = contrast(draws, _rows([step.pairs for step in steps], len(names)))
    effects = [
        Effect(
            step.knob,
            step.low,
            step.high,
            _interval(value, half),
            _cost_ratio(step, costs),
            [(names[low], names[high]) for low, high in step.pairs],
            _depends(step, interactions),
        )
        for step, value, half in zip(steps, values, halves, strict=True)
    ]
    return effects, interactions


def _interactions(changes: Sequence[Change], draws: Draws) -> list[Interaction]:
    size = len(draws.quality)
    at = _rows([[quad[0] for quad in change.quads] for change in changes], size)
    instead = _rows([[quad[1] for quad in change.quads] for change in changes], size)
    values, halves = contrast(draws, at - instead)
    return [
        Interaction(
            c.step.knob,
            c.step.low,
            c.step.high,
            c.other,
            c.at,
            c.instead,
            _interval(value, half),
            bool(abs(value) > half > 0),
        )
        for c, value, half in zip(changes, values, halves, strict=True)
    ]


def _rows(pairs: Sequence[Sequence[tuple[int, int]]], size: int) -> Floats:
    """Mean differences as rows [E, P] of weights on profiles."""
    rows = np.zeros((len(pairs), size))
    for row, those in zip(rows, pairs, strict=True):
        for low, high in those:
            row[high] += 1 / len(those)
            row[low] -= 1 / len(those)
    return rows


def _interval(value: float, half: float) -> Interval:
    return Interval(round(value, 5), round(value - half, 5), round(value + half, 5))


def _cost_ratio(step: Step, costs: Floats) -> float | None:
    low, high = np.array(step.pairs).T
    if not np.isfinite([costs[low], costs[high]]).all():
        return None
    ratios = np.maximum(costs[high], 1e-9) / np.maximum(costs[low], 1e-9)
    return round(float(np.exp(np.log(ratios).mean())), 4)


def _depends(step: Step, interactions: Sequence[Interaction]) -> list[str]:
    own = (step.knob, step.low, step.high)
    shown = [i.other for i in interactions if i.shown and (i.knob, i.low, i.high) == own]
    return list(dict.fromkeys(shown))
