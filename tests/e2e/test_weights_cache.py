"""Weights that a study fetches: by a rule, and again where a cache was emptied."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from conftest import ENVIRONMENT, Workplace

from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()
import timm  # noqa: E402

NETWORK = "test_vit"


class Counted(SimpleHTTPRequestHandler):
    """Serves a folder and notes what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Not said."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a checkpoint, and the requests for it."""
    folder = tmp_path / "hub"
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(timm.create_model(NETWORK, num_classes=0).state_dict(), folder / "net.pth")
    asked: list[str] = []
    handler = type("Handler", (Counted,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/net.pth", asked
    server.shutdown()


def test_weights_of_an_emptied_cache_are_fetched_again(
    workplace: Workplace, served: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = served
    sha256 = hashlib.sha256((workplace.folder / "hub/net.pth").read_bytes()).hexdigest()
    cache = workplace.folder / "cache"
    monkeypatch.setitem(ENVIRONMENT, "XDG_CACHE_HOME", str(cache))
    base = {"model": f"timm:{NETWORK}", "image_size": 160, "patch_size": None, "features": None}
    workplace.write_study(base={**base, "weights": url, "weights_sha256": sha256})
    workplace.ran()
    assert asked == ["/net.pth"]
    before = workplace.state()
    shutil.rmtree(cache)
    results = workplace.folder / "results"
    shutil.rmtree(results / "tiny/profiles")
    for stage in ("infer", "stitch"):
        shutil.rmtree(results / "store" / stage)
    workplace.ran()
    assert asked == ["/net.pth"] * 2
    after = workplace.state()
    assert {name: digest for name, (digest, _) in after.items()} == {
        name: digest for name, (digest, _) in before.items()
    }
