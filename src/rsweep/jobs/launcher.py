"""Starting workers from the process that owns them, and not from the clients that ask for them.

So a worker outlives the job that asked for it: Snakemake may wait for what a job leaves behind, and
SLURM ends what a step leaves running.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rsweep.jobs.client import LAUNCHER
from rsweep.jobs.messages import Peer
from rsweep.jobs.places import OWNER

START_S = 60.0
"""A worker listens before it imports much, so one that does not by then never will."""
POLL_S = 0.01
SOURCE = str(Path(__file__).parents[2])


def listen(folder: Path) -> None:
    """Start workers for whoever can enter a private folder, until this process ends.

    Raises:
        OSError: the folder is none that can be listened in.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(folder / LAUNCHER))
    server.listen()
    threading.Thread(target=_serve, args=(server,), daemon=True).start()


def _serve(server: socket.socket) -> None:
    while True:
        client, _ = server.accept()
        threading.Thread(target=_answer, args=(client,), daemon=True).start()


def _answer(client: socket.socket) -> None:
    with client, suppress(OSError, ValueError, KeyError):
        peer = Peer(client)
        if request := peer.receive():
            peer.send({"error": start(request)})


def start(request: Mapping[str, Any]) -> str:
    """Start a worker and wait until it listens; what went wrong, or nothing."""
    path, log = Path(request["socket"]), Path(request["log"])
    environment = dict(request["environment"])
    environment["PYTHONPATH"] = os.pathsep.join(
        [SOURCE, *filter(None, [environment.get("PYTHONPATH")])]
    )
    command = [request["python"], "-m", "rsweep.jobs.worker", str(path), os.environ[OWNER]]
    try:
        path.unlink(missing_ok=True)  # of a worker that has ended
        with log.open("wb") as output:
            worker = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        return str(error)
    threading.Thread(target=worker.wait, daemon=True).start()  # so that it leaves no zombie
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and worker.poll() is None:
        if path.exists():
            return ""
        time.sleep(POLL_S)
    worker.kill()
    return f"it did not start: {log.read_text(errors='replace')[-2000:]}"
