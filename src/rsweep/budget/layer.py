"""Constraints of the integer programme: how many profiles, and nodes of a stage, it takes at least.

The rows of the chosen profiles must span all rows. The same holds one stage up: profiles that share
a stage's node differ only in what later stages read, so with those differences taken out each node
stands for one row, and the paid nodes of that stage must span what is left. This is what makes the
programme's bound close: profiles share nodes, and without it a fraction of each would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pulp
from numpy.typing import NDArray

from rsweep.budget.effects import TOLERANCE, Array, Candidate, in_span, rank


@dataclass(frozen=True)
class Layer:
    """Items of one kind, of which enough must be taken to span all of their rows.

    Attributes:
        rows: [items, columns].
        variables: per item, 1 where it is taken.
        item_of: per candidate, the item that it needs.
        costs: per item; none where items cost nothing by themselves.
    """

    rows: Array
    variables: Sequence[Any]
    item_of: NDArray[np.int64]
    costs: Array | None = None

    @property
    def full(self) -> int:
        """Dimensions to span."""
        return rank(self.rows)

    def constraints(self, levels: Sequence[NDArray[np.bool_]]) -> Iterator[Any]:
        """Constraints that hold whatever is chosen; `levels` says which candidates have a level."""
        yield pulp.lpSum(self.variables) >= self.full
        if self.costs is not None:
            yield pulp.lpDot(list(self.costs), self.variables) >= self._least()
        for candidates in levels:
            inside = np.zeros(len(self.rows), dtype=bool)
            inside[self.item_of[candidates]] = True
            yield from self._from_outside(~inside)

    def cut(self, chosen: Sequence[int]) -> list[Any]:
        """What a set of candidates whose items do not span all breaks; nothing if they do."""
        items = np.unique(self.item_of[list(chosen)])
        return list(self._from_outside(in_span(self.rows[items], self.rows)))

    def _from_outside(self, flat: NDArray[np.bool_]) -> Iterator[Any]:
        lacking = self.full - rank(self.rows[flat])
        if lacking:
            yield pulp.lpSum(self.variables[int(i)] for i in np.flatnonzero(~flat)) >= lacking

    def _least(self) -> float:
        """Cost of the cheapest items that span all: the cheapest first, if they add rank."""
        assert self.costs is not None
        taken: list[int] = []
        for item in np.argsort(self.costs, kind="stable"):
            if len(taken) < self.full and not in_span(self.rows[taken], self.rows[[item]])[0]:
                taken.append(int(item))
        return float(self.costs[taken].sum())


def profile_layer(rows: Array, variables: Sequence[Any]) -> Layer:
    """The profiles themselves, whose cost is that of their nodes."""
    return Layer(rows, variables, np.arange(len(rows)))


def stage_layers(
    rows: Array,
    candidates: Sequence[Candidate],
    costs: Mapping[str, float],
    paid: Mapping[str, Any],
) -> Iterator[Layer]:
    """A layer per stage of which every candidate needs one node."""
    for stage in dict.fromkeys(stage for c in candidates for stage in c.nodes):
        needed = [sorted(c.nodes.get(stage, ())) for c in candidates]
        if all(len(keys) == 1 for keys in needed):
            keys = sorted({key for (key,) in needed})
            place = {key: i for i, key in enumerate(keys)}
            item_of = np.array([place[key] for (key,) in needed])
            prices = np.array([costs[key] for key in keys], dtype=np.float64)
            yield Layer(_quotient(rows, item_of), [paid[key] for key in keys], item_of, prices)


def _quotient(rows: Array, item_of: NDArray[np.int64]) -> Array:
    """A row per item: its candidates' rows less every direction in which such rows differ."""
    _, first = np.unique(item_of, return_index=True)
    differences = rows - rows[first][item_of]
    _, sizes, directions = np.linalg.svd(differences, full_matrices=False)
    directions = directions[sizes > max(TOLERANCE * float(sizes.max()), 1e-12)]
    rest: Array = rows[first] - rows[first] @ directions.T @ directions
    return np.where(np.abs(rest) < 1e-10, 0.0, rest)
