"""The thin end of a job: has a worker run a rule's script, and waits.

Importing what a script needs, and loading weights, takes longer than most jobs. So the first job of
a Snakemake process has it start a worker (`worker.py`), and the jobs after it are clients: they
import next to nothing, send their script's name and arguments over a unix socket, and wait.
Snakemake sees ordinary jobs. Whatever goes wrong with the worker, a client becomes a process that
runs its script itself.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from rsweep.jobs.messages import Peer, connect
from rsweep.jobs.places import FOLDER, Place, is_private, take_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

IDLE = "RSWEEP_WORKER_IDLE_S"
"""Environment variable: seconds that a worker waits for the next job; 0 is to do without one."""
IDLE_S = 300.0
STOPPED_S = 30.0
"""How long a worker may be stopped before it is ended."""
STOPPED_POLL_S = 2.0
LAUNCHER = "launcher.sock"
"""In the owner's folder: where it starts workers for its jobs."""
ON_A_DEVICE = ("infer",)
"""Scripts that run on a GPU where there is one."""
SCRIPTS = os.path.join(os.path.dirname(__file__), "../../../scripts")


def main(arguments: Sequence[str]) -> None:
    """Run a rule's script: `run.py LOG THREADS SCRIPT [ARGUMENT…]`.

    Raises:
        SystemExit: the script failed; its log says why.
    """
    log, threads, script, *rest = arguments
    folder = os.environ.get(FOLDER, "")
    request = {
        "log": os.path.abspath(log),
        "threads": int(threads),
        "folder": os.getcwd(),
        "script": os.path.abspath(f"{SCRIPTS}/{script}.py"),
        "arguments": rest,
        "environment": {name: os.environ.get(name, "") for name in TOLD},
    }
    if not is_private(folder):
        if folder:
            _say(f"{folder} is not a private folder of this user")
        run_alone(request, dict(os.environ))
    place = take_place(folder, int(threads), script in ON_A_DEVICE)
    answer = _ask(place, request) if idle_seconds() > 0 else None
    if answer is None:
        os.set_inheritable(place.lock.fileno(), True)
        run_alone(request, place.environment())
    if answer["error"]:
        sys.exit(1)  # the worker has written why to the job's log


TOLD = ("RSWEEP_PLAN", "RSWEEP_CONFIG")
"""Environment variables of a job that say which study it is of."""


def run_alone(request: dict[str, Any], environment: dict[str, str]) -> NoReturn:
    """Become a process that runs the script by itself."""
    source = os.path.abspath(f"{SCRIPTS}/../src")
    environment["PYTHONPATH"] = os.pathsep.join(
        [source, *filter(None, [environment.get("PYTHONPATH")])]
    )
    command = [sys.executable, "-m", "rsweep.jobs.alone", request["log"], request["script"]]
    os.execve(sys.executable, [*command, *request["arguments"]], environment)


def idle_seconds() -> float:
    """How long a worker waits for the next job."""
    return float(os.environ.get(IDLE) or IDLE_S)


def _say(reason: object) -> None:
    print(f"no worker: {reason}; running this job without it", file=sys.stderr)


def _ask(place: Place, request: dict[str, Any]) -> dict[str, Any] | None:
    """A worker's answer; None if there is no worker, or it died of this job or beside it."""
    for _attempt in range(2):  # a worker may be ending just as it is found
        worker = connect(place.socket) or _start(place)
        if worker is None:
            return None
        with worker:
            peer = Peer(worker)
            if not _said(peer, request):
                continue
            answer = _said(peer)
        if "error" not in answer:
            _say("it died")
            return None
        return answer
    return None


def _said(peer: Peer, request: dict[str, Any] | None = None) -> dict[str, Any]:
    """The worker's next message, after a request if there is one; nothing if it has gone."""
    try:
        if request:
            peer.send(request)
        return _wait(peer)
    except (OSError, ValueError):
        return {}


def _wait(peer: Peer) -> dict[str, Any]:
    """The next message, or nothing from a worker that has gone.

    One that is stopped (a job that is suspended, say) is ended: it would hold its job for ever.
    """
    peer.connection.settimeout(STOPPED_POLL_S)
    pid, since = _process(peer.connection), 0.0
    while True:
        try:
            return peer.receive()
        except TimeoutError:
            now = time.monotonic()
            since = (since or now) if _is_stopped(pid) else 0.0
        if since and now - since >= STOPPED_S:
            os.kill(pid, signal.SIGKILL)
            print("a worker that was stopped is ended", file=sys.stderr)
            since = 0.0


def _process(connection: socket.socket) -> int:
    """The process at the other end of a socket; 0 where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], sys.byteorder)


def _is_stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "Tt"
    except OSError:
        return False


def _start(place: Place) -> socket.socket | None:
    """Have the owner start the place's worker: nobody else does while this process holds it."""
    owner = connect(f"{place.folder}/{LAUNCHER}")
    if owner is None:
        _say("the Snakemake process that owns this job cannot be asked for one")
        return None
    with owner:
        peer = Peer(owner)
        try:
            peer.send(
                {
                    "python": sys.executable,
                    "socket": place.socket,
                    "log": place.log,
                    "environment": place.environment(),
                }
            )
            error = peer.receive().get("error", "its owner has gone")
        except (OSError, ValueError) as failed:
            error = str(failed)
    if error:
        _say(error)
    return None if error else connect(place.socket)
