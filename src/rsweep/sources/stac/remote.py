"""Reading rasters at an address, and telling a failure that passes from one that does not."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import rasterio
import requests

from rsweep.core.errors import RoiError, RsweepError, SourceError, TransientError
from rsweep.core.redact import without_secrets
from rsweep.sources.cog import LOCAL_ENV, READ_ERRORS, only_drivers, reason
from rsweep.sources.http import HEAD_BYTES, SENT_PAGE, is_page, within
from rsweep.sources.stac.signing import Signer

T = TypeVar("T")

REMOTE_ENV: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of a bucket, no sidecars
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2",
    "GDAL_INGESTED_BYTES_AT_OPEN": 32768,  # the header of a COG in one request
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "CPL_VSIL_CURL_CACHE_SIZE": 128 * 2**20,
    "GDAL_HTTP_MAX_RETRY": 5,
    "GDAL_HTTP_RETRY_DELAY": 1,  # doubled, with jitter, at each attempt
    "GDAL_HTTP_CONNECTTIMEOUT": 20,
    "GDAL_HTTP_TIMEOUT": 120,
    "GDAL_HTTP_LOW_SPEED_TIME": 30,
    "GDAL_HTTP_LOW_SPEED_LIMIT": 1000,
    "GDAL_CACHEMAX": 256,
}
TIMEOUT_S = (20, 60)
COPY_PARTS = 10
"""A download may take this many times as long as the wait for a packet."""
SCHEMES = ("http", "https", "s3")
REMOTE_DRIVERS = ("GTiff", "JP2OpenJPEG")
"""Formats whose files read nothing but themselves; a virtual raster could read this machine's."""
for _name in ("rasterio", "urllib3"):  # whose messages hold signed addresses; errors reach us
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass
class Remote:
    """Reads assets.

    Attributes:
        signer: signs addresses when they are opened; None where that is not needed.
        folder: what relative hrefs are relative to, for a catalogue on disk.
    """

    signer: Signer | None = None
    folder: Path | None = None
    _failed: Counter[str] = field(default_factory=Counter)
    _signed: dict[str, str] = field(default_factory=dict)

    def plain(self, href: str) -> str:
        """An address as it may be recorded, without account and signature; it can still be read."""
        bare = str(without_secrets(href))
        if bare != href:
            self._signed[bare] = href
        return bare

    def read(self, what: str, href: str, reader: Callable[[str], T]) -> T:
        """What `reader` gives for an asset; it is called with a path that GDAL opens.

        Args:
            what: names the item and the asset in errors.
            href: unsigned address, or path.
            reader: may be called twice.

        Raises:
            RoiError: the asset is gone or damaged. SourceError: it is forbidden.
            TransientError: it cannot be read now, after GDAL's own retries.
        """
        if "://" not in href:
            if self.folder is None:
                raise RoiError(
                    f"{what}: {href[:80]!r} is no address, and a catalogue on a network "
                    "opens no file of this machine"
                )
            return _read_file(what, str(self.folder / href), reader)
        if urlsplit(href).scheme not in SCHEMES:
            raise RoiError(f"{what}: {without_secrets(href)!r} is not at {', '.join(SCHEMES)}")
        with only_drivers(REMOTE_DRIVERS):
            return self._read_remote(what, href, reader)

    def _read_remote(self, what: str, href: str, reader: Callable[[str], T]) -> T:
        address = self._address(href)
        # GDAL remembers under an address that it failed, and would not ask again; a fragment makes
        # it another address for GDAL and none for the server.
        turn = self._failed[href]
        path = f"/vsicurl/{address}" + (f"#{turn}" if turn else "")
        try:
            with rasterio.Env(**REMOTE_ENV):
                return reader(path)
        except READ_ERRORS:
            self._failed[href] += 1
        # GDAL's text does not tell a file cut short from a server that stopped answering: ask the
        # server, and if it is well, read the whole file before calling it damaged.
        _probe(what, address)
        return _read_copy(what, address, reader)

    def _address(self, href: str) -> str:
        href = self._signed.get(href, href)
        if href.startswith("s3://"):
            bucket = urlsplit(href).netloc
            href = f"https://{bucket}.s3.amazonaws.com{urlsplit(href).path}"
        return self.signer.sign(href) if self.signer else href


def _read_file(what: str, path: str, reader: Callable[[str], T]) -> T:
    try:
        with rasterio.Env(**LOCAL_ENV):
            return reader(path)
    except READ_ERRORS as error:
        raise RoiError(f"{what} cannot be read: {without_secrets(reason(error))}") from error


def status_error(what: str, status: int) -> RsweepError | None:
    """The error that an HTTP status means, None if it means success."""
    if status < 400 or status == 416:  # 416: an empty file has no first byte
        return None
    if status in (408, 425, 429) or status >= 500:
        return TransientError(f"{what}: HTTP {status}, after retries")
    if status in (401, 403):
        return SourceError(f"{what}: access refused (HTTP {status})")
    return RoiError(f"{what}: is not there (HTTP {status})")


def _get(
    what: str,
    address: str,
    headers: Mapping[str, str],
    seconds: float,
    use: Callable[[requests.Response], None],
) -> None:
    """Ask for an address and use the answer, all within a time.

    Raises:
        TransientError: there is none now, or it is a page. RoiError, SourceError: see
            `status_error`.
    """

    def ask(keep: Callable[[Any], None]) -> None:
        answer = requests.get(address, headers=headers, timeout=TIMEOUT_S, stream=True)
        keep(answer)
        with answer:
            failure = status_error(what, answer.status_code)
            if failure is not None:
                raise failure
            if is_page(answer.headers.get("content-type"), b""):
                raise TransientError(f"{what}: its server {SENT_PAGE}")
            use(answer)

    try:
        within(seconds, ask)
    except (requests.RequestException, TimeoutError) as error:
        raise TransientError(f"{what}: {type(error).__name__}, after retries") from error


def _probe(what: str, address: str) -> None:
    _get(what, address, {"Range": "bytes=0-0"}, sum(TIMEOUT_S), lambda _: None)


def _read_copy(what: str, address: str, reader: Callable[[str], T]) -> T:
    with tempfile.NamedTemporaryFile(prefix="rsweep-", suffix=".tif") as copy:

        def save(answer: requests.Response) -> None:
            for chunk in answer.iter_content(2**20):
                copy.write(chunk)

        _get(what, address, {}, COPY_PARTS * TIMEOUT_S[1], save)
        copy.flush()
        with open(copy.name, "rb") as file:
            if is_page(None, file.read(HEAD_BYTES)):
                raise TransientError(f"{what}: its server {SENT_PAGE}")
        return _read_file(what, copy.name, reader)
