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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

import rsweep
from rsweep.core.errors import CorruptError
from rsweep.core.nodes import Node
from rsweep.core.shards import Shard, extents_of, own_days
from rsweep.core.store import Store
from rsweep.stages.job import Job

if TYPE_CHECKING:
    from rsweep.plan.study import Study

MAX_REBUILDS = 5
"""Inputs that one job makes again; more, and the disk itself is failing."""

log = logging.getLogger("rsweep")


def run_job(job: Job) -> None:
    """Make a job's output, unless another process has; one of them makes it at a time."""
    began = time.perf_counter()
    with job.store.turn(job.node, job.shard.name):
        if not _is_made(job):
            _make(job, time.perf_counter() - began)


def _is_made(job: Job) -> bool:
    """True if another process has made the output since it was found to be wanted."""
    path = job.store.path(job.node, job.shard.name)
    try:
        younger = path.stat().st_mtime >= job.planned
    except OSError:
        return False
    if not younger or not job.store.is_sound(job.node, job.shard.name):
        return False
    log.info("%s was made by another process", path)
    return True


def _make(job: Job, waited: float) -> None:
    """Make an output; an input that turns out damaged is logged, rebuilt, and read again."""
    module = importlib.import_module(f"rsweep.stages.{job.node.stage}.run")
    for attempt in itertools.count():
        job.ran.clear()
        job.failed.clear()
        job.note = partial(_write_record, job, time.perf_counter(), time.process_time(), waited)
        try:
            module.run(job)
        except CorruptError as error:
            if attempt == MAX_REBUILDS:
                raise
            _rebuild(job, error)
            continue
        return


def _write_record(job: Job, began: float, began_core: float, waited: float) -> None:
    """Say what ran: `seconds` of work, without `load_seconds` and `wait_seconds` (for others).

    `core_seconds` are what cores were busy, of the same work; a forecast compares them with
    `extents`, sides of the ROIs in metres with how many have each, and `own_days`.
    """
    seconds = time.perf_counter() - began - job.ran.get("load_seconds", 0.0)
    core_seconds = time.process_time() - began_core - job.ran.get("load_core_seconds", 0.0)
    seconds += job.ran.get("reused_seconds", 0.0)  # work of its tiles that another job did
    record = {
        **_environment(),
        **job.ran,
        "rois": len(job.shard.rois),
        "failed_rois": len(job.failed),
        "extents": extents_of(job.shard.rois),
        "own_days": own_days(job.shard.rois),
        "seconds": round(max(seconds, 0.0), 3),
        "wait_seconds": round(waited, 3),
        "core_seconds": round(max(core_seconds, 0.0), 4),
    }
    job.store.write_record(job.node, job.shard.name, record)


def _rebuild(job: Job, error: CorruptError) -> None:
    for node in job.node.inputs.values():
        if str(job.store.path(node, job.shard.name)) != error.path:
            continue
        rebuild(replace(job, node=node, ran={}), error)
        return
    raise error


def rebuild(job: Job, error: CorruptError) -> None:
    """Make a file again that was read and found damaged, or another's, or not there."""
    if not job.store.is_sound(job.node, job.shard.name):  # else another job was faster
        _say(error)
        run_job(job)


@contextmanager
def reading(study: Study, node: Node, shard: Shard) -> Iterator[h5py.File]:
    """A stage's file of a study; one that is damaged is made again first.

    Raises:
        RsweepError: it cannot be made.
    """
    store = Store(study.store)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(store.read(node, shard.name))
        except CorruptError as error:
            policy = study.options["on_roi_error"]
            rebuild(Job(node, shard, store, study.node_options(), policy), error)
            file = stack.enter_context(store.read(node, shard.name))
        yield file


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
