"""A process that runs the scripts of rules for clients (`client.py`), one at a time.

What it has imported and loaded for one job is there for the next. It serves one device or some
cores. It ends when the Snakemake process that owns the jobs has gone, when nothing has come for a
while, and when a client has gone in the middle of its job (which was then killed, and is not to go
on by itself).
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from rsweep.core.errors import RsweepError
from rsweep.jobs import resident
from rsweep.jobs.alone import run_script
from rsweep.jobs.client import idle_seconds
from rsweep.jobs.messages import Peer
from rsweep.jobs.owner import started

OWNER_POLL_S = 0.5
REQUEST_S = 5.0
"""How long a client may take to say what it wants; others wait meanwhile."""
GRACE_S = 5.0
"""Given to a job to clean up after itself before the process is ended over it."""

log = logging.getLogger("rsweep")


def main(arguments: list[str]) -> None:
    """Serve at a socket until it is time to end: `worker.py SOCKET OWNER`."""
    path, owner = Path(arguments[0]), arguments[1]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    resident.keep()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        _listen(server, path)
        threading.Thread(target=_watch_owner, args=(owner, path.parent), daemon=True).start()
        _serve(server)


def _listen(server: socket.socket, path: Path) -> None:
    """Listen at a path, where nothing is to be seen before somebody listens."""
    hidden = path.with_suffix(f".{os.getpid()}")
    server.bind(str(hidden))
    server.listen()
    hidden.rename(path)


def _watch_owner(owner: str, folder: Path) -> None:
    pid, began = map(int, owner.split("-"))
    while abs(started(pid) - began) < 1000:  # the clock may be set a little meanwhile
        time.sleep(OWNER_POLL_S)
    shutil.rmtree(folder, ignore_errors=True)  # an owner that was killed has not done it itself
    _end()


def _end() -> None:
    """End the process from a thread: let the job remove its temporary file, if it will."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_S)
    os._exit(1)


def _serve(server: socket.socket) -> None:
    server.settimeout(idle_seconds())
    while True:
        try:
            client, _ = server.accept()
        except TimeoutError:
            return
        with client, suppress(BrokenPipeError, ConnectionResetError):
            if _same_user(client):
                _answer(client)


def _answer(client: socket.socket) -> None:
    peer = Peer(client)
    client.settimeout(REQUEST_S)
    try:
        request = peer.receive()
    except (ValueError, TimeoutError) as error:
        log.warning("no request: %s", error)
        return
    client.settimeout(None)
    if request:
        peer.send({"accepted": True})
        with _watching(client):
            failure = _run(request)
        peer.send({"error": failure})


def _same_user(client: socket.socket) -> bool:
    """The folder is private already; this says so where its mode is not kept."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder) == os.getuid()


@contextmanager
def _watching(client: socket.socket) -> Iterator[None]:
    """End the process if a client goes while its job runs."""
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


def _run(request: Mapping[str, Any]) -> str:
    """Run a job; what went wrong, or nothing: to its own client, and to its own log."""
    try:
        _prepare(request)
        run_script(request["script"], request["arguments"])
    except RsweepError as error:
        log.error(str(error))
        return f"{type(error).__name__}: {error}"
    except SystemExit as error:
        if error.code not in (None, 0):
            log.error(str(error.code))
            return str(error.code)
    except Exception as error:
        log.exception(str(error))
        resident.forget()
        return traceback.format_exc()
    return ""


def _prepare(request: Mapping[str, Any]) -> None:
    """Make this process one of the job's: its log, its folder, its study, its own peak memory."""
    _start_log(request["log"])
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    with suppress(OSError):  # Linux alone can forget a peak
        Path("/proc/self/clear_refs").write_text("5")


def _start_log(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.captureWarnings(True)
    logging.basicConfig(
        filename=path,
        level=logging.INFO,
        force=True,
        format="%(asctime)s %(levelname)s %(message)s",
    )


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
