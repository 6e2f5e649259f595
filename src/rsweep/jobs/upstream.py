"""Stage files that others have made: taken from their stores, or from none, before a study runs."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import requests

from rsweep.core.accounts import reveal
from rsweep.core.errors import CorruptError, RsweepError
from rsweep.core.nodes import Node, name_of
from rsweep.core.redact import portable
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.plan.study import Study
from rsweep.sources.http import within

BEGIN_S = 20.0
"""Longest wait for a server to begin to answer."""
LEAST_BYTES_PER_S = 250_000
"""A server that sends less than this after `BEGIN_S` is given up."""
UNKNOWN_BYTES = 1 << 30
"""Size that is taken where a server tells none."""
ABSENT = (403, 404, 410)
"""Answers of servers that lack a file; object stores say 403 of what may not be listed."""
PARALLEL = 8

log = logging.getLogger("rsweep")


class Upstream:
    """A store that is only read: a folder, or what a web server has of one.

    One that does not answer is not asked again.
    """

    def __init__(self, place: str) -> None:
        self.place, self.silent = place, False

    def take(self, store: Store, node: Node, shard: str) -> bool:
        """Copy a file with its record into a store; True if it was there, sound and the node's."""
        name = name_of(node, shard)
        try:
            with store.turn(node, shard):
                return store.is_sound(node, shard) or self._adopt(store, node, shard, name)
        except CorruptError as error:
            log.warning("%s of %s is refused (%s)", name, self.place, error)
        return False

    def _adopt(self, store: Store, node: Node, shard: str, name: str) -> bool:
        """`take`, of a file that the store lacks."""
        with store.adopt(node, shard, lambda: self._take_record(store, node, shard, name)) as path:
            return self._copy(f"{name}.h5", path)

    def _take_record(self, store: Store, node: Node, shard: str, name: str) -> None:
        """Keep what the file's making cost, without where that was."""
        path = store.path(node, shard).with_suffix(".taken")
        try:
            found = json.loads(path.read_bytes()) if self._copy(f"{name}.run.json", path) else {}
        except ValueError:
            found = {}
        finally:
            path.unlink(missing_ok=True)
        if isinstance(found, dict) and found:
            store.write_record(node, shard, portable({**found, "host": ""}))

    def _copy(self, name: str, to: Path) -> bool:
        if self.silent:
            return False
        try:
            if urlsplit(self.place).scheme in ("http", "https"):
                return _download(self._address(name), to)
            return _copy_file(Path(self.place) / name, to)
        except (OSError, TimeoutError) as error:  # those of requests are OSErrors
            self.silent = True
            reason = portable(str(error))
            log.warning("%s cannot be read, so what it has is made here: %s", self.place, reason)
        return False

    def _address(self, name: str) -> str:
        """A file's address, with the account or signature that the study gave."""
        parts = urlsplit(reveal(self.place))
        return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


def _copy_file(path: Path, to: Path) -> bool:
    if not path.is_file():
        return False
    shutil.copyfile(path, to)
    return True


def _download(address: str, to: Path) -> bool:
    """Read a file from a server; False if it has none.

    Raises:
        OSError: the server does not answer, or not as it should. TimeoutError: it is too slow.
    """
    answer = within(BEGIN_S, lambda _: requests.get(address, stream=True, timeout=BEGIN_S))
    with answer:
        if answer.status_code in ABSENT:
            return False
        answer.raise_for_status()
        size = int(answer.headers.get("Content-Length") or UNKNOWN_BYTES)
        within(BEGIN_S + size / LEAST_BYTES_PER_S, lambda opened: _write(answer, to, opened))
    return True


def _write(
    answer: requests.Response, to: Path, opened: Callable[[requests.Response], None]
) -> None:
    opened(answer)
    with to.open("wb") as file:
        for block in answer.iter_content(1 << 20):
            file.write(block)


def pull(study: Study) -> int:
    """Take from a study's upstreams what its store lacks; how many files.

    Of a chain of stages the last is taken, and what it was made of only where that is not to be
    had: Snakemake makes no file that nothing reads.
    """
    upstreams = [Upstream(place) for place in study.options["upstream"]]
    if not upstreams:
        return 0
    store, began = Store(study.store), time.monotonic()
    with ThreadPoolExecutor(PARALLEL) as pool:
        taken = sum(pool.map(lambda s: _pull_shard(study, store, upstreams, s), study.shards))
    log.info(
        "%d stage files taken from %s in %.0f s",
        taken,
        ", ".join(up.place for up in upstreams),
        time.monotonic() - began,
    )
    return taken


def _pull_shard(study: Study, store: Store, upstreams: Sequence[Upstream], shard: Shard) -> int:
    seen: set[str] = set()
    return sum(_pull(p.node, shard.name, store, upstreams, seen) for p in study.profiles)


def _pull(
    node: Node, shard: str, store: Store, upstreams: Sequence[Upstream], seen: set[str]
) -> int:
    if node.key in seen or store.path(node, shard).exists():
        return 0
    seen.add(node.key)
    if any(upstream.take(store, node, shard) for upstream in upstreams):
        return 1
    return sum(_pull(source, shard, store, upstreams, seen) for source in node.inputs.values())


def push(study: Study, target: str) -> dict[str, int]:
    """Copy what the store holds of a study to another one: files copied, and those it lacks.

    Raises:
        RsweepError: the store holds nothing of the study, or the target is no folder.
    """
    if "://" in target:
        raise RsweepError(f"{target}: a target is a folder, which any web server can then serve")
    own, there, counts = Upstream(str(study.store)), Store(target), {"copied": 0, "absent": 0}
    for node in study.nodes().values():
        for shard in study.shards:
            counts["copied" if own.take(there, node, shard.name) else "absent"] += 1
    if not counts["copied"]:
        raise RsweepError(f"{study.store} holds nothing of study {study.name}; run it first")
    return counts
