"""Fetching a file of a URL with pooch: whole, verified, and by one process at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pooch

from rsweep.core.accounts import reveal, split_account
from rsweep.core.errors import TransientError, WeightsError
from rsweep.core.writers import turn

ATTEMPTS = 4
PAUSE_S = 1.0
"""Pause after the first failure; doubled after each that follows."""
TIMEOUT_S = 60
LEAST_RATE = 1000
"""Bytes per second below which a server counts as failing, however long it goes on."""
CHUNK = 1 << 20
PASSING = (408, 425, 429)
"""Refusals that may pass; those from 500 on may too."""

log = logging.getLogger("rsweep")


class Passing(Exception):
    """A failure of the network or of a server that may pass."""


def attempts() -> Iterator[int]:
    """Numbers of attempts, with a pause before each but the first."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        yield attempt


def fetch(url: str, target: Path, sha256: str | None) -> None:
    """Fetch a file to `target`, where it appears whole and verified or not at all.

    Args:
        url: http or https address.
        target: where the file goes; nothing is done if it is there already.
        sha256: what it must be, if that is known.

    Raises:
        WeightsError: the server refuses, the disk does, or the file is not the expected one.
        TransientError: it cannot be fetched now.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with turn(target):
            if not target.exists():
                log.info("fetching %s to %s", url, target)
                _retrieve(url, target, sha256)
    except OSError as error:  # what the network raises is another kind by now
        raise WeightsError(f"{target}: cannot be written: {error}") from error


def _retrieve(url: str, target: Path, sha256: str | None) -> None:
    known = f"sha256:{sha256}" if sha256 else None
    for _ in attempts():
        try:
            pooch.retrieve(url, known, target.name, target.parent, downloader=_download)
            return
        except Passing as error:
            last = error
        except ValueError as error:  # pooch's word for other content; it has removed the file
            raise WeightsError(
                f"{url}: not the expected file, and removed: expected sha256 {sha256}: {error}"
            ) from error
    raise TransientError(f"{url}: cannot be fetched now ({last})") from last


def _download(url: str, output: Any, pup: Any) -> None:
    """pooch's downloader, with deadlines: it receives to a private file that pooch then moves."""
    address, account = split_account(reveal(url))  # which nothing that is said or logged has
    request = Request(address, headers={"User-Agent": "rsweep", "Accept-Encoding": "identity"})
    if account:
        request.add_unredirected_header("Authorization", account)
    try:
        response = urlopen(request, timeout=TIMEOUT_S)
    except HTTPError as error:
        if error.code in PASSING or error.code >= 500:
            raise Passing(f"it answers {error.code}") from error
        raise WeightsError(_refusal(url, error.code)) from error
    except (OSError, HTTPException) as error:
        raise Passing(str(error) or type(error).__name__) from error
    with response, Path(output).open("wb") as file:
        if str(response.headers.get("Content-Type", "")).startswith("text/html"):
            raise Passing("it answers a web page, as a login or a proxy does")
        received = 0
        for chunk in _chunks(response):
            file.write(chunk)
            received += len(chunk)
    length = response.headers.get("Content-Length")
    if length is not None and received != int(length):
        raise Passing(f"the connection closed after {received} of {length} bytes")


def _chunks(response: Any) -> Iterator[bytes]:
    received, began = 0, time.monotonic()
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, HTTPException) as error:
            raise Passing(str(error) or type(error).__name__) from error
        if not chunk:
            return
        yield chunk
        received += len(chunk)
        spent = time.monotonic() - began
        if spent > TIMEOUT_S and received < LEAST_RATE * spent:
            raise Passing(f"it sends less than {LEAST_RATE} bytes a second")


def _refusal(url: str, code: int) -> str:
    if code in (401, 403):
        return f"{url}: the server refuses ({code}): the file needs a login or permission"
    if code in (404, 410):
        return f"{url}: there is no such file ({code})"
    return f"{url}: the server answers {code}"
