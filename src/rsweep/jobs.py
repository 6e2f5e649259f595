"""Running one stage for one shard: what a Snakemake job does, and what a library user calls."""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import platform
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

import rsweep
from rsweep.errors import CorruptError, RsweepError
from rsweep.settings.keys import Node
from rsweep.settings.knobs import Stage
from rsweep.settings.shards import Shard
from rsweep.store import Store

MAX_REBUILDS = 5
"""Inputs that one job makes again; more, and the disk itself is failing."""

log = logging.getLogger("rsweep")

RUNNERS: Mapping[Stage, str] = {
    "fetch": "rsweep.sources.stage",
    "composite": "rsweep.composite.stage",
    "prep": "rsweep.prep.stage",
    "infer": "rsweep.infer.stage",
    "stitch": "rsweep.stitch.stage",
}


@dataclass
class Job:
    """One stage, one shard.

    Attributes:
        node, shard, store: what to make and where.
        options: node key -> what is needed to run it but changes no result: a provider's options
            (its folder, its account), where the weights lie.
        on_roi_error: "record" a ROI that cannot be embedded, or "fail".
        threads: cores to use.
    """

    node: Node
    shard: Shard
    store: Store
    options: Mapping[str, Any] = field(default_factory=dict)
    on_roi_error: str = "record"
    threads: int = 1
    context: dict[str, Any] = field(default_factory=dict)

    def write(self) -> AbstractContextManager[h5py.File]:
        """The job's output file."""
        return self.store.write(self.node, self.shard.name)

    def read(self, name: str) -> AbstractContextManager[h5py.File]:
        """An input file, by its name in the node's inputs."""
        return self.store.read(self.node.inputs[name], self.shard.name)

    def fail_or_record(self, roi_id: str, reason: str) -> None:
        """Say that a ROI cannot be embedded; raise RoiError if the study wants to stop there."""
        if self.on_roi_error == "fail":
            raise RsweepError(f"ROI {roi_id}: {reason} (on_roi_error: record goes on without it)")
        log.warning("ROI %s: %s", roi_id, reason)

    def carry(self, outcome: Mapping[str, Any]) -> dict[str, Any]:
        """The outcome of a ROI that failed in an earlier stage, perhaps of another study."""
        if self.on_roi_error == "fail":
            self.fail_or_record(outcome["id"], outcome["error"])
        return {"id": outcome["id"], "error": outcome["error"]}

    def progress(self, items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
        """Pass items through, saying how many are done and how fast, at most every 5 seconds."""
        began = said = time.monotonic()
        for count, item in enumerate(items, start=1):
            yield item
            now = time.monotonic()
            if now - said >= 5 or count == total:
                said, rate = now, count / max(now - began, 1e-9)
                log.info("%d of %d %s, %.1f/s", count, total, what, rate)


def run_job(job: Job) -> None:
    """Make a job's output; an input that turns out damaged is said so, rebuilt, and read again."""
    module = importlib.import_module(RUNNERS[job.node.stage])
    for attempt in itertools.count():
        began = time.perf_counter()
        try:
            details = module.run(job)
        except CorruptError as error:
            if attempt == MAX_REBUILDS:
                raise
            _rebuild(job, error)
            continue
        record = {**_environment(), **details, "rois": len(job.shard.rois),
                  "seconds": round(time.perf_counter() - began, 3)}  # fmt: skip
        job.store.write_record(job.node, job.shard.name, record)
        return


def _rebuild(job: Job, error: CorruptError) -> None:
    for node in job.node.inputs.values():
        if str(job.store.path(node, job.shard.name)) != error.path:
            continue
        if not job.store.is_sound(node, job.shard.name):  # else another job was faster
            _say(error)
            job.store.discard(node, job.shard.name)
            run_job(Job(node, job.shard, job.store, job.options, job.on_roi_error, job.threads))
        return
    raise error


def _say(error: CorruptError) -> None:
    if Path(error.path).exists():
        log.warning("%s; treated as absent and rebuilt", error)
    else:
        log.info("%s is not there and is made", error.path)


def _environment() -> dict[str, Any]:
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {
        "rsweep": rsweep.__version__,
        "python": platform.python_version(),
        "host": platform.node(),
        "cpu": platform.machine(),
        "cpus": os.cpu_count(),
        "peak_memory_mb": round(peak / 2**20, 1),
    }
