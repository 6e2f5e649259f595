"""How the ee client sends a request: with a deadline, and counting what it receives."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import httplib2  # type: ignore[import-untyped]
import requests
from requests.adapters import HTTPAdapter

CONNECT_S = 30.0
CHUNK = 1 << 20
CONNECTIONS = 64


class Transport:
    """What ee.Initialize takes as `http_transport`.

    The ee client's default sends without a time-out; its `setDeadline` limits the wait for the
    next packet, so that a server that trickles holds a job for ever. Here the deadline is for
    the whole answer.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._local = threading.local()
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))

    def request(
        self, uri: str, method: str = "GET", body: Any = None,
        headers: Mapping[str, str] | None = None, **_httplib2: Any,
    ) -> tuple[httplib2.Response, bytes]:  # fmt: skip
        """One HTTP request, as `httplib2.Http.request` answers it.

        Raises:
            ConnectionError: it could not be sent, or the answer broke off.
            TimeoutError: it took longer than the deadline.
        """
        due = time.monotonic() + self._deadline_s
        try:
            with self._session.request(
                method, uri, data=body, headers=headers, stream=True,
                timeout=(min(CONNECT_S, self._deadline_s), self._deadline_s),
            ) as response:  # fmt: skip
                content = self._content(response, due)
        except requests.exceptions.Timeout as error:
            raise TimeoutError(f"no answer within {self._deadline_s:g} s") from error
        except requests.exceptions.RequestException as error:
            raise ConnectionError(f"the connection failed: {error}") from error
        self._local.received = self.take_received() + int(response.raw.tell())
        return httplib2.Response({**response.headers, "status": response.status_code}), content

    def take_received(self) -> int:
        """Bytes that this thread has received since it last asked."""
        received, self._local.received = getattr(self._local, "received", 0), 0
        return int(received)

    def _content(self, response: requests.Response, due: float) -> bytes:
        chunks = []
        for chunk in response.iter_content(CHUNK):
            chunks.append(chunk)
            if time.monotonic() > due:
                raise TimeoutError(f"the answer was not complete within {self._deadline_s:g} s")
        return b"".join(chunks)
