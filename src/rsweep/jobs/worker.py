"""A process that keeps networks loaded and runs the cells that clients (`client.py`) send it.

It serves one device, one cell at a time, in its main thread. It ends when the Snakemake process
that owns the cells has gone, when nothing has come for a while, and when a client has gone in the
middle of its cell (which was then killed, and is not to go on by itself).
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rsweep.core.errors import CorruptError, RsweepError
from rsweep.jobs.client import idle_seconds, runtime_folder, started
from rsweep.jobs.messages import receive, send

if TYPE_CHECKING:
    from rsweep.stages.infer.networks import Networks

OWNER_POLL_S = 0.5
GRACE_S = 5.0
"""Given to a cell to clean up after itself before the process is ended over it."""

log = logging.getLogger("rsweep")


class NoPlanError(Exception):
    """A cell of which the plan that its client names says nothing."""


def main(arguments: list[str]) -> None:
    """Serve at a socket until it is time to end: `worker.py SOCKET OWNER`."""
    path, owner = Path(arguments[0]), arguments[1]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    # A worker of the past may have left its socket; the client that started this one saw it dead.
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        threading.Thread(target=_watch_owner, args=(owner,), daemon=True).start()
        _serve(server)


def _watch_owner(owner: str) -> None:
    pid, began = map(int, owner.split("-"))
    while abs(started(pid) - began) < 1000:  # the clock may be set a little meanwhile
        time.sleep(OWNER_POLL_S)
    # An owner that was killed has not done it itself.
    shutil.rmtree(runtime_folder(owner), ignore_errors=True)
    _end()


def _end() -> None:
    """End the process from a thread: let the cell remove its temporary file, if it will."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_S)
    os._exit(1)


def _serve(server: socket.socket) -> None:
    server.settimeout(idle_seconds())
    # torch is imported once somebody waits for it, and not before the socket is there.
    from rsweep.stages.infer.networks import Networks

    networks = Networks()
    while True:
        try:
            client, _ = server.accept()
        except TimeoutError:
            return
        with client, suppress(BrokenPipeError, ConnectionResetError):
            client.settimeout(None)
            if not _same_user(client):
                continue
            stream = client.makefile("rw", encoding="utf-8")
            if request := receive(stream):
                send(stream, {"accepted": True})
                with _watching(client):
                    answer = _run(request, networks)
                send(stream, answer)


def _same_user(client: socket.socket) -> bool:
    """The folder is private already; this says so where its mode is not kept."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder) == os.getuid()


@contextmanager
def _watching(client: socket.socket) -> Iterator[None]:
    """End the process if a client goes while its cell runs."""
    done = threading.Event()

    def watch() -> None:
        client_gone = b""
        while not done.is_set():
            with suppress(BlockingIOError):
                if client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == client_gone:
                    _end()
            done.wait(OWNER_POLL_S)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def _run(request: dict[str, Any], networks: Networks) -> dict[str, Any]:
    """Run a cell; what went wrong goes to its own log and back to its own client."""
    _start_log(request["log"])
    _reset_peak_memory()
    networks.limit_mb(request["memory_mb"])
    try:
        _run_cell(request, networks)
    except NoPlanError as error:
        return {"error": "", "declined": str(error)}
    except RsweepError as error:
        log.error(str(error))
        return {"error": f"{type(error).__name__}: {error}"}
    except Exception as error:
        log.exception(str(error))
        networks.clear()  # one that failed is not to be trusted, and memory may have run out
        return {"error": traceback.format_exc()}
    return {"error": ""}


def _run_cell(request: dict[str, Any], networks: Networks) -> None:
    from rsweep.jobs.runner import run_job
    from rsweep.jobs.script import open_job

    try:
        job = open_job(Path(request["plan"]), request["key"], request["shard"], request["threads"])
    except CorruptError as error:
        raise NoPlanError(str(error)) from error
    job.networks = networks
    run_job(job)


def _start_log(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.captureWarnings(True)
    logging.basicConfig(filename=path, level=logging.INFO, force=True,
                        format="%(asctime)s %(levelname)s %(message)s")  # fmt: skip


def _reset_peak_memory() -> None:
    """Let the peak that a cell's record states be its own; Linux alone can forget a peak."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _flush(stream: IO[str]) -> None:
    with suppress(OSError):
        stream.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(sys.argv[1:])
    logging.shutdown()
    _flush(sys.stderr)
    # The interpreter's own end waits for threads and unloads CUDA, which nobody needs any more.
    os._exit(0)
