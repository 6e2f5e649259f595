"""Stores of others: what is sound and the node's own is taken, nothing else, and in time."""

import functools
import http.server
import json
import random
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from rsweep.core.errors import RsweepError
from rsweep.core.files import put
from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.jobs import upstream as module
from rsweep.jobs.upstream import Upstream, pull, push

FIRST = Node("fetch", 1, {"scale": 10})
LAST = Node("composite", 1, {"method": "median"}, {"s2": FIRST})
OTHER = Node("composite", 1, {"method": "mean"}, {"s2": FIRST})


def fill(store: Store, node: Node, shard: str = "a") -> Path:
    with store.write(node, shard) as file:
        values = np.random.default_rng(len(shard) + len(node.key)).normal(size=200)
        put(file, "values", values)
    weights = {"file": "/home/someone/weights/a.pt"}
    store.write_record(node, shard, {"seconds": 1.5, "host": "secret-host", "weights": weights})
    return store.path(node, shard)


class Server(http.server.SimpleHTTPRequestHandler):
    """A web server of a folder; `change` may alter what it sends."""

    change = staticmethod(lambda data: data)
    pause = 0.0
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        path = Path(self.translate_path(self.path.partition("?")[0]))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        data = self.change(data) if path.suffix == ".h5" else data
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for at in range(0, len(data), 100 if self.pause else len(data) or 1):
            time.sleep(self.pause)
            try:
                self.wfile.write(data[at : at + (100 if self.pause else len(data))])
            except OSError:
                return

    def log_message(self, *_):
        pass


@pytest.fixture
def theirs(tmp_path) -> Store:
    return Store(tmp_path / "theirs")


@pytest.fixture
def served(theirs):
    """Their store's address, and the handler to change what is sent."""
    theirs.root.mkdir(exist_ok=True)
    handler = type("Handler", (Server,), {"asked": []})
    served = functools.partial(handler, directory=str(theirs.root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()


def study(store: Store, *upstream: str, node: Node = LAST):
    nodes = {n.key: n for n in node.upstream()}
    return SimpleNamespace(
        name="s",
        store=store.root,
        options={"upstream": upstream},
        nodes=lambda: nodes,
        shards=[SimpleNamespace(name="a"), SimpleNamespace(name="b")],
        profiles=[SimpleNamespace(node=node), SimpleNamespace(node=node)],
    )


@pytest.mark.parametrize("http", [False, True])
def test_the_last_stage_is_taken_and_what_it_needs_only_where_it_is_not_to_be_had(
    theirs, tmp_path, served, http
):
    original = fill(theirs, LAST, "a")
    fill(theirs, FIRST, "a")
    fill(theirs, FIRST, "b")
    own = Store(tmp_path / "own")
    assert pull(study(own, served[0] if http else str(theirs.root))) == 2
    assert own.path(LAST, "a").read_bytes() == original.read_bytes()
    assert own.is_sound(FIRST, "b")
    assert not own.path(FIRST, "a").exists()
    assert json.loads((own.folder(LAST) / "settings.json").read_text()) == LAST.identity()
    assert pull(study(own, str(theirs.root))) == 0


def test_a_record_comes_without_host_and_paths(theirs, tmp_path, served):
    fill(theirs, LAST)
    own = Store(tmp_path / "own")
    assert Upstream(served[0]).take(own, LAST, "a")
    told = own.read_record(LAST, "a")
    assert (told["seconds"], told["host"], told["weights"]) == (1.5, "", {"file": "a.pt"})


def damaged(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """What a server may send in place of a file."""
    at = rng.randrange(len(data))
    kind = rng.randrange(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if kind == 2:
        return data + bytes(rng.randrange(1, 100))
    if kind == 3:
        return b"<html>sign in</html>" * rng.randrange(200)
    if kind == 4:
        return data[:at] + rng.randbytes(rng.randrange(1, 64)) + data[at:]
    return rng.choice(others)


def test_a_thousand_damaged_or_swapped_files_are_refused(theirs, tmp_path, served, monkeypatch):
    address, handler = served
    fill(theirs, LAST)
    fill(theirs, LAST, "bb")
    fill(theirs, OTHER)
    fill(theirs, FIRST)
    swaps = [theirs.path(*of).read_bytes() for of in ((LAST, "bb"), (OTHER, "a"), (FIRST, "a"))]
    rng = random.Random(7)
    sent: list[bytes] = []

    def change(data: bytes) -> bytes:
        sent.append(damaged(data, swaps, rng))
        return sent[-1]

    handler.change = staticmethod(change)
    own = Store(tmp_path / "own")
    monkeypatch.setattr(module.log, "warning", lambda *_: None)
    source = Upstream(address)
    assert not any(source.take(own, LAST, "a") for _ in range(1000))
    assert len(sent) == 1000
    assert set(swaps) < set(sent)
    assert not list(own.root.rglob("*.h5*"))
    handler.change = staticmethod(lambda data: data)
    assert source.take(own, LAST, "a")


def test_a_server_that_trickles_is_left_and_not_asked_again(theirs, tmp_path, served, monkeypatch):
    address, handler = served
    fill(theirs, LAST)
    fill(theirs, LAST, "b")
    handler.pause = 0.2
    monkeypatch.setattr(module, "BEGIN_S", 0.5)
    own, began = Store(tmp_path / "own"), time.monotonic()
    assert pull(study(own, address)) == 0
    assert time.monotonic() - began < 4
    asked = len(handler.asked)
    assert asked <= 2  # one for each shard, at once
    assert not list(own.root.rglob("*.h5*"))


def test_a_server_that_is_not_there_is_said_once_without_its_account(tmp_path, caplog, monkeypatch):
    from rsweep.core.accounts import hide_accounts

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = Store(tmp_path / "own")
    source = Upstream(hide_accounts("http://someone:hunter2@127.0.0.1:9/store?sig=hidden"))
    assert not source.take(own, LAST, "a")
    assert not source.take(own, LAST, "b")
    assert len(caplog.records) == 1
    assert "http://127.0.0.1:9/store cannot be read" in caplog.text
    assert not any(secret in caplog.text for secret in ("someone", "hunter2", "hidden"))


def test_the_account_and_signature_of_an_address_are_used_and_not_shown(
    theirs, tmp_path, served, monkeypatch
):
    from rsweep.core.accounts import hide_accounts

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fill(theirs, LAST)
    bare = hide_accounts(f"{served[0]}/?sig=hidden")
    assert "hidden" not in bare
    assert Upstream(bare).take(Store(tmp_path / "own"), LAST, "a")
    assert served[1].asked[0].endswith("/a.h5?sig=hidden")


def test_push_makes_an_upstream(theirs, tmp_path):
    fill(theirs, LAST, "a")
    fill(theirs, FIRST, "a")
    target = tmp_path / "target"
    assert push(study(theirs), str(target)) == {"copied": 2, "absent": 2}
    assert "secret-host" not in Store(target).folder(LAST).joinpath("a.run.json").read_text()
    assert pull(study(Store(tmp_path / "own"), str(target))) == 1
    with pytest.raises(RsweepError, match="holds nothing"):
        push(study(Store(tmp_path / "empty")), str(tmp_path / "new"))
    with pytest.raises(RsweepError, match="a folder"):
        push(study(theirs), "https://x.org/store")
