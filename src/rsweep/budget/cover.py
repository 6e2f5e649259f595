"""The cheapest set of profiles that estimates every effect, with a bound on how cheap it can be.

Sets of profiles that fix all effects are the spanning sets of a linear matroid. If profiles shared
nothing, taking them from the cheapest on while they add rank would be optimal. They share stages,
which are paid once, so that greedy set is a start, and an integer programme improves it: its
constraints (a set that lacks k dimensions needs k profiles from outside its span) are added as they
are violated. Every solution of that relaxation bounds the cost from below.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pulp
from numpy.typing import NDArray

from rsweep.budget.effects import Array, Candidate, in_span, level_names, rank
from rsweep.budget.layer import profile_layer, stage_layers

GAP = 1e-6
"""Relative difference of cost and bound at which a set counts as the cheapest."""


@dataclass(frozen=True)
class Cover:
    """A set of profiles that estimates all that can be estimated.

    Attributes:
        chosen: indices of candidates.
        cost: of all nodes that they need.
        bound: no such set is cheaper than this.
    """

    chosen: tuple[int, ...]
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        """How much more it costs than the bound, as a share of its cost."""
        return (self.cost - self.bound) / self.cost if self.cost else 0.0


def total(
    chosen: Sequence[int], candidates: Sequence[Candidate], costs: Mapping[str, float]
) -> float:
    """Cost of a set of profiles: each node that any of them needs, once."""
    return sum(costs[key] for key in sorted(_nodes(chosen, candidates)))


def _nodes(chosen: Sequence[int], candidates: Sequence[Candidate]) -> set[str]:
    return {key for i in chosen for key in candidates[i].keys}


def cheapest_cover(
    rows: Array,
    candidates: Sequence[Candidate],
    costs: Mapping[str, float],
    seconds: float = 8.0,
) -> Cover:
    """The cheapest profiles found within `seconds` whose rows span all rows.

    Args:
        rows: [candidates, columns] of the linear model.
        candidates: profiles with the nodes that they need.
        costs: node key -> cost, in any one unit, not negative.
        seconds: for the integer programme.
    """
    best = _pruned(_completed([], rows, candidates, costs), rows, candidates, costs)
    programme = _Programme(rows, candidates, costs)
    deadline = time.monotonic() + seconds
    bound = 0.0
    while (left := deadline - time.monotonic()) > 0:
        solved = programme.solve(left)
        bound = max(bound, solved.bound)
        found = _pruned(_completed(solved.chosen, rows, candidates, costs), rows, candidates, costs)
        best = min(best, found, key=lambda chosen: total(chosen, candidates, costs))
        cost = total(best, candidates, costs)
        if cost - bound <= GAP * cost or not programme.cut(solved.chosen):
            break
    cost = total(best, candidates, costs)
    return Cover(tuple(sorted(best)), cost, min(bound, cost))


def _completed(
    chosen: Sequence[int], rows: Array, candidates: Sequence[Candidate], costs: Mapping[str, float]
) -> list[int]:
    """Add the profile that adds rank and costs least beside those chosen, until all is spanned."""
    found, paid, full = list(chosen), _nodes(chosen, candidates), rank(rows)
    while rank(rows[found]) < full:
        outside = np.flatnonzero(~in_span(rows[found], rows))
        price = _extra(candidates, costs, paid)
        best = min(map(int, outside), key=price)
        found.append(best)
        paid |= candidates[best].keys
    return found


def _extra(
    candidates: Sequence[Candidate], costs: Mapping[str, float], paid: set[str]
) -> Callable[[int], float]:
    return lambda i: sum(costs[key] for key in sorted(candidates[i].keys - paid))


def _pruned(
    chosen: Sequence[int], rows: Array, candidates: Sequence[Candidate], costs: Mapping[str, float]
) -> list[int]:
    """Leave out profiles without which the rest still spans all, those first that save most."""
    found, full = list(dict.fromkeys(chosen)), rank(rows)
    whole = total(found, candidates, costs)
    saved = {i: whole - total([j for j in found if j != i], candidates, costs) for i in found}
    for i in sorted(found, key=lambda i: -saved[i]):
        rest = [j for j in found if j != i]
        if rank(rows[rest]) == full:
            found = rest
    return found


@dataclass(frozen=True)
class Solved:
    """What the solver says: a set, and a bound on the cost of every set."""

    chosen: list[int]
    bound: float


class _Programme:
    """Cheapest profiles under the constraints so far; a node that a chosen one needs is paid."""

    def __init__(
        self, rows: Array, candidates: Sequence[Candidate], costs: Mapping[str, float]
    ) -> None:
        self.problem = pulp.LpProblem("profiles", pulp.LpMinimize)
        self.take = [pulp.LpVariable(f"profile_{i}", cat="Binary") for i in range(len(candidates))]
        keys = sorted({key for c in candidates for key in c.keys})
        paid = {key: pulp.LpVariable(f"node_{n}", 0, 1) for n, key in enumerate(keys)}
        self.problem += pulp.lpSum(costs[key] * paid[key] for key in keys)
        for variable, candidate in zip(self.take, candidates, strict=True):
            for key in sorted(candidate.keys):
                self.problem += paid[key] >= variable
        self.layers = [
            profile_layer(rows, self.take),
            *stage_layers(rows, candidates, costs, paid),
        ]
        levels = _levels(candidates)
        for layer in self.layers:
            for constraint in layer.constraints(levels):
                self.problem += constraint

    def solve(self, seconds: float) -> Solved:
        """Solve what is asked so far; a bound holds even where the time did not suffice."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "cbc.log"
            solver = pulp.PULP_CBC_CMD(
                msg=False, timeLimit=max(seconds, 0.1), logPath=str(log), threads=1
            )
            self.problem.solve(solver)
            text = log.read_text() if log.exists() else ""
        chosen = [i for i, v in enumerate(self.take) if (v.value() or 0) > 0.5]
        # pulp's `status` is "Optimal" where the time ran out too; `sol_status` tells them apart.
        if self.problem.sol_status == pulp.LpSolutionOptimal:
            return Solved(chosen, float(pulp.value(self.problem.objective)))
        return Solved(chosen, _logged_bound(text))

    def cut(self, chosen: Sequence[int]) -> bool:
        """Forbid a set that does not span all rows, and its like; False if it spans them."""
        cuts = [cut for layer in self.layers for cut in layer.cut(chosen)]
        for cut in cuts:
            self.problem += cut
        return bool(cuts)


def _levels(candidates: Sequence[Candidate]) -> list[NDArray[np.bool_]]:
    """Which candidates have a knob's level, for every knob and level."""
    pairs = [level_names(c) for c in candidates]
    every = dict.fromkeys(pair for own in pairs for pair in own)
    return [np.array([pair in own for own in pairs]) for pair in every]


def _logged_bound(text: str) -> float:
    """The bound in the log of a CBC that was stopped; 0 if it had none yet."""
    found = re.findall(r"^Lower bound:\s+(-?[\d.eE+]+)", text, re.MULTILINE)
    return max(0.0, float(found[-1])) if found else 0.0
