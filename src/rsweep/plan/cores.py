"""Cores that jobs take of a machine, and which inference job goes first."""

from __future__ import annotations

import os

from rsweep.plan.estimates import seconds_of
from rsweep.plan.workflow import Plan
from rsweep.sources.registry import find_provider

MOST = 2
"""Of an inference job, unless `--set-threads infer=N` says otherwise."""
ROUNDS = 2
"""Jobs per core from which on one that ends late leaves few cores without work."""
LONGEST = 9.0
"""Priority that no inference job reaches, below that of prep and stitch (10), which feed and follow
them and take little time."""
HALF_S = 60.0
"""An inference job of so many seconds has half of it."""


def fetch_threads(plan: Plan, key: str) -> int:
    """Cores of a fetch job: more where its provider decodes several answers at a time."""
    return find_provider(plan.nodes[key].settings["provider"]).cores


def inference_threads(plan: Plan, cores: int | None) -> int:
    """Cores of an inference job: one where there are jobs, and memory, for all cores at once.

    Jobs of one core each are quicker together: none waits until several cores are free, and none
    has threads that wait for each other.

    Args:
        cores: what jobs may use together; None where a cluster's scheduler deals them out.
    """
    keys = [key for key, node in plan.nodes.items() if node.stage == "infer"]
    if cores is None or plan.study.options["gpus"] or not keys:
        return MOST
    busy = len(keys) * len(plan.shards) >= ROUNDS * cores
    fits = cores * max(plan.memory_mb(key, 1) for key in keys) <= machine_mb()
    return 1 if busy and fits else MOST


def machine_mb() -> float:
    """Memory of this machine."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)


def priority(plan: Plan, key: str, file: str) -> float:
    """Priority of an inference job, more of a longer one: the last to end keeps cores idle."""
    shard, gpus = plan.shard(key, file), plan.study.options["gpus"]
    seconds = seconds_of(plan.nodes[key], shard, MOST, gpus)
    return LONGEST * seconds / (seconds + HALF_S)
