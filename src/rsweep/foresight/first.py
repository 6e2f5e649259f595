"""Which profiles of a study to run first within a budget."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rsweep.budget.design import Design, choose_profiles
from rsweep.budget.effects import Candidate
from rsweep.disk.sizes import parse_size
from rsweep.foresight.forecast import NOTHING, NodeCost, Quantity
from rsweep.foresight.totals import money
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study

Unit = Quantity | str
"""What a budget counts: a quantity of a forecast, `profiles`, or `money`."""
UNITS: dict[str, tuple[float, Unit]] = {
    "core-hours": (3600.0, "core_seconds"),
    "core-minutes": (60.0, "core_seconds"),
    "core-seconds": (1.0, "core_seconds"),
    "gpu-hours": (3600.0, "device_seconds"),
    "gpu-minutes": (60.0, "device_seconds"),
    "requests": (1.0, "requests"),
    "eecu-hours": (3600.0, "eecu_seconds"),
    "profiles": (1.0, "profiles"),
    "money": (1.0, "money"),
}


def parse_budget(text: str, currency: str = "") -> tuple[float, Unit]:
    """A number and what it counts.

    Raises:
        ValueError: it is none such as `2 core-hours`, `12 profiles`, `5 GB` or `20 money`.
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([A-Za-z-]+)\s*", text)
    if found:
        named = "money" if currency and found[2].lower() == currency.lower() else found[2].lower()
        if named in UNITS:
            factor, unit = UNITS[named]
            return float(found[1]) * factor, unit
    try:
        return float(parse_size(text)), "disk_bytes"
    except ValueError:
        raise ValueError(
            f"{text!r}; expected a number of {', '.join(UNITS)} (or the currency of prices), or a "
            f"size such as 5 GB"
        ) from None


def choose_first(
    study: Study,
    costs: Sequence[NodeCost],
    budget: str,
    interactions: Sequence[tuple[str, str]] = (),
    seconds: float = 8.0,
) -> Design:
    """Profiles that say most of the knobs for a budget; what is in the store already is free.

    Raises:
        ValueError: the budget cannot be read or is below the cheapest profile, nothing of the study
            costs any of what it counts, or an interaction names a knob that does not vary.
    """
    amount, unit = parse_budget(budget, str(study.options["prices"].get("currency", "")))
    price = {cost.node.key: _price(study, cost, unit) for cost in costs}
    candidates = [_candidate(profile) for profile in study.profiles]
    if unit == "profiles":  # each profile is a node of its own, and nothing else costs
        price |= {c.name: 1.0 for c in candidates}
        candidates = [
            Candidate(c.name, c.levels, {"profile": frozenset([c.name])}) for c in candidates
        ]
    elif not any(price.values()):
        raise ValueError(
            f"{budget!r}; nothing that is to do costs any of it; expected another unit"
        )
    return choose_profiles(candidates, price, amount, interactions, seconds)


def _price(study: Study, cost: NodeCost, unit: Unit) -> float:
    if unit == "money":
        found = money(study, [cost])
        if found is None:
            raise ValueError("'money'; expected prices in the study, which it has none of")
        return found.value
    return next((a.value for name, a in cost.amounts.items() if name == unit), NOTHING.value)


def _candidate(profile: Profile) -> Candidate:
    needs: dict[str, frozenset[str]] = {}
    for node in profile.node.upstream():
        needs[node.stage] = needs.get(node.stage, frozenset()) | {node.key}
    # The model comes first: what always changes with it is told as the model's effect.
    ordered = {"model": profile.settings["model"], **profile.settings}
    levels = {knob: value for knob, value in ordered.items() if not isinstance(value, dict)}
    return Candidate(profile.name, levels, needs)
