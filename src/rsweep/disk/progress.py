"""How far the files of a study's stages are, as its store and its logs tell."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsweep.core.log import last_error
from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.plan.rounds import wanted_shards
from rsweep.plan.study import Study

RECENT_S = 600.0
"""Files made within this time make the rate."""


@dataclass(frozen=True)
class Failure:
    """A job that ended in an error and whose file is not there."""

    key: str
    shard: str
    reason: str
    log: str


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is.

    Attributes:
        stage: its name.
        files, done, running: files that the study needs, those there, those being written.
        per_minute: files made in the last ten minutes, by the minute; 0 if there are none.
        minutes_left: at that rate; None where nothing is left or no rate is known.
        failed: jobs whose last log is an error.
    """

    stage: str
    files: int
    done: int
    running: int
    per_minute: float
    minutes_left: float | None
    failed: tuple[Failure, ...]


def study_progress(study: Study) -> list[StageProgress]:
    """How far each stage is, in the order in which data flows."""
    nodes, wanted = list(study.nodes().values()), wanted_shards(study)
    return [
        _stage(study, stage, [(n, wanted[n.key]) for n in nodes if n.stage == stage])
        for stage in dict.fromkeys(node.stage for node in nodes)
    ]


def _stage(study: Study, stage: str, nodes: Sequence[tuple[Node, frozenset[str]]]) -> StageProgress:
    """How far a stage is, of its nodes with the shards that each is needed for."""
    store, now = Store(study.store), time.time()
    made: list[float] = []
    running, total, failed = 0, 0, []
    for node, shards in nodes:
        wanted = {f"{node.file(name)}.h5" for name in shards}
        total += len(wanted)
        there = dict(_files(store.folder(node)))
        made += [at for name, at in there.items() if name in wanted]
        running += sum(any(n.startswith(f".{w}.") for n in there) for w in wanted - set(there))
        failed += list(_failures(study, node, sorted(wanted - set(there))))
    recent = [at for at in made if now - at < RECENT_S]
    span = max(now - min(recent), 1.0) if recent else 0.0
    rate = 60 * len(recent) / span if recent else 0.0
    left = total - len(made)
    minutes = left / rate if left and rate else None
    return StageProgress(stage, total, len(made), running, rate, minutes, tuple(failed))


def _files(folder: Path) -> Iterator[tuple[str, float]]:
    """Names in a folder, temporary ones of writers too, and when they were written."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    yield entry.name, entry.stat().st_mtime
                except FileNotFoundError:  # a writer has just finished
                    continue


def _failures(study: Study, node: Node, absent: Sequence[str]) -> Iterator[Failure]:
    for name in absent:
        shard = name.removesuffix(".h5")
        log = Path(study.options["results"]) / "logs" / node.stage / node.key / f"{shard}.log"
        reason = last_error(log)
        if reason:
            yield Failure(node.key, shard, reason, str(log))
