"""What clients, workers and launchers say to each other: a line of JSON each."""

from __future__ import annotations

import json
from typing import IO, Any


def send(stream: IO[str], message: dict[str, Any]) -> None:
    """Send one message."""
    stream.write(json.dumps(message, default=str) + "\n")  # a study file may hold dates
    stream.flush()


def receive(stream: IO[str]) -> dict[str, Any]:
    """The next message; empty if the other side has gone."""
    line = stream.readline()
    found = json.loads(line) if line.endswith("\n") else {}
    return found if isinstance(found, dict) else {}
