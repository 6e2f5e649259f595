"""What the scripts of rules ask for: the study of their job, and to run a stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rsweep.core.errors import CorruptError, RsweepError
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.jobs import packs, resident
from rsweep.jobs.owner import plan_folder, planned_at
from rsweep.jobs.runner import run_job
from rsweep.plan.planning import read_plan
from rsweep.plan.profiles import Profile
from rsweep.plan.stored import discard, read_node, read_shard
from rsweep.plan.study import Study
from rsweep.stages.job import Job


def open_study() -> Study:
    """The study of a job.

    Raises:
        CorruptError: its plan was changed on disk.
    """
    return read_plan(plan_folder())[0]


def open_profile(name: str) -> tuple[Study, Profile]:
    """The study of a job, and one of its profiles."""
    study = open_study()
    return study, next(profile for profile in study.profiles if profile.name == name)


def run_stage(key: str, file: str, threads: str) -> None:
    """Run the job of a stage's rule."""
    run_job(find_job(plan_folder, key, file, int(threads)))


def run_inference(key: str, file: str, threads: str, memory_mb: str) -> None:
    """Run a cell: the job of the inference rule, unless an earlier attempt at its pack has."""
    job = find_job(plan_folder, key, file, int(threads))
    output = job.store.path(job.node, job.shard.name)
    if packs.is_done(output):
        return
    try:
        job.networks = resident.networks(float(memory_mb))
        run_job(job)
    except Exception:
        packs.note_failure(output)
        raise
    packs.note_success(output)


def find_job(find_folder: Callable[[], Path], key: str, file: str, threads: int) -> Job:
    """The job of a node's file; a plan that was changed on disk is made anew.

    Args:
        find_folder: finds the plan of the job's study, or makes it.

    Raises:
        StudyError: the study has problems.
        RsweepError: the study is another now, without this node or shard.
    """
    folder = find_folder()
    try:
        return open_job(folder, key, file, threads)
    except CorruptError:
        discard(folder)
    folder = find_folder()
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
    return Job(
        known.node,
        rois,
        Store(known.store),
        known.options,
        known.on_roi_error,
        threads,
        planned_at(),
    )
