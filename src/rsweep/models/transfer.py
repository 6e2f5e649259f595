"""Fetching a file over HTTP so that an interruption costs nothing and two processes fetch once."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rsweep.core.accounts import reveal
from rsweep.core.digests import sha256_file
from rsweep.core.errors import TransientError, WeightsError

ATTEMPTS = 4
"""Attempts without a new byte before giving up; what has arrived is kept."""

PAUSE_S = 1.0
"""Pause after the first failure; doubled after each that follows."""

TIMEOUT_S = 60
LEAST_RATE = 1000
"""Bytes per second below which a server counts as failing, however long it goes on."""
CHUNK = 1 << 20
PASSING = (408, 425, 429)
"""Refusals that may pass; those from 500 on may too."""

LOG = logging.getLogger(__name__)


def fetch(
    url: str, target: Path, sha256: str | None, secret: Mapping[str, str], lock: Path
) -> None:
    """Fetch a file to `target`, where it appears whole and verified or not at all.

    Args:
        url: http or https address.
        target: where the file goes; nothing is done if it is there already.
        sha256: what it must be, if that is known.
        secret: request headers that a redirect to elsewhere does not get.
        lock: file that processes lock against each other.

    Raises:
        WeightsError: the server refuses, or the file is not the expected one.
        TransientError: the connection failed; the next call goes on where this one stopped.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock):
        if not target.exists():
            LOG.info("fetching %s to %s", url, target)
            partial = target.with_name(f"{target.name}.incomplete")
            _fill(url, partial, sha256, secret)
            partial.replace(target)


def _fill(url: str, partial: Path, sha256: str | None, secret: Mapping[str, str]) -> None:
    resumed = partial.exists()
    _receive(url, partial, secret)
    if sha256 and resumed and sha256_file(partial) != sha256:
        partial.unlink()  # what was there may have been another version's beginning
        _receive(url, partial, secret)
    _accept(url, partial, sha256)


def _accept(url: str, partial: Path, sha256: str | None) -> None:
    if not sha256 or (found := sha256_file(partial)) == sha256:
        return
    size = partial.stat().st_size
    partial.unlink()
    raise WeightsError(
        f"{url}: not the expected file, and removed: expected sha256 {sha256}, found {found} "
        f"({size} bytes)"
    )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that ends with the process, however it ends."""
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        with contextlib.suppress(OSError):  # a file system without locks costs a second transfer
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell a disk that refuses from a network that fails: both are OSErrors."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written: {error}") from error


def _receive(url: str, partial: Path, secret: Mapping[str, str]) -> None:
    """Bring a partial file to its full length, over as many connections as that takes."""
    failures, most, reason = 0, _size(partial), ""
    while failures < ATTEMPTS:
        try:
            if _attempt(url, partial, secret):
                return
            reason = "the connection closed early"
        except (OSError, HTTPException) as error:
            reason = str(error) or type(error).__name__
        progress = _size(partial) > most
        failures, most = (0 if progress else failures + 1), max(most, _size(partial))
        if failures < ATTEMPTS:
            time.sleep(PAUSE_S * 2 ** max(failures - 1, 0))
    raise TransientError(
        f"{url}: cannot be fetched now ({reason}); {_size(partial)} bytes are kept in {partial}, "
        "and the next run goes on from there"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _attempt(url: str, partial: Path, secret: Mapping[str, str]) -> bool:
    """One connection: append what is lacking. True if the file is complete."""
    start = _size(partial)
    try:
        with _open(url, start, secret) as response:
            if str(response.headers.get("Content-Type", "")).startswith("text/html"):
                raise OSError("it answers a web page, as a login or a proxy does")
            if response.status == 206 and not _continues(response, start):
                partial.unlink()
                return False
            # A server that ignores the range answers 200 and sends everything again.
            received = _save(response, partial, append=response.status == 206)
            length = response.headers.get("Content-Length")
            return length is None or received == int(length)
    except HTTPError as error:
        if error.code == 416:
            return _complete(error, partial, start)
        if error.code in PASSING or error.code >= 500:
            raise
        raise WeightsError(_refusal(url, error.code)) from error


def _open(url: str, start: int, secret: Mapping[str, str]) -> Any:
    request = Request(reveal(url), headers={"User-Agent": "rsweep", "Accept-Encoding": "identity"})
    for name, value in secret.items():
        request.add_unredirected_header(name, value)
    if start:
        request.add_header("Range", f"bytes={start}-")
    return urlopen(request, timeout=TIMEOUT_S)


def _continues(response: Any, start: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


def _complete(error: HTTPError, partial: Path, start: int) -> bool:
    """Whether "range not satisfiable" means that nothing is lacking; else begin again."""
    if error.headers.get("Content-Range") == f"bytes */{start}":
        return True
    partial.unlink(missing_ok=True)
    return False


def _save(response: Any, partial: Path, *, append: bool) -> int:
    received, began = 0, time.monotonic()
    with _writing(partial):
        file = partial.open("ab" if append else "wb")
    with file:
        while chunk := response.read1(CHUNK):
            with _writing(partial):
                file.write(chunk)
            received += len(chunk)
            spent = time.monotonic() - began
            if spent > TIMEOUT_S and received < LEAST_RATE * spent:
                raise TransientError(f"{partial.name}: its server sends less than {LEAST_RATE} "
                                     "bytes a second; what came is kept")  # fmt: skip
    return received


def _refusal(url: str, code: int) -> str:
    if code in (401, 403):
        return f"{url}: the server refuses ({code}): the file needs a login or permission"
    if code in (404, 410):
        return f"{url}: there is no such file ({code})"
    return f"{url}: the server answers {code}"
