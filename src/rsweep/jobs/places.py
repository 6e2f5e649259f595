"""Where a job runs: a GPU, or a share of the cores, that no other job of this run has.

Imported by every job before anything else, so it takes little of the standard library.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import time
from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

OWNER = "RSWEEP_OWNER"
"""Environment variable by which a Snakemake process tells its jobs whose they are: its process id
and when it began."""
FOLDER = "RSWEEP_RUN"
"""Environment variable: the owner's private folder of sockets, locks and logs of workers."""
CORES = "RSWEEP_CORES"
"""Environment variable: cores that the owner gives to jobs."""
GPU_FOLDER = "/proc/driver/nvidia/gpus"
POLL_S = 0.05


class Place:
    """A device, or so many cores, that is held until this object or its process has gone.

    Attributes:
        number: counts from 0.
        gpu: what CUDA_VISIBLE_DEVICES is to be, or None without a GPU.
        folder: private folder of the owner.
        lock: an open file; the kernel lets its lock go however the process ends.
    """

    def __init__(self, number: int, gpu: str | None, folder: str, lock: TextIO) -> None:
        self.number, self.gpu, self.folder, self.lock = number, gpu, folder, lock

    @property
    def name(self) -> str:
        """Of its worker: jobs of another environment (`--sdm conda`) have one of their own."""
        device = "cpu" if self.gpu is None else "gpu"
        return f"{device}{self.number}-{crc32(sys.executable.encode()):08x}"

    @property
    def socket(self) -> str:
        """Where its worker listens."""
        return f"{self.folder}/{self.name}.sock"

    @property
    def log(self) -> str:
        """What its worker prints."""
        return f"{self.folder}/{self.name}.log"

    def environment(self) -> dict[str, str]:
        """Environment of a process that is to see this place's device alone.

        OpenMP's threads are to sleep while they wait: by default they spin, and where other jobs
        want the cores a forward pass then takes many times as long.
        """
        device = {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": self.gpu}
        return {"OMP_WAIT_POLICY": "passive", **os.environ, **device}


def is_private(folder: str) -> bool:
    """True of a folder that only this user can enter."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    mine = found.st_uid == os.getuid() and not found.st_mode & 0o077
    return stat.S_ISDIR(found.st_mode) and mine


def visible_gpus() -> list[str]:
    """GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; asks no driver."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    try:
        return [str(number) for number in range(len(os.listdir(GPU_FOLDER)))]
    except OSError:
        return []


def available_cores() -> int:
    """Cores of this process, which a cluster's scheduler may have narrowed, or more if given."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(own or 1, int(os.environ.get(CORES) or 1))


def take_place(folder: str, threads: int, device: bool) -> Place:
    """Wait for a free GPU if one is wanted and there are any, else for `threads` free cores.

    The first that is free is taken, so that few workers serve many jobs.
    """
    cores: list[str | None] = [None] * max(1, available_cores() // threads)
    gpus: Sequence[str | None] = (visible_gpus() if device else []) or cores
    while True:
        for number, gpu in enumerate(gpus):
            kind = "cpu" if gpu is None else "gpu"
            lock = open(f"{folder}/{kind}{number}.lock", "w")  # noqa: SIM115 (held by the place)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return Place(number, gpu, folder, lock)
        time.sleep(POLL_S)
