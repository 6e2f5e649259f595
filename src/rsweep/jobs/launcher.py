"""Starting workers from the process that owns them, and not from the clients that ask for them.

Within a SLURM job every cell is a step of its own, and SLURM ends what a step leaves running. So
the Snakemake process of the job listens, in a thread, and starts workers beside the steps.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from rsweep.jobs.messages import receive, send

NAME = "launcher.sock"


def listen(folder: Path) -> None:
    """Start workers for whoever can enter a private folder, until this process ends."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(folder / NAME))
    server.listen()
    threading.Thread(target=_serve, args=(server,), daemon=True).start()


def _serve(server: socket.socket) -> None:
    started: list[subprocess.Popen[bytes]] = []
    while True:
        client, _ = server.accept()
        with client, suppress(OSError, ValueError), client.makefile("rw") as stream:
            started = [process for process in started if process.poll() is None]
            if request := receive(stream):
                started.append(spawn(request))
                send(stream, {"pid": started[-1].pid})


def spawn(request: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a command with its environment and a file for what it prints."""
    output: IO[bytes]
    with Path(request["output"]).open("wb") as output:
        return subprocess.Popen(
            request["command"], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=request["environment"], start_new_session=True,
        )  # fmt: skip


def launch(folder: Path, request: dict[str, Any]) -> int:
    """Start a command by the owner of a folder if it listens, and else from here: its process id.

    Raises:
        OSError: it cannot be started.
    """
    if not (folder / NAME).exists():
        return spawn(request).pid
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as owner:
        owner.connect(str(folder / NAME))
        with owner.makefile("rw") as stream:
            send(stream, request)
            answer = receive(stream)
    if not answer:
        raise OSError("the owner of the jobs could not start it")
    return int(answer["pid"])
