"""What a set of profiles can say of a sweep's knobs: effects as columns of a linear model.

A profile's quality is taken as a constant, plus one number per knob and level against the knob's
reference level, plus one per pair of levels where an interaction is asked for. An effect can be
estimated from a set of profiles if that set alone fixes its number.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOLERANCE = 1e-9
"""Of a singular value against the largest, below which it counts as zero."""


@dataclass(frozen=True)
class Candidate:
    """A profile that may be run.

    Attributes:
        name: the profile's name.
        levels: knob -> value, for knobs that vary; without those that its model lacks.
        nodes: stage -> keys of the nodes that it needs; one that two profiles need is paid once.
    """

    name: str
    levels: Mapping[str, Any]
    nodes: Mapping[str, frozenset[str]]

    @property
    def keys(self) -> frozenset[str]:
        """Keys of every node that it needs."""
        return frozenset().union(*self.nodes.values())


@dataclass(frozen=True)
class Effects:
    """The linear model of a sweep.

    Attributes:
        names: an effect per column after the constant, such as "image_size: 64 against 32".
        matrix: [candidates, 1 + effects], the constant first.
        aliased: effects that even the whole grid cannot tell from others; they have no column.
    """

    names: tuple[str, ...]
    matrix: Array
    aliased: tuple[str, ...]


def sweep_effects(
    candidates: Sequence[Candidate], interactions: Sequence[tuple[str, str]] = ()
) -> Effects:
    """The effects of the knobs that vary among candidates, and of the pairs asked for.

    Raises:
        ValueError: an interaction names a knob that does not vary.
    """
    columns = {knob: _knob_columns(knob, candidates) for knob in _varying(candidates)}
    named = [pair for knob in columns for pair in columns[knob].items()]
    for first, second in interactions:
        for knob in (first, second):
            if knob not in columns:
                raise ValueError(
                    f"interaction {first} x {second}: {knob} does not vary; "
                    f"varying: {', '.join(columns) or 'none'}"
                )
        pairs = itertools.product(columns[first].items(), columns[second].items())
        named += [(f"{a} x {b}", u * v) for (a, u), (b, v) in pairs]
    return _independent(len(candidates), named)


def _varying(candidates: Sequence[Candidate]) -> list[str]:
    knobs = dict.fromkeys(knob for c in candidates for knob in c.levels)
    return [knob for knob in knobs if len(_counts(knob, candidates)) > 1]


def _counts(knob: str, candidates: Sequence[Candidate]) -> Counter[str]:
    return Counter(_text(c.levels[knob]) for c in candidates if knob in c.levels)


def level_names(candidate: Candidate) -> set[tuple[str, str]]:
    """The knobs of a candidate with their values as texts."""
    return {(knob, _text(value)) for knob, value in candidate.levels.items()}


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _knob_columns(knob: str, candidates: Sequence[Candidate]) -> dict[str, Array]:
    """A column per level but the commonest, which is the reference; 0 where a model lacks it."""
    counts = _counts(knob, candidates)
    reference = counts.most_common(1)[0][0]
    found = np.array([_text(c.levels[knob]) if knob in c.levels else "" for c in candidates])
    return {
        f"{knob}: {level} against {reference}": (found == level).astype(np.float64)
        for level in counts
        if level != reference
    }


def _independent(count: int, named: Sequence[tuple[str, Array]]) -> Effects:
    """Columns that are not a sum of those before them."""
    columns, names, aliased = [np.ones(count)], [], []
    basis = [columns[0] / np.linalg.norm(columns[0])]
    for name, column in named:
        rest = column.copy()
        for _ in range(2):  # the second pass removes what rounding left of the first
            for direction in basis:
                rest -= direction * (direction @ rest)
        size = float(np.linalg.norm(rest))
        if size <= 1e-8 * max(float(np.linalg.norm(column)), 1.0):
            aliased.append(name)
            continue
        basis.append(rest / size)
        columns.append(column)
        names.append(name)
    return Effects(tuple(names), np.stack(columns, axis=1), tuple(aliased))


def rank(rows: Array) -> int:
    """Rank of a set of rows."""
    return int(np.linalg.matrix_rank(rows)) if len(rows) else 0


def in_span(rows: Array, others: Array) -> NDArray[np.bool_]:
    """For each of `others`, True if it is a sum of `rows`."""
    if not len(rows):
        return np.asarray(np.linalg.norm(others, axis=1) == 0)
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    directions = directions[sizes > TOLERANCE * float(sizes.max())]
    rest = others - others @ directions.T @ directions
    return np.asarray(np.linalg.norm(rest, axis=1) <= 1e-7 * np.linalg.norm(others, axis=1))


def variances(effects: Effects, chosen: Sequence[int]) -> Array:
    """Variance of each effect from the chosen profiles, for unit noise; inf if not estimable."""
    rows = effects.matrix[list(chosen)]
    width = effects.matrix.shape[1]
    found = np.full(width, np.inf)
    if len(rows):
        fixed = in_span(rows, np.eye(width))
        covariance = np.linalg.pinv(rows.T @ rows, hermitian=True)
        found[fixed] = np.diag(covariance)[fixed]
    return found[1:]
