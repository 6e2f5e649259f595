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
from pathlib import Path
from typing import Any

import rsweep
from rsweep.core.errors import CorruptError
from rsweep.stages.job import Job

MAX_REBUILDS = 5
"""Inputs that one job makes again; more, and the disk itself is failing."""

log = logging.getLogger("rsweep")


def run_job(job: Job) -> None:
    """Make a job's output; an input that turns out damaged is said so, rebuilt, and read again."""
    module = importlib.import_module(f"rsweep.stages.{job.node.stage}.run")
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
