"""A forecast in sum: amounts over stages, money, and how long it takes on some cores or jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rsweep.foresight.forecast import NOTHING, QUANTITIES, Amount, NodeCost, Quantity
from rsweep.plan.prices import money_of
from rsweep.plan.study import Study

HOUR, GB = 3600.0, 1e9


def total(costs: Iterable[NodeCost], quantity: Quantity) -> Amount:
    """An amount over nodes: the sum, and of memory the largest; low with low, high with high."""
    found = [cost.amounts[quantity] for cost in costs if quantity in cost.amounts]
    if not found:
        return NOTHING
    over = max if quantity == "memory_mb" else sum
    basis = "; ".join(dict.fromkeys(amount.basis for amount in found))
    value, low, high = (over([getattr(a, n) for a in found]) for n in ("value", "low", "high"))
    return Amount(value, low, high, basis)


def totals(costs: Sequence[NodeCost]) -> dict[Quantity, Amount]:
    """Every amount that the study needs any of."""
    found = {quantity: total(costs, quantity) for quantity in QUANTITIES}
    return {quantity: amount for quantity, amount in found.items() if amount is not NOTHING}


def money(study: Study, costs: Sequence[NodeCost]) -> Amount | None:
    """What the study will cost by its prices; None without prices.

    Cores of an inference that runs on a GPU go with the GPU; of files those of the last stage are
    kept.
    """
    prices = study.options["prices"]
    if not prices:
        return None
    value, low, high = (money_of(_used(costs, b), prices) for b in ("value", "low", "high"))
    return Amount(value, low, high, "prices of the study")


def _used(costs: Sequence[NodeCost], bound: str) -> Mapping[str, float]:
    def of(quantity: Quantity, *stages: str) -> float:
        own = [cost for cost in costs if not stages or cost.node.stage in stages]
        return float(getattr(total(own, quantity), bound))

    device = of("device_seconds")
    cores = of("core_seconds") - (of("core_seconds", "infer") if device else 0.0)
    return {
        "gpu_hour": device / HOUR,
        "cpu_hour": cores / HOUR,
        "thousand_requests": of("requests") / 1000,
        "fetched_gb": of("fetched_bytes") / GB,
        "eecu_hour": of("eecu_seconds") / HOUR,
        "gb": of("disk_bytes", "stitch") / GB,
    }


@dataclass(frozen=True)
class Wall:
    """How long a study takes, without what services and starting processes take, and its range."""

    seconds: float
    low: float
    high: float


def wall_seconds(study: Study, costs: Sequence[NodeCost], slots: int) -> Wall:
    """How long the jobs take on as many cores, or as a cluster's jobs, at once.

    A job is taken to have one core, and inference on a GPU the GPU for itself. No schedule that
    leaves no slot idle while a job can run is slower than Graham's bound, work / slots + chain x
    (1 - 1 / slots); none is faster than work / slots, or than the longest chain of jobs.
    """
    work, chain = _work(study, costs, "value")
    least, least_chain = _work(study, costs, "low")
    most, most_chain = _work(study, costs, "high")
    rest = 1 - 1 / slots
    return Wall(
        work / slots + chain * rest,
        max(least / slots, least_chain),
        most / slots + most_chain * rest,
    )


def _work(study: Study, costs: Sequence[NodeCost], bound: str) -> tuple[float, float]:
    """Seconds of all jobs, and of the longest chain of jobs of one shard and profile."""
    seconds = {cost.node.key: _seconds(cost, bound) for cost in costs}
    of_job = {c.node.key: seconds[c.node.key] / c.to_do for c in costs if c.to_do}
    chains = (
        sum(of_job.get(node.key, 0.0) for node in profile.node.upstream())
        for profile in study.profiles
    )
    return sum(seconds.values()), max(chains, default=0.0)


def _seconds(cost: NodeCost, bound: str) -> float:
    device = cost.amounts.get("device_seconds")
    return float(getattr(device or cost.amounts.get("core_seconds", NOTHING), bound))
