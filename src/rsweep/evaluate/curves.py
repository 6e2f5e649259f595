"""Label-efficiency curves: quality by number of training labels, and the labels saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rsweep.evaluate.design import Design
from rsweep.evaluate.evaluation import ALL, Predictions, encode
from rsweep.evaluate.judge import Compared, gains_of
from rsweep.evaluate.verdict import Curve


def curves_of(
    predictions: Mapping[str, Predictions], design: Design, compared: Compared
) -> tuple[list[Curve], str]:
    """A curve per compared profile, and the profile that the others' labels are counted against.

    That is the cheapest one with the most labels per class that were tried.
    """
    limits = sorted({n for _, n in predictions[compared.names[0]]} - {ALL})
    if not limits:
        return [], ""
    quality = {
        name: _quality(predictions[name], limits, design, compared) for name in compared.names
    }
    reference = compared.names[int(compared.costs.argmin())]
    goal = quality[reference][-1]
    return [
        Curve(name, limits, values, labels_needed(limits, values, goal))
        for name, values in quality.items()
    ], reference


def _quality(
    found: Predictions, limits: Sequence[int], design: Design, compared: Compared
) -> list[float]:
    truth = encode(design.targets, design)
    gains = np.stack([gains_of(found, truth, compared.rows, n).mean(axis=0) for n in limits])
    return [round(float(value), 5) for value in compared.outcomes.of(gains)]


def labels_needed(limits: Sequence[int], quality: Sequence[float], goal: float) -> float | None:
    """Labels with which a curve first reaches a goal, between those tried by their logarithm."""
    for place, value in enumerate(quality):
        if value >= goal:
            if place == 0:
                return float(limits[0])
            before = quality[place - 1]
            share = (goal - before) / (value - before)
            ends = np.log([limits[place - 1], limits[place]])
            return round(float(np.exp(ends[0] + share * (ends[1] - ends[0]))), 2)
    return None
