"""Which profiles of a study to run first within a budget."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rsweep.budget.design import Design, choose_profiles
from rsweep.budget.effects import Candidate
from rsweep.disk.sizes import parse_size
from rsweep.foresight.forecast import NodeCost
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study

UNITS = {"core-hours": 3600.0, "core-minutes": 60.0, "core-seconds": 1.0}


def parse_budget(text: str) -> tuple[float, str]:
    """A number and what it counts: core-seconds, profiles or bytes.

    Raises:
        ValueError: it is neither such as `2 core-hours`, `12 profiles` nor `5 GB`.
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([a-z-]+)\s*", text.lower())
    if found and found[2] in UNITS:
        return float(found[1]) * UNITS[found[2]], "core-seconds"
    if found and found[2] == "profiles":
        return float(found[1]), "profiles"
    try:
        return float(parse_size(text)), "bytes"
    except ValueError:
        raise ValueError(f"{text!r}; expected such as 2 core-hours, 12 profiles or 5 GB") from None


def choose_first(
    study: Study,
    costs: Sequence[NodeCost],
    budget: str,
    interactions: Sequence[tuple[str, str]] = (),
    seconds: float = 8.0,
) -> Design:
    """Profiles that say most of the knobs for a budget; what is in the store already is free.

    Raises:
        ValueError: the budget cannot be read or is below the cheapest profile, or an interaction
            names a knob that does not vary.
    """
    amount, unit = parse_budget(budget)
    price = {cost.node.key: _price(cost, unit) for cost in costs}
    candidates = [_candidate(profile) for profile in study.profiles]
    if unit == "profiles":  # each profile is a node of its own, and nothing else costs
        price |= {c.name: 1.0 for c in candidates}
        candidates = [Candidate(c.name, c.levels, {"profile": frozenset([c.name])})
                      for c in candidates]  # fmt: skip
    return choose_profiles(candidates, price, amount, interactions, seconds)


def _price(cost: NodeCost, unit: str) -> float:
    return cost.seconds if unit == "core-seconds" else float(cost.size or 0.0)


def _candidate(profile: Profile) -> Candidate:
    needs: dict[str, frozenset[str]] = {}
    for node in profile.node.upstream():
        needs[node.stage] = needs.get(node.stage, frozenset()) | {node.key}
    # The model comes first: what always changes with it is told as the model's effect.
    ordered = {"model": profile.settings["model"], **profile.settings}
    levels = {knob: value for knob, value in ordered.items() if not isinstance(value, dict)}
    return Candidate(profile.name, levels, needs)
