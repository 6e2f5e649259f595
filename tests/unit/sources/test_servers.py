"""Servers that trickle, or send a page where data was asked for; loopback only."""

from __future__ import annotations

import http.server
import json
import threading
import time
from typing import ClassVar

import numpy as np
import pytest
import rasterio

from rsweep.core.accounts import hide_accounts
from rsweep.core.errors import RoiError, SourceError, TransientError
from rsweep.core.grid import Grid
from rsweep.models import transfer
from rsweep.sources.cog import read_window
from rsweep.sources.earthengine.transport import Transport
from rsweep.sources.http import is_page, within
from rsweep.sources.stac import catalogue, remote, signing

PAGE = b"<!DOCTYPE html><html>please log in</html>"
GRID = Grid("EPSG:32633", 500_040, 5_000_040, 10.0, 8, 8)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[tuple[str, str]]] = []

    def log_message(self, *_):
        pass

    def send(self, kind, content):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        path = self.path.split("?")[0]
        self.asked.append((self.path, self.headers.get("Authorization", "")))
        try:
            if path.startswith("/drip"):
                self.send_response(200)
                self.send_header("Content-Length", "500000")
                self.end_headers()
                self._trickle(b" ")
            elif path.startswith("/chunked"):
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self._trickle(b"1\r\n \r\n")
            elif path.startswith("/headers"):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                self._trickle(b"x")
            elif path.startswith("/page"):
                self.send("text/html", PAGE)
            elif path.startswith("/nameless"):
                self.send("application/octet-stream", PAGE)
            elif path.startswith("/text"):
                self.send("text/plain", b"denied by policy")
            else:
                self.send("application/octet-stream", self.files[path])
        except OSError:
            pass

    do_POST = do_GET

    def _trickle(self, piece):
        for _ in range(400):
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(0.05)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def at():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(catalogue, "TIMEOUT_S", (0.2, 0.2))
    monkeypatch.setattr(remote, "TIMEOUT_S", (0.2, 0.2))
    monkeypatch.setattr(remote, "COPY_PARTS", 3)
    monkeypatch.setattr(signing, "TIMEOUT_S", (0.2, 0.2))
    for name, value in (("GDAL_HTTP_MAX_RETRY", 0), ("GDAL_HTTP_TIMEOUT", 1)):
        monkeypatch.setitem(remote.REMOTE_ENV, name, value)


def soon(function, kind, text=""):
    """The function fails as it should, and within seconds."""
    began = time.monotonic()
    with pytest.raises(kind, match=text):
        function()
    assert time.monotonic() - began < 6


def items(url):
    return list(
        catalogue.open_catalogue(url).items("s", [(0, 0, 1, 1)], "2022-01-01", "2022-02-01", {})
    )


def window(path):
    return read_window(path, [1], GRID, "nearest", None)


@pytest.mark.parametrize("slow", ["drip", "chunked", "headers"])
def test_deadlines_hold_however_slowly_a_server_sends(at, slow):
    soon(lambda: Transport(0.5).request(f"{at}/{slow}"), TimeoutError, "within 0.5 s")
    soon(lambda: items(f"{at}/{slow}"), TransientError, "no whole answer")
    soon(lambda: items(f"{at}/{slow}/catalog.json"), TransientError, "no whole answer")
    soon(lambda: remote.Remote().read("item x", f"{at}/{slow}.tif", window), TransientError)
    soon(lambda: signing.Signer(f"{at}/{slow}", ".x").sign("http://a.x/c/b.tif"), TransientError)


@pytest.mark.parametrize("page", ["page", "nameless", "text"])
def test_a_page_instead_of_data_may_pass_and_is_never_an_outcome(at, page):
    soon(lambda: items(f"{at}/{page}"), TransientError, "web page|no JSON")
    soon(lambda: items(f"{at}/{page}/catalog.json"), TransientError, "web page|no JSON")
    signer = signing.Signer(f"{at}/{page}", ".x")
    soon(lambda: signer.sign("http://a.x/c/b.tif"), TransientError, "web page|no token")
    if page != "text":
        soon(lambda: Transport(2).request(f"{at}/{page}"), ConnectionError, "web page")
        soon(
            lambda: remote.Remote().read("item x", f"{at}/{page}.tif", window),
            TransientError,
            "web page",
        )


def test_weights_that_trickle_or_are_a_page(at, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(transfer, "PAUSE_S", 0.01)

    def get(path):
        return transfer.fetch(f"{at}/{path}", tmp_path / "w", None)

    soon(lambda: get("drip"), TransientError, "bytes a second")
    soon(lambda: get("page"), TransientError, "web page")
    assert not (tmp_path / "w").exists()


def test_weights_are_fetched_with_an_account_that_no_log_has(at, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Handler.files = {"/w.bin": b"weights"}
    Handler.asked.clear()
    with caplog.at_level("DEBUG"):
        url = hide_accounts(at.replace("://", "://alice:HUNTER2@") + "/w.bin?sig=S1GN")
        transfer.fetch(url, tmp_path / "w.bin", None)
    assert (tmp_path / "w.bin").read_bytes() == b"weights"
    assert Handler.asked == [("/w.bin?sig=S1GN", "Basic YWxpY2U6SFVOVEVSMg==")]
    assert "HUNTER2" not in caplog.text
    assert "S1GN" not in caplog.text


def test_a_remote_file_reads_no_file_of_this_machine(at, tmp_path):
    private = tmp_path / "private.tif"
    transform = rasterio.Affine(*GRID.transform)
    with rasterio.open(
        private,
        "w",
        driver="GTiff",
        width=8,
        height=8,
        count=1,
        dtype="uint16",
        crs=GRID.crs,
        transform=transform,
    ) as raster:
        raster.write(np.full((1, 8, 8), 777, "uint16"))
    vrt = f"""<VRTDataset rasterXSize="8" rasterYSize="8"><SRS>EPSG:32633</SRS>
<GeoTransform>500040,10,0,5000040,0,-10</GeoTransform><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename relativeToVRT="0">{private}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""
    Handler.files = {"/B04.tif": vrt.encode(), "/good.tif": private.read_bytes()}
    whole = remote.Remote().read("item x", f"{at}/good.tif", window)[0]
    assert (whole == 777).all()
    for href in (f"{at}/B04.tif", str(private), f"file://{private}", "../private.tif", vrt):
        soon(lambda href=href: remote.Remote().read("item x", href, window), RoiError)
    local = remote.Remote(None, tmp_path)
    assert (local.read("item x", "private.tif", window)[0] == 777).all()


def test_a_remote_catalogue_leads_to_no_file_of_this_machine(at, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    root = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "c",
        "description": "d",
        "links": [{"rel": "item", "href": f"file://{tmp_path}/secret.json"}],
    }
    Handler.files = {"/catalog.json": json.dumps(root).encode()}
    soon(lambda: items(f"{at}/catalog.json"), SourceError, "leads to")
    root["links"][0]["href"] = "page/item.json"
    Handler.files = {"/catalog.json": json.dumps(root).encode()}
    soon(lambda: items(f"{at}/catalog.json"), TransientError, "web page")


def test_what_looks_like_a_page():
    assert is_page("text/html; charset=utf-8", b"")
    assert is_page(None, b"\xef\xbb\xbf\n <HTML>")
    assert not is_page("image/tiff", b"II*\0")
    assert not is_page("application/json", b"{}")


def test_within_gives_and_raises_what_the_function_does():
    assert within(1, lambda _: 5) == 5
    with pytest.raises(ZeroDivisionError):
        within(1, lambda _: 1 / 0)
