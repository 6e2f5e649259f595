"""HTTP: routes, the service's limits, faults, latency, and a log of requests."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.transform import Affine

from ee_server import filters, images, reducers  # noqa: F401 - they register algorithms
from ee_server.charges import Prices, asked_profiles, profile_text
from ee_server.describe import asset, describe
from ee_server.graph import Evaluator
from ee_server.store import Store
from ee_server.values import Grid, Image, Unsupported, UserError

EE_TESTS = Path(importlib.util.find_spec("ee").origin).parent / "tests"
MAX_BYTES, MAX_SIDE, MAX_BANDS = 48 * 2**20, 32768, 1024
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class HttpError(Exception):
    def __init__(self, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code, self.headers = code, {k.replace("_", "-"): v for k, v in headers.items()}


class StandIn:
    """The server and its switches.

    faults: [{"path": part of a path, "times": n, and one of
        "code": status (and "message", "retry_after"), "drop": no answer, "cut": half an answer,
        "delay": seconds}]; the first that fits is used up first.
    memory_pixels: requests of more pixels than this get "User memory limit exceeded."
    token: if set, the only bearer token that is accepted.
    latency_s: every answer takes this long more.
    masked_as: value of masked pixels in an answer.
    max_parallel: more requests than this at once get a 429.
    prices: what a computation costs, a `charges.Prices`; None: nothing is charged or told. It is
        told as the service does, by a profile that a header names. `charged` sums it by tag.
    silent: charged, and not told.
    """

    def __init__(self, root: str | Path, port: int = 0) -> None:
        self.store = Store(root)
        self.log: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.memory_pixels: int | None = None
        self.token: str | None = None
        self.latency_s = 0.0
        self.masked_as = 0.0
        self.max_parallel = 40
        self.busy, self.busiest = 0, 0
        self.prices: Prices | None = None
        self.silent = False
        self.charged: dict[str, float] = {}
        self.profiles: dict[str, float] = {}
        self.lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.standin = self
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def count(self, path: str = "compute", code: int | None = None) -> int:
        """Requests whose path has this part (and whose answer had this status)."""
        return sum(path in r["path"] and code in (None, r["code"]) for r in self.log)

    def charge(self, body: dict[str, Any], asked: bool) -> dict[str, str]:
        """Charge a computation; headers that name its profile where one was asked for."""
        if self.prices is None or "Profile.getProfiles" in json.dumps(body["expression"]):
            return {}
        cost, tag = self.prices.of(body), body.get("workloadTag", "")
        with self.lock:
            self.charged[tag] = self.charged.get(tag, 0.0) + cost
            name = f"profile-{len(self.profiles)}"
            self.profiles[name] = cost
        return {"X-Earth-Engine-Computation-Profile": name} if asked and not self.silent else {}

    def fault(self, path: str) -> dict[str, Any] | None:
        with self.lock:
            for fault in self.faults:
                if fault["path"] in path and fault["times"] > 0:
                    fault["times"] -= 1
                    return fault
        return None


def serve(root: str | Path, port: int = 0) -> StandIn:
    return StandIn(root, port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    standin: StandIn

    def handle_error(self, request, client_address) -> None:
        pass  # a client that hung up is what some tests are about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self._serve(json.loads(content or b"null"), len(content))

    def _serve(self, body: Any, sent: int = 0) -> None:
        at = self.server.standin
        path = self.path.split("?")[0]
        if path.startswith("/__"):
            return self._control(at, path, body)
        with at.lock:
            at.busy += 1
            at.busiest = max(at.busiest, at.busy)
            entry = {"path": path, "sent": sent, "received": 0, "code": 200}
            if isinstance(body, dict) and "grid" in body:
                entry["grid"] = body["grid"]
            if isinstance(body, dict) and "workloadTag" in body:
                entry["tag"] = body["workloadTag"]
            at.log.append(entry)
        try:
            self._answer(at, path, body, entry)
        finally:
            with at.lock:
                at.busy -= 1
        return None

    def _control(self, at: StandIn, path: str, body: Any) -> None:
        if path == "/__set":
            for name, value in body.items():
                setattr(at, name, Prices(**value) if name == "prices" else value)
        self._send(at.log if path == "/__log" else {})

    def _answer(self, at: StandIn, path: str, body: Any, entry: dict[str, Any]) -> None:
        fault = at.fault(path) or {}
        time.sleep(at.latency_s + fault.get("delay", 0))
        if "drop" in fault:
            entry["code"] = None
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        try:
            content, code, headers = _respond(self, at, path, body, fault), 200, {}
            if path.endswith(("value:compute", "image:computePixels")):
                asked = "X-Earth-Engine-Computation-Profiling" in self.headers
                headers = at.charge(body, asked)
        except HttpError as error:
            code, headers = error.code, error.headers
            content = _error(code, str(error))
        entry["code"] = code
        entry["received"] = self._send(content, code, headers, cut="cut" in fault)
        return None

    def _send(self, body: Any, code: int = 200, headers: dict | None = None, cut=False) -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if content[:1] == b"\x93" else "application/json"
        self.send_response(code)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": len(content),
            **(headers or {}),
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut
        return len(content)


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": STATUS.get(code, "UNKNOWN")}}


def _respond(handler: _Handler, at: StandIn, path: str, body: Any, fault: dict[str, Any]) -> Any:
    if "code" in fault:
        wait = {"retry_after": fault["retry_after"]} if "retry_after" in fault else {}
        raise HttpError(fault["code"], fault.get("message", "injected"), **wait)
    if at.busy > at.max_parallel:
        raise HttpError(429, "Too many concurrent requests.")
    if at.token and handler.headers.get("Authorization") != f"Bearer {at.token}":
        raise HttpError(401, "Request had invalid authentication credentials.")
    try:
        return _route(handler, at, path, body)
    except (Unsupported, UserError) as error:
        raise HttpError(400, str(error)) from error
    except HttpError:
        raise
    except Exception as error:  # a fault of the stand-in's own; a test should see it
        raise HttpError(501, f"{type(error).__name__}: {error}") from error


def _route(handler: _Handler, at: StandIn, path: str, body: Any) -> Any:
    if path == "/$discovery/rest":
        return _discovery(handler.headers["Host"])
    if path.endswith("/algorithms"):
        return (EE_TESTS / "algorithms.json").read_bytes()
    if path.endswith("/value:compute"):
        if names := asked_profiles(body["expression"]):
            return {"result": profile_text(sum(at.profiles[name] for name in names))}
        return {"result": describe(Evaluator(at.store, body["expression"]).run())}
    if path.endswith("/image:computePixels"):
        return compute_pixels(at, body)
    if match := re.match(r"/v1/projects/earthengine-public/assets/(.+)$", path):
        return asset(at.store.image(match[1]))
    raise HttpError(404, f"no such route: {path}")


def _discovery(host: str) -> dict[str, Any]:
    text = (EE_TESTS / "cloud_api_discovery_document.json").read_text()
    document = json.loads(text.replace("v1alpha", "v1"))
    return {**document, "rootUrl": f"http://{host}/", "baseUrl": f"http://{host}/"}


def compute_pixels(at: StandIn, body: dict[str, Any]) -> bytes:
    image = Evaluator(at.store, body["expression"]).run()
    if not isinstance(image, Image):
        raise HttpError(400, "Expression does not evaluate to an image.")
    bands = body.get("bandIds") or list(image.bands)
    for band in bands:
        if band not in image.bands:
            raise HttpError(400, f"Image.select: Band pattern '{band}' did not match any bands.")
    if body.get("fileFormat") != "NPY" or "dimensions" not in body.get("grid", {}):
        raise HttpError(400, "The stand-in serves NPY on explicit grids.")
    grid = _grid(body["grid"])
    _check_limits(at, image, bands, grid)
    pixels = image.px(grid)
    out = np.zeros(grid.shape, [(band, image.bands[band].newbyteorder("<")) for band in bands])
    for band in bands:
        values, valid = pixels[band]
        out[band] = np.where(valid, values, at.masked_as)
    content = io.BytesIO()
    np.save(content, out)
    return content.getvalue()


def _grid(grid: dict[str, Any]) -> Grid:
    affine, size = grid["affineTransform"], grid["dimensions"]
    coefficients = (
        affine.get(k, 0)
        for k in ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    )
    return Grid(grid["crsCode"], Affine(*coefficients), size["width"], size["height"])


def _check_limits(at: StandIn, image: Image, bands: list[str], grid: Grid) -> None:
    pixels = grid.width * grid.height
    size = pixels * sum(image.bands[band].itemsize + 1 for band in bands)  # 1: the mask
    if max(grid.shape) > MAX_SIDE:
        raise HttpError(
            400,
            f"Pixel grid dimensions ({grid.width}x{grid.height}) must be less than or equal "
            f"to {MAX_SIDE}.",
        )
    if len(bands) > MAX_BANDS:
        raise HttpError(400, f"Too many bands: {len(bands)} (> {MAX_BANDS}).")
    if size > MAX_BYTES:
        raise HttpError(
            400,
            f"Total request size ({size} bytes) must be less than or equal to {MAX_BYTES} bytes.",
        )
    if at.memory_pixels is not None and pixels > at.memory_pixels:
        raise HttpError(400, "User memory limit exceeded.")
