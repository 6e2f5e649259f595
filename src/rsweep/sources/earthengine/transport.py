"""How the ee client sends a request: with a deadline, and counting what it receives."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import httplib2  # type: ignore[import-untyped]
import requests
from requests.adapters import HTTPAdapter

from rsweep.sources.http import SENT_PAGE, is_page, within

CONNECT_S = 30.0
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
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **_httplib2: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """One HTTP request, as `httplib2.Http.request` answers it.

        Raises:
            ConnectionError: it could not be sent, or the answer broke off.
            TimeoutError: it took longer than the deadline.
        """

        def send(keep: Any) -> tuple[requests.Response, bytes, int]:
            response = self._session.request(
                method,
                uri,
                data=body,
                headers=headers,
                stream=True,
                timeout=(min(CONNECT_S, self._deadline_s), self._deadline_s),
            )
            keep(response)
            with response:
                content = response.content
            return response, content, int(response.raw.tell())

        try:
            response, content, received = within(self._deadline_s, send)
        except (TimeoutError, requests.exceptions.Timeout) as error:
            raise TimeoutError(f"no whole answer within {self._deadline_s:g} s") from error
        except requests.exceptions.RequestException as error:
            raise ConnectionError(f"the connection failed: {error}") from error
        self._local.received = self.take_received() + received
        if response.ok and is_page(response.headers.get("content-type"), content):
            raise ConnectionError(f"it {SENT_PAGE}")
        return httplib2.Response({**response.headers, "status": response.status_code}), content

    def take_received(self) -> int:
        """Bytes that this thread has received since it last asked."""
        received, self._local.received = getattr(self._local, "received", 0), 0
        return int(received)
