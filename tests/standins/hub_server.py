"""A model hub and a plain file server on the loopback interface, with faults.

A stand-in for tests. It answers what huggingface_hub asks of a hub (resolve with the headers that
name commit and content), serves plain files under /files/, and keeps a record of what was asked:

    with HubServer() as hub:
        hub.repositories["org/name"] = {"model.safetensors": data}
        hub.faults.append(Fault(cut_after=1000, times=1))
        ...  # hub.url, hub.requests
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
"""The one commit that every repository has; its branch is main."""


class Request(NamedTuple):
    """One request, and how many bytes of body its answer had."""

    method: str
    path: str
    range: str | None
    status: int
    sent: int


@dataclass
class Fault:
    """Something that goes wrong with downloads (GET).

    Attributes:
        cut_after: close the connection after so many bytes of body.
        status: answer this status instead.
        ignore_range: answer 200 with everything whatever range is asked.
        times: how many requests it hits.
    """

    cut_after: int | None = None
    status: int | None = None
    ignore_range: bool = False
    times: int = 1_000_000


@dataclass
class HubServer:
    """The server; runs from `__enter__` to `__exit__`.

    Attributes:
        repositories: id -> file -> content; a repository in `gated` wants the `token`.
        files: name -> content, under /files/.
        faults, requests: what to do wrong, and what was asked.
    """

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    token: str = "hf_secret"
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> HubServer:
        hub = self

        class Bound(_Handler):
            server_of = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def downloads(self) -> list[Request]:
        """The requests for content, in order."""
        return [r for r in self.requests if r.method == "GET" and r.status in (200, 206)]

    def fault(self) -> Fault | None:
        """The fault that hits the request at hand, counted down."""
        for fault in self.faults:
            if fault.times > 0:
                fault.times -= 1
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: HubServer

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._respond(body=False)

    def do_GET(self) -> None:
        self._respond(body=True)

    def _respond(self, *, body: bool) -> None:
        hub, path = self.server_of, unquote(urlsplit(self.path).path)
        status, headers, content = self._find(path)
        fault = hub.fault() if body and status == 200 else None
        if fault and fault.status:
            status, content = fault.status, b""
        span = self.headers.get("Range")
        if span and status == 200 and body and not (fault and fault.ignore_range):
            status, headers, content = self._slice(span, headers, content)
        shown = content[: fault.cut_after] if fault and fault.cut_after is not None else content
        hub.requests.append(Request(self.command, path, span, status, len(shown) if body else 0))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(shown)
        if len(shown) < len(content):
            self.close_connection = True

    def _find(self, path: str) -> tuple[int, dict[str, str], bytes]:
        hub, parts = self.server_of, path.strip("/").split("/")
        if parts[0] == "files":
            found = hub.files.get("/".join(parts[1:]))
            return (404, {}, b"") if found is None else (200, {}, found)
        repository = "/".join(parts[:2])
        if repository in hub.gated and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return 401, {"X-Error-Code": "GatedRepo"}, b""
        if repository not in hub.repositories or parts[2:3] != ["resolve"]:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if parts[3] not in ("main", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        found = hub.repositories[repository].get("/".join(parts[4:]))
        if found is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        etag = hashlib.sha256(found).hexdigest()
        return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}, found

    def _slice(
        self, span: str, headers: dict[str, str], content: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        start = int(span.removeprefix("bytes=").partition("-")[0])
        total = len(content)
        if start >= total:
            return 416, {**headers, "Content-Range": f"bytes */{total}"}, b""
        return (
            206,
            {**headers, "Content-Range": f"bytes {start}-{total - 1}/{total}"},
            content[start:],
        )
