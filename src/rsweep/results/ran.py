"""What ran, as the profiles' meta.json say it: the page needs no file of the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rsweep.plan.study import Study
from rsweep.results.imagery import Imagery, imagery_of
from rsweep.stages.stitch.format import Row

HALF = 0.5
"""Below this share of real pixels a network saw more of what was filled in than of the ground."""


@dataclass(frozen=True)
class Ran:
    """A profile's run.

    Attributes:
        runs: stage key -> shard -> the record of the job that made its file.
        cost: seconds, tiles, memory and bytes by column of the sweep table.
        rois: how many there are.
        failed: ROI -> why it has no embedding.
        valid_share: of the ROIs' own ground, mean over those that have an embedding.
        real_share: of what the network saw, mean over the same.
        imagery: what it is made of.
        mostly_filled: ROIs of which the network saw less than half real.
        seam: change across tile borders over change inside, of tiled grids.
    """

    runs: Mapping[str, Mapping[str, Mapping[str, Any]]]
    cost: Mapping[str, Any]
    rois: int
    failed: Mapping[str, str]
    valid_share: float
    real_share: float
    imagery: tuple[Imagery, ...] = ()
    mostly_filled: int = 0
    seam: float | None = None


def read_ran(study: Study) -> dict[str, Ran]:
    """Profile -> its run; one meta.json in memory at a time, since each holds every ROI."""
    return {profile.name: _read(study, profile.name) for profile in study.profiles}


def _read(study: Study, profile: str) -> Ran:
    meta = json.loads((study.folder / "profiles" / profile / "meta.json").read_text())
    outcomes: dict[str, Row] = {roi: entry["outcome"] for roi, entry in meta["rois"].items()}
    failed = {roi: o["error"] for roi, o in outcomes.items() if o["error"] is not None}
    embedded = [outcome for outcome in outcomes.values() if outcome["error"] is None]
    return Ran(
        runs=meta["runs"],
        cost=meta["cost"],
        rois=len(outcomes),
        failed=failed,
        valid_share=_mean([outcome["valid_share"] for outcome in embedded]),
        real_share=_mean([outcome["real_share"] for outcome in embedded]),
        imagery=imagery_of(embedded),
        mostly_filled=sum(outcome["real_share"] < HALF for outcome in embedded),
        seam=meta.get("seam"),
    )


def _mean(shares: list[float]) -> float:
    return round(sum(shares) / len(shares), 4) if shares else 0.0


def unique_seconds(ran: Iterable[Ran]) -> float:
    """Seconds of all stages, one that profiles share counted once."""
    runs = {key: by_shard for each in ran for key, by_shard in each.runs.items()}
    return float(sum(r.get("seconds", 0.0) for shards in runs.values() for r in shards.values()))
