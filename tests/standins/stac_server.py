"""A STAC API on the loopback interface: search with paging, files with byte ranges, and faults.

A stand-in for tests and benchmarks. It answers what pystac-client, GDAL and the signing of the
Planetary Computer ask, over HTTP/1.1, and keeps a record of it:

    with StacServer(folder, items) as server:
        server.faults.append(Fault(r"/bad\\.tif", status=503, times=2))
        ...  # server.url, server.requests

In the items' hrefs "@BASE@" stands for the server's own address.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

CONFORMANCE = [
    f"https://api.stacspec.org/v1.0.0/{part}"
    for part in ("core", "item-search", "item-search#query", "collections", "ogcapi-features")
]
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gte": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "in": lambda a, b: a in b,
}


class Request(NamedTuple):
    """One request: the path has its query."""

    method: str
    path: str
    range: str | None
    status: int
    authorization: str = ""


@dataclass
class Fault:
    """Something that goes wrong with the requests whose path matches.

    Attributes:
        match: regular expression that is searched in the path.
        status: answer this status instead; 0 closes the connection without an answer.
        delay_s: wait before the answer.
        times: how many requests it hits; None for all.
    """

    match: str
    status: int | None = None
    delay_s: float = 0.0
    times: int | None = None


@dataclass
class StacServer:
    """The server; runs from `__enter__` to `__exit__`.

    Attributes:
        root: folder of the files that it serves.
        items: STAC items as dictionaries.
        page: items per page at most, whatever a client asks for.
        signed: regular expression of paths that need the token; none if empty.
        token_life_s: life of the tokens that it gives.
        faults, requests: what to do wrong, and what was asked.
    """

    root: Path
    items: list[dict[str, Any]] = field(default_factory=list)
    page: int = 2
    signed: str = ""
    token_life_s: float = 3600.0
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    tokens: int = 0

    def __enter__(self) -> StacServer:
        handler = type("Handler", (_Handler,), {"stac": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address of the landing page, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fault(self, path: str) -> Fault | None:
        """The first fault that hits a path, counted."""
        with self._lock:
            for fault in self.faults:
                if re.search(fault.match, path) and fault.times != 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None

    def record(self, request: Request) -> None:
        """Remember a request."""
        with self._lock:
            self.requests.append(request)

    def search(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """One page of items, newest first as the public services have them."""
        found = [item for item in self.items if _matches(item, query)]
        found.sort(key=lambda item: str(item["properties"]["datetime"]), reverse=True)
        start, size = int(query.get("token", 0)), min(int(query.get("limit", 10)), self.page)
        links = []
        if start + size < len(found):
            body = {**query, "token": str(start + size)}
            links.append(
                {"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": body}
            )
        page = json.dumps(found[start : start + size]).replace("@BASE@", self.url)
        return {"type": "FeatureCollection", "features": json.loads(page), "links": links}

    def landing(self) -> dict[str, Any]:
        """The landing page."""
        links = [{"rel": rel, "href": f"{self.url}/"} for rel in ("self", "root")]
        links += [
            {
                "rel": "search",
                "href": f"{self.url}/search",
                "method": method,
                "type": "application/geo+json",
            }
            for method in ("GET", "POST")
        ]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "loopback",
            "description": "stand-in",
            "conformsTo": CONFORMANCE,
            "links": links,
        }

    def token(self) -> dict[str, Any]:
        """A new token, as the Planetary Computer's token service gives them."""
        with self._lock:
            self.tokens += 1
        expiry = time.gmtime(time.time() + self.token_life_s)
        return {
            "msft:expiry": time.strftime("%Y-%m-%dT%H:%M:%SZ", expiry),
            "token": f"sig=token{self.tokens}",
        }


def _matches(item: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    if query.get("collections") and item["collection"] not in query["collections"]:
        return False
    if query.get("ids") and item["id"] not in query["ids"]:
        return False
    if query.get("bbox"):
        west, south, east, north = query["bbox"]
        left, bottom, right, top = item["bbox"]
        if not (left <= east and west <= right and bottom <= north and south <= top):
            return False
    properties = item["properties"]
    if query.get("datetime"):
        start, _, end = query["datetime"].partition("/")
        if not start <= properties["datetime"] <= (end or start):
            return False
    return all(
        _COMPARE[operator](properties.get(name), value)
        for name, tests in (query.get("query") or {}).items()
        for operator, value in tests.items()
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet about clients that hang up, as GDAL does when it has read enough."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stac: StacServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: `StacServer.requests` is the record."""

    def do_HEAD(self) -> None:
        self._answer(self._file)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/":
            self._answer(lambda: self._json(self.stac.landing()))
        elif path.startswith("/token/"):
            self._answer(lambda: self._json(self.stac.token()))
        else:
            self._answer(self._file)

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(lambda: self._json(self.stac.search(query)))

    def _answer(self, answer: Callable[[], None]) -> None:
        fault = self.stac.fault(self.path)
        if fault is not None:
            time.sleep(fault.delay_s)
            if fault.status == 0:
                self._note(0)
                self.close_connection = True
                return
            if fault.status is not None:
                self._json({"code": fault.status}, fault.status)
                return
        answer()

    def _note(self, status: int) -> None:
        path = self.path
        asked = self.headers.get("Range"), status, self.headers.get("Authorization", "")
        self.stac.record(Request(self.command, path, *asked))

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._note(status)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, data: Any, status: int = 200) -> None:
        self._send(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _file(self) -> None:
        parts = urlsplit(self.path)
        signature = parse_qs(parts.query).get("sig", [""])[0]
        if self.stac.signed and re.search(self.stac.signed, parts.path) and not signature:
            self._json({"code": "NoSignature"}, 403)
            return
        path = self.stac.root / unquote(parts.path).lstrip("/")
        if not path.is_file():
            self._json({"code": "NotFound"}, 404)
            return
        data = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{path.stat().st_mtime_ns}"'}
        if not asked:
            self._send(200, data, headers)
            return
        first = int(asked[1])
        last = min(int(asked[2] or len(data)), len(data) - 1)
        if first >= len(data):
            self._send(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self._send(206, data[first : last + 1], headers)
