"""What a profile costs: as if it ran alone, as its share of the sweep, by size, in money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rsweep.core.errors import RoiError
from rsweep.core.grid import roi_polygon
from rsweep.evaluate.verdict import Cost
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
    money = money_of(each.cost, prices) if prices else None
    return Cost(
        seconds=seconds,
        shared_seconds=round(shared, 3),
        seconds_per_1k_rois=round(1000 * seconds / rois, 3),
        seconds_per_km2=round(seconds / km2, 6) if km2 else None,
        peak_memory_mb=each.cost.get("peak_memory_mb"),
        money=None if money is None else round(money, 6),
        money_per_1k_rois=None if money is None else round(1000 * money / rois, 6),
        currency=str(prices.get("currency", "")),
    )


def _seconds(shards: Mapping[str, Mapping[str, Any]]) -> float:
    return sum(float(record.get("seconds", 0.0)) for record in shards.values())


def money_of(cost: Mapping[str, Any], prices: Mapping[str, Any]) -> float:
    """Price of a profile alone: hours of GPU for inference on one, of CPU for all else, disk.

    Args:
        cost: seconds by stage, device and bytes, as meta.json has them.
        prices: `gpu_hour`, `cpu_hour` and `gb` (of results kept); what is not there is free.
    """
    infer, rest = cost.get("infer_seconds", 0.0), cost["seconds"] - cost.get("infer_seconds", 0.0)
    on_gpu = "cuda" in str(cost.get("device", ""))
    of_infer = prices.get("gpu_hour" if on_gpu else "cpu_hour", 0.0)
    hours = (infer * of_infer + rest * prices.get("cpu_hour", 0.0)) / 3600
    return float(hours + cost.get("bytes", 0) / 1e9 * prices.get("gb", 0.0))


def _area_km2(study: Study) -> float:
    total = 0.0
    for roi in study.rois:
        try:
            total += roi_polygon(roi)[1].area / 1e6
        except RoiError:
            continue
    return total
