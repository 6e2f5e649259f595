"""Which profiles of a sweep to run first within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rsweep.budget.cover import Cover, cheapest_cover, total
from rsweep.budget.effects import (
    Array,
    Candidate,
    Effects,
    in_span,
    sweep_effects,
    variances,
)


@dataclass(frozen=True)
class Design:
    """Profiles to run first, and what they will say.

    Attributes:
        chosen: names of profiles, in the order of the study.
        cost: of all nodes that they need, each once.
        budget: what was given.
        estimated: effect -> variance of its estimate, for unit noise of a profile's quality.
        missing: effects that this budget cannot estimate.
        aliased: effects that even the whole grid cannot tell from others.
        least: cost of the cheapest set found that estimates every effect of the model used.
        bound: no such set is cheaper than this.
    """

    chosen: tuple[str, ...]
    cost: float
    budget: float
    estimated: Mapping[str, float]
    missing: tuple[str, ...]
    aliased: tuple[str, ...]
    least: float
    bound: float

    @property
    def gap(self) -> float:
        """How far `least` may be above the cheapest that there is, as a share of it."""
        return (self.least - self.bound) / self.least if self.least else 0.0


def choose_profiles(
    candidates: Sequence[Candidate],
    costs: Mapping[str, float],
    budget: float,
    interactions: Sequence[tuple[str, str]] = (),
    seconds: float = 8.0,
) -> Design:
    """Profiles that estimate every main effect, and the interactions asked for, within a budget.

    First the cheapest set that estimates all effects; then, while money is left, the profiles that
    lower the sum of the effects' variances most for what they add to the cost. Where the budget is
    too small, interactions are left out, those asked for last first; then main effects, keeping
    those that profiles add most cheaply.

    Args:
        candidates: the sweep's profiles.
        costs: node key -> cost, in the unit of the budget; 0 for nodes that are there already.
        budget: most that may be spent.
        interactions: pairs of knobs whose levels' joint effects are wanted too.
        seconds: for the integer programme.

    Raises:
        ValueError: nothing fits the budget, or an interaction names a knob that does not vary.
    """
    effects, cover, dropped = _affordable_model(candidates, costs, budget, interactions, seconds)
    search = _Search(effects, candidates, costs, budget)
    start = list(cover.chosen) if cover.cost <= budget else search.affordable()
    if not start:
        cheapest = min(total([i], candidates, costs) for i in range(len(candidates)))
        raise ValueError(f"budget {budget:g} is below the cheapest profile ({cheapest:g})")
    return _design(search.filled(start), cover, effects, dropped, candidates, costs, budget)


def _affordable_model(
    candidates: Sequence[Candidate],
    costs: Mapping[str, float],
    budget: float,
    interactions: Sequence[tuple[str, str]],
    seconds: float,
) -> tuple[Effects, Cover, tuple[str, ...]]:
    """The model with as many interactions as the budget pays, its cover, and effects left out."""
    share, wanted = seconds / (len(interactions) + 1), list(interactions)
    while True:
        effects = sweep_effects(candidates, wanted)
        cover = cheapest_cover(effects.matrix, candidates, costs, share)
        if not wanted or cover.cost <= budget:
            every = sweep_effects(candidates, interactions).names
            return effects, cover, tuple(name for name in every if name not in effects.names)
        wanted.pop()


def _design(
    chosen: Sequence[int],
    cover: Cover,
    effects: Effects,
    dropped: tuple[str, ...],
    candidates: Sequence[Candidate],
    costs: Mapping[str, float],
    budget: float,
) -> Design:
    found = dict(zip(effects.names, map(float, variances(effects, chosen)), strict=True))
    return Design(
        chosen=tuple(candidates[i].name for i in sorted(chosen)),
        cost=total(chosen, candidates, costs),
        budget=budget,
        estimated={name: value for name, value in found.items() if np.isfinite(value)},
        missing=(*(name for name, value in found.items() if not np.isfinite(value)), *dropped),
        aliased=effects.aliased,
        least=cover.cost,
        bound=cover.bound,
    )


class _Search:
    """Additions to a set of profiles, best first."""

    def __init__(
        self,
        effects: Effects,
        candidates: Sequence[Candidate],
        costs: Mapping[str, float],
        budget: float,
    ) -> None:
        self.rows, self.candidates, self.budget = effects.matrix, candidates, budget
        keys = sorted({key for c in candidates for key in c.keys})
        self.costs = np.array([costs[key] for key in keys], dtype=np.float64)
        place = {key: i for i, key in enumerate(keys)}
        self.needs = np.zeros((len(candidates), len(keys)), dtype=bool)
        for i, candidate in enumerate(candidates):
            self.needs[i, [place[key] for key in candidate.keys]] = True

    def _extra(self, chosen: Sequence[int]) -> tuple[Array, float]:
        """What each profile adds to the cost of those chosen, and that cost."""
        paid = self.needs[list(chosen)].any(axis=0)
        return (self.needs & ~paid) @ self.costs, float(self.costs @ paid)

    def affordable(self) -> list[int]:
        """Profiles that add rank, cheapest addition first, while the budget lasts."""
        chosen: list[int] = []
        while True:
            extra, spent = self._extra(chosen)
            new = ~in_span(self.rows[chosen], self.rows) & (spent + extra <= self.budget)
            if not new.any():
                return chosen
            chosen.append(int(np.argmin(np.where(new, extra, np.inf))))

    def filled(self, start: Sequence[int]) -> list[int]:
        """Add what lowers the sum of variances most per cost, while the budget lasts.

        A row x lowers the trace of C = inverse(X'X) by x'CCx / (1 + x'Cx).
        """
        chosen = list(start)
        inverse = np.linalg.pinv(self.rows[chosen].T @ self.rows[chosen], hermitian=True)
        while True:
            extra, spent = self._extra(chosen)
            free = spent + extra <= self.budget * (1 + 1e-12)
            free[chosen] = False
            free &= in_span(self.rows[chosen], self.rows)  # else affordable() would have taken it
            if not free.any():
                return chosen
            image = self.rows @ inverse
            gain = (image**2).sum(axis=1) / (1 + (image * self.rows).sum(axis=1))
            best = int(np.argmax(np.where(free, gain / np.maximum(extra, 1e-12), -np.inf)))
            chosen.append(best)
            step = inverse @ self.rows[best]
            inverse -= np.outer(step, step) / (1 + self.rows[best] @ step)
