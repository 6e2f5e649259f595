"""Part of a study run again from scratch, and compared value by value."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import CorruptError
from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.study import Study
from rsweep.stages.job import Job
from rsweep.stages.registry import STAGES
from rsweep.verify.rows import Row, Status


def sample(
    study: Study, lock: Mapping[str, Any], share: float, seed: int
) -> list[tuple[Node, Shard]]:
    """A random part of the last nodes and shards of a study that its lock holds; at least one."""
    last = {profile.node.key: profile.node for profile in study.profiles}
    ran = lock["artefacts"] if lock.get("race") else {}
    every = [
        (node, shard)
        for node in last.values()
        for shard in study.shards
        if not ran or shard.name in ran.get(node.key, {})
    ]
    count = max(1, round(share * len(every)))
    return random.Random(seed).sample(every, min(count, len(every)))


def rebuilt_rows(
    study: Study, lock: Mapping[str, Any], scratch: Path, jobs: list[tuple[Node, Shard]]
) -> Iterator[Row]:
    """Run jobs and all before them in an empty store; compare each file with the lock's.

    Scenes are those of the lock. Values that are not bit for bit the lock's are compared with the
    study's own store, within the stage's tolerance.
    """
    fresh, held, done = Store(scratch), Store(study.store), set()
    options = study.node_options()  # a fetch reads the scenes of the lock
    for last, shard in jobs:
        for node in last.upstream():
            if (node.key, shard.name) in done:
                continue
            done.add((node.key, shard.name))
            run_job(Job(node, shard, fresh, options, study.options["on_roi_error"]))
            told = lock["artefacts"].get(node.key, {}).get(shard.name)
            name = f"{node.stage}/{node.key}/{shard.name}"
            yield Row("rebuilt", name, *_compare(fresh, held, node, shard.name, told))


def _compare(
    fresh: Store, held: Store, node: Node, shard: str, told: str | None
) -> tuple[Status, str]:
    if fresh.content(node, shard) == told:
        return "identical", ""
    try:
        with fresh.read(node, shard) as new, held.read(node, shard) as old:
            name, worst = worst_difference(old, new)
    except CorruptError as error:
        return "different", f"values are not the lock's, and cannot be compared: {error}"
    tolerance = STAGES[node.stage].tolerance
    detail = (
        f"{name} differs by {worst:.3g} of its size; the {node.stage} stage allows {tolerance:g}"
    )
    return ("within tolerance" if worst <= tolerance else "different"), detail


def worst_difference(old: h5py.File, new: h5py.File) -> tuple[str, float]:
    """The dataset that differs most, and by how much: the norm of the difference over the norm.

    What is not a number, or has another shape, type or place of missing values, differs infinitely.
    """
    names: list[str] = []
    for file in (old, new):
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    found = {n: _difference(old.get(n), new.get(n)) for n in dict.fromkeys(names)}
    return max(found.items(), key=lambda item: item[1])


def _difference(old: h5py.Dataset | None, new: h5py.Dataset | None) -> float:
    if old is None or new is None or old.shape != new.shape or old.dtype != new.dtype:
        return float("inf")
    before, after = old[()], new[()]
    if before.dtype.kind != "f":
        return 0.0 if np.array_equal(before, after) else float("inf")
    if not np.array_equal(np.isnan(before), np.isnan(after)):
        return float("inf")
    return _relative(np.nan_to_num(before), np.nan_to_num(after))


def _relative(before: NDArray[Any], after: NDArray[Any]) -> float:
    off = float(np.linalg.norm((before - after).astype(np.float64)))
    size = float(np.linalg.norm(before.astype(np.float64)))
    return off / size if size else (0.0 if not off else float("inf"))
