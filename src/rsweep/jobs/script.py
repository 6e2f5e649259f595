"""The job of a stage rule: its wildcards say which node and shard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsweep.core.errors import CorruptError, RsweepError
from rsweep.core.log import start_log
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.jobs.owner import plan_folder, planned_at
from rsweep.jobs.runner import run_job
from rsweep.plan.stored import discard, read_node, read_shard
from rsweep.stages.job import Job


def run_script(snakemake: Any) -> None:
    """Run the job of a stage rule."""
    start_log(snakemake.log[0])
    key, file = snakemake.wildcards.key, snakemake.wildcards.shard
    run_job(find_job(snakemake.config, key, file, snakemake.threads))


def find_job(config: Mapping[str, Any], key: str, file: str, threads: int) -> Job:
    """The job of a node's file; a plan that was changed on disk is made anew.

    Raises:
        StudyError: the study has problems.
        RsweepError: the study is another now, without this node or shard.
    """
    folder = plan_folder(config)
    try:
        return open_job(folder, key, file, threads)
    except CorruptError:
        discard(folder)
    folder = plan_folder(config)
    try:
        return open_job(folder, key, file, threads)
    except CorruptError as error:
        raise RsweepError(
            f"{folder} has no node {key} for a shard {file}: the study or its ROIs "
            f"were edited while it ran; run it again ({error})"
        ) from error


def open_job(folder: Path, key: str, file: str, threads: int) -> Job:
    """The job of a node's file, from the plan in a folder.

    Raises:
        CorruptError: the plan has no such node or shard, or was changed.
    """
    known = read_node(folder, key)
    shard = known.node.shard(file)
    rois = Shard(shard, read_shard(folder, shard))
    return Job(known.node, rois, Store(known.store), known.options, known.on_roi_error, threads,
               planned_at())  # fmt: skip
