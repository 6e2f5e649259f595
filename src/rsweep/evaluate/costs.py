"""What a profile costs: as if it ran alone, as its share of the sweep, by size, in money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rsweep.core.errors import RoiError
from rsweep.core.grid import roi_polygon
from rsweep.evaluate.verdict import Cost
from rsweep.plan.prices import money_of
from rsweep.plan.study import Study
from rsweep.results.ran import Ran


def costs_of(study: Study, ran: Mapping[str, Ran]) -> dict[str, Cost]:
    """Profile -> its cost."""
    km2, rois = _area_km2(study), len(study.rois)
    users = Counter(key for each in ran.values() for key in each.runs)
    return {name: _cost(each, users, km2, rois, study) for name, each in ran.items()}


def _cost(each: Ran, users: Mapping[str, int], km2: float, rois: int, study: Study) -> Cost:
    seconds = float(each.cost["seconds"])
    shared = sum(_seconds(shards) / users[key] for key, shards in each.runs.items())
    prices = study.options["prices"]
    money = money_of(used(each.cost), prices) if prices else None
    return Cost(
        seconds=seconds,
        shared_seconds=round(shared, 3),
        seconds_per_1k_rois=round(1000 * seconds / rois, 3),
        seconds_per_km2=round(seconds / km2, 6) if km2 else None,
        peak_memory_mb=each.cost.get("peak_memory_mb"),
        money=None if money is None else round(money, 6),
        money_per_1k_rois=None if money is None else round(1000 * money / rois, 6),
        currency=str(prices.get("currency", "")),
        per_1k_rois=_per(_amounts(each.cost, money), rois / 1000),
        per_km2=_per(_amounts(each.cost, money), km2),
    )


OTHERS = ("requests", "fetched_bytes", "eecu_seconds", "energy_wh", "stage_bytes")
"""Costs in meta.json that are said by size, beside time and money."""


def _amounts(cost: Mapping[str, Any], money: float | None) -> dict[str, float]:
    found = {name: float(cost[name]) for name in OTHERS if cost.get(name) is not None}
    if on_gpu(cost):
        found["device_seconds"] = float(cost["forward_seconds"])
    return found if money is None else {**found, "money": money}


def _per(amounts: Mapping[str, float], size: float) -> dict[str, float]:
    return {name: round(amount / size, 6) for name, amount in amounts.items()} if size else {}


def on_gpu(cost: Mapping[str, Any]) -> bool:
    """True if inference ran on a GPU; records call a GPU by its maker's name."""
    return str(cost.get("device", "")) not in ("", "cpu")


def _seconds(shards: Mapping[str, Mapping[str, Any]]) -> float:
    return sum(float(record.get("seconds", 0.0)) for record in shards.values())


def used(cost: Mapping[str, Any]) -> dict[str, float]:
    """What a profile alone used, by names of `plan.prices.PRICED`.

    Hours of a GPU for inference on one, of a CPU for all else.

    Args:
        cost: seconds by stage, device, bytes and what was fetched, as meta.json has them.
    """
    infer = float(cost.get("infer_seconds", 0.0)) if on_gpu(cost) else 0.0
    return {
        "gpu_hour": infer / 3600,
        "cpu_hour": (float(cost["seconds"]) - infer) / 3600,
        "kwh": float(cost.get("energy_wh", 0.0)) / 1000,
        "thousand_requests": float(cost.get("requests", 0.0)) / 1000,
        "fetched_gb": float(cost.get("fetched_bytes", 0.0)) / 1e9,
        "eecu_hour": float(cost.get("eecu_seconds", 0.0)) / 3600,
        "gb": float(cost.get("bytes", 0.0)) / 1e9,
    }


def _area_km2(study: Study) -> float:
    total = 0.0
    for roi in study.rois:
        try:
            total += roi_polygon(roi)[1].area / 1e6
        except RoiError:
            continue
    return total
