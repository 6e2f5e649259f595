"""The thin end of packing: hands one inference cell to a worker that has its network loaded.

Importing torch and loading weights takes longer than most cells. So the first inference job of a
Snakemake process starts a worker (`worker.py`) for the device that it takes, and the jobs after it
are clients: they import no torch, send their cell over a unix socket, and wait. Snakemake sees
ordinary jobs, one per cell. Whatever goes wrong with the worker, a client runs its cell itself.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rsweep.jobs import packs
from rsweep.jobs.launcher import launch, listen
from rsweep.jobs.messages import receive, send
from rsweep.jobs.owner import OWNER, plan_folder

OWNER_JOB = "RSWEEP_OWNER_JOB"
"""Environment variable: the SLURM job that the owner belongs to, or nothing."""
IDLE = "RSWEEP_WORKER_IDLE_S"
"""Environment variable: seconds that a worker waits for the next cell; 0 is to do without one."""
IDLE_S = 300.0
START_S = 60.0
"""A worker listens before it imports torch, so one that does not by then never will."""
POLL_S = 0.05
STOPPED_S = 30.0
"""How long a worker may be stopped before it is ended."""
STOPPED_POLL_S = 2.0
MAX_SOCKET_PATH = 100  # the kernel's limit is 107 bytes
GPU_FOLDER = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Place:
    """Where a cell runs: a device, or so many cores, that no other job of this process has.

    Attributes:
        number: counts from 0.
        gpu: what CUDA_VISIBLE_DEVICES is to be, or None without a GPU.
        folder: private folder of the Snakemake process.
    """

    number: int
    gpu: str | None
    folder: Path

    @property
    def socket(self) -> Path:
        """Where its worker listens."""
        return self.folder / f"{self.number}.sock"

    def environment(self) -> dict[str, str]:
        """Environment of a process that is to see this place's device alone.

        OpenMP's threads are to sleep while they wait: by default they spin, and where other jobs
        want the cores a forward pass then takes many times as long.
        """
        device = {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": self.gpu}
        return {"OMP_WAIT_POLICY": "passive", **os.environ, **device}


def own_jobs(packed: bool = False) -> None:
    """Make this process the owner of the jobs that it starts, and so of their workers.

    The Snakefile calls it. A SLURM job runs each of its cells by a Snakemake process of its own,
    below the one that is the job's: there the owner is the job's.

    Args:
        packed: True within a cluster's job, whose cells may be tried again together.
    """
    if packed:
        os.environ[packs.PACKED] = "1"
    job = os.environ.get("SLURM_JOB_ID", "")
    if packed and job and os.environ.get(OWNER_JOB) == job:
        return
    os.environ[OWNER] = f"{os.getpid()}-{started(os.getpid())}"
    os.environ[OWNER_JOB] = job
    folder = runtime_folder(os.environ[OWNER])
    atexit.register(_forget, os.getpid(), folder)
    if packed and job:
        with suppress(OSError):
            listen(_private(folder))


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
    return folder if len(str(folder)) < MAX_SOCKET_PATH - 12 else Path("/tmp") / name


def run_cell(snakemake: Any) -> None:
    """Run the job of the inference rule, unless an earlier attempt at its pack has made its file.

    Raises:
        SystemExit: the cell failed; its log says why.
    """
    output = Path(snakemake.output[0])
    if packs.is_done(output):
        return
    try:
        _make(snakemake)
    except (Exception, SystemExit):
        packs.note_failure(output)
        raise
    packs.note_success(output)


def _make(snakemake: Any) -> None:
    """Run a cell in a worker if there can be one, and else here."""
    owner = os.environ.get(OWNER, "")
    if not owner:
        return _run_here(snakemake)
    try:
        folder = _private(runtime_folder(owner))
    except OSError as error:
        print(f"no worker: {error}", file=sys.stderr)
        return _run_here(snakemake)
    with take_place(folder, snakemake.threads) as place:
        answer = _ask(place, owner, _request(snakemake)) if idle_seconds() > 0 else None
        if answer is None:
            os.environ.update(place.environment())
            return _run_here(snakemake)
    if answer["error"]:
        sys.exit(1)  # the worker has written why to the cell's log
    return None


def _run_here(snakemake: Any) -> None:
    from rsweep.jobs.script import run_script

    run_script(snakemake)


def idle_seconds() -> float:
    """How long a worker waits for the next cell."""
    return float(os.environ.get(IDLE, IDLE_S))


def _request(snakemake: Any) -> dict[str, Any]:
    return {
        "plan": str(plan_folder(snakemake.config)),
        "key": snakemake.wildcards.key,
        "shard": snakemake.wildcards.shard,
        "threads": snakemake.threads,
        "memory_mb": snakemake.resources.get("mem_mb", 0),
        "log": os.path.abspath(snakemake.log[0]),
    }


def _private(folder: Path) -> Path:
    """Make a folder that only this user can enter; refuse one that somebody else has made."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a private folder of this user")
    return folder


def visible_gpus() -> list[str]:
    """GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; asks no driver."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    return [str(i) for i in range(len(list(GPU_FOLDER.glob("*"))))]


def available_cores() -> int:
    """Cores that this process may use, which a cluster's scheduler may have narrowed."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def take_place(folder: Path, threads: int) -> Iterator[Place]:
    """Wait for a free GPU, or for `threads` free cores, and hold it for the block.

    A lock on a file is let go by the kernel however its process ends.
    """
    gpus: Sequence[str | None] = visible_gpus() or [None] * max(1, available_cores() // threads)
    places = [Place(number, gpu, folder) for number, gpu in enumerate(gpus)]
    while True:
        for place in places:
            with (folder / f"{place.number}.lock").open("w") as file:
                if _lock(file):
                    yield place
                    return
        time.sleep(POLL_S)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ask(place: Place, owner: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """A worker's answer; None if there is no worker, or it died of this cell or beside it."""
    for _attempt in range(2):  # a worker may be ending just as it is found
        worker = _connect(place) or _start(place, owner)
        if worker is None:
            return None
        with worker, _ended_if_stopped(worker), suppress(OSError, ValueError):
            stream = worker.makefile("rw", encoding="utf-8")
            send(stream, request)
            if not receive(stream):
                continue
            answer = receive(stream)
            if not answer or answer.get("declined"):
                reason = answer.get("declined", "it died")
                print(f"no worker: {reason}; running this cell without it", file=sys.stderr)
                return None
            return answer
    return None


@contextmanager
def _ended_if_stopped(worker: socket.socket) -> Iterator[None]:
    """End a worker that is stopped (a job that is suspended, say) while its answer is waited for.

    It would hold the cell for ever; ended, it leaves the cell to its client.
    """
    done = threading.Event()
    pid = _peer(worker)

    def watch() -> None:
        import psutil

        since = None
        while not done.wait(STOPPED_POLL_S):
            try:
                stopped = psutil.Process(pid).status() == psutil.STATUS_STOPPED
            except psutil.Error:
                return
            since = (since or time.monotonic()) if stopped else None
            if since and time.monotonic() - since >= STOPPED_S:
                print("no worker: it was stopped and is ended", file=sys.stderr)
                os.kill(pid, signal.SIGKILL)
                return

    if pid:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _peer(worker: socket.socket) -> int:
    """The process at the other end of a socket; 0 where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    credentials = worker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], sys.byteorder)


def _connect(place: Place) -> socket.socket | None:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.connect(str(place.socket))
    except OSError:
        found.close()
        return None
    return found


def _start(place: Place, owner: str) -> socket.socket | None:
    """Start the place's worker, which nobody else does while this process holds the place."""
    output = place.folder / f"{place.number}.log"
    environment = place.environment()
    source = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join([source, environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "rsweep.jobs.worker", str(place.socket), owner]
    request = {"command": command, "environment": environment, "output": str(output)}
    try:
        worker = launch(place.folder, request)
    except OSError as error:
        print(f"no worker: {error}", file=sys.stderr)
        return None
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and started(worker):
        if found := _connect(place):
            return found
        time.sleep(POLL_S)
    if started(worker):
        os.kill(worker, signal.SIGKILL)
    print(f"no worker: it did not start: {output.read_text()[-2000:]}", file=sys.stderr)
    return None
