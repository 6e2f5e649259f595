"""What a race will cost: its first round at the least, every profile on every place at the most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsweep.foresight.forecast import NOTHING, NodeCost
from rsweep.plan.race import first_share
from rsweep.plan.study import Study


@dataclass(frozen=True)
class RaceCost:
    """Core seconds that are to do.

    Attributes:
        first_share: share of the ROIs that the first round takes, about.
        first: seconds of all profiles on these.
        every: seconds of all profiles on all ROIs, which none exceeds.
    """

    first_share: float
    first: float
    every: float


def race_cost(study: Study, costs: Sequence[NodeCost]) -> RaceCost | None:
    """The range of what is to do of a study that races; None of one that does not."""
    if study.race is None:
        return None
    share = first_share(study.race, [len(shard.rois) for shard in study.shards])
    every = sum(cost.amounts.get("core_seconds", NOTHING).value for cost in costs)
    return RaceCost(share, share * every, every)
