"""What the process that owns a run tells its jobs: whose they are, since when, and the plan."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rsweep.core.errors import RsweepError
from rsweep.jobs import packs
from rsweep.jobs.launcher import listen
from rsweep.jobs.places import CORES, FOLDER, OWNER, is_private
from rsweep.plan.stored import named, told

OWNER_JOB = "RSWEEP_OWNER_JOB"
"""Environment variable: the SLURM job that the owner belongs to, or nothing."""
CONFIG = "RSWEEP_CONFIG"
"""Environment variable: where the owner has written its study, for a job that has to plan it."""
MAX_SOCKET_PATH = 100
"""The kernel's limit is 107 bytes."""
LONGEST_NAME = len("/cpu00-00000000.1234567")


def own_jobs(config: Mapping[str, Any], cores: int | None = None, packed: bool = False) -> None:
    """Make this process the owner of the jobs that it starts, and so of their workers.

    The Snakefile calls it. A SLURM job runs each of its jobs by a Snakemake process of its own,
    below the one that is the SLURM job's: there the owner is the SLURM job's.

    Args:
        config: the study, for a job that finds its plan gone.
        cores: what the jobs may use together, if that is known.
        packed: True within a cluster's job, whose jobs may be tried again together.
    """
    if packed:
        os.environ[packs.PACKED] = "1"
    job = os.environ.get("SLURM_JOB_ID", "")
    if packed and job and os.environ.get(OWNER_JOB) == job:
        return
    os.environ[OWNER] = f"{os.getpid()}-{started(os.getpid())}"
    os.environ[OWNER_JOB] = job
    os.environ[CORES] = str(cores or "")
    folder = runtime_folder(os.environ[OWNER])
    os.environ[FOLDER] = str(folder)
    atexit.register(_forget, os.getpid(), folder)
    with suppress(OSError):  # without a folder each job does without a worker
        folder.mkdir(mode=0o700, exist_ok=True)
        if is_private(str(folder)):
            _write_config(config, folder / "config.json")
            listen(folder)


def _write_config(config: Mapping[str, Any], path: Path) -> None:
    """Write the study where nobody else can read it: an address may hold an account."""
    path.write_text(json.dumps(named(config)))
    os.environ[CONFIG] = str(path)


def _forget(pid: int, folder: Path) -> None:
    if os.getpid() == pid:  # and not a fork of the owner
        shutil.rmtree(folder, ignore_errors=True)


def started(pid: int) -> int:
    """When a process started, in milliseconds; 0 if it is gone. With its id, it names a process."""
    import psutil

    try:
        process = psutil.Process(pid)
        gone = process.status() == psutil.STATUS_ZOMBIE
        return 0 if gone else round(process.create_time() * 1000)
    except psutil.Error:
        return 0


def runtime_folder(owner: str) -> Path:
    """Folder of an owner's sockets and locks, on this machine."""
    name = f"rsweep-{os.getuid()}-{owner}"
    folder = Path(tempfile.gettempdir()) / name
    return folder if len(str(folder)) + LONGEST_NAME < MAX_SOCKET_PATH else Path("/tmp") / name


def planned_at() -> float:
    """When the Snakemake process began whose job this is, else now; as time.time() has it."""
    owner = os.environ.get(OWNER)
    return int(owner.split("-")[1]) / 1000 if owner else time.time()


def plan_folder() -> Path:
    """The folder that the owner of this job told of, or else the one of the study as it is now.

    Raises:
        RsweepError: there is no plan, and no owner that says of which study.
        StudyError: there is no plan, and the study has problems.
    """
    folder = told()
    if folder and (folder / "plan.json").is_file():
        return folder
    from rsweep.plan.planning import find_plan  # which a job that was told does not need

    return find_plan(_told_config())


def _told_config() -> dict[str, Any]:
    try:
        found = json.loads(Path(os.environ[CONFIG]).read_text())
        assert isinstance(found, dict)
        return found
    except (KeyError, OSError) as error:
        raise RsweepError(
            f"the plan of this job's study is gone, and so is the study ({error}): run it again"
        ) from error
