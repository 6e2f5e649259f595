"""What clients, workers and launchers say to each other: a line of JSON each."""

from __future__ import annotations

import json
import socket

TYPE_CHECKING = False  # clients import this module, and typing takes longer than they may
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CHUNK = 1 << 16


def connect(path: str) -> socket.socket | None:
    """A connection to whoever listens at a path; None if nobody does."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.connect(path)
    except OSError:
        found.close()
        return None
    return found


class Peer:
    """The other end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self._rest = connection, b""

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message."""
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """The next message; empty if the other side has gone.

        Raises:
            TimeoutError: none has come within the connection's timeout; ask again.
            ValueError: what came is no message.
        """
        while b"\n" not in self._rest:
            chunk = self.connection.recv(CHUNK)
            if not chunk:
                return {}
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        found = json.loads(line)
        return found if isinstance(found, dict) else {}
