"""Accounts and signatures in addresses: kept out of everything that is written or shown.

An address is told without them. What they were is kept beside the digests of the working directory,
readable by its user alone, and found again by the address when it is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from rsweep.core.errors import RsweepError

FOLDER = Path(".snakemake/rsweep/accounts")
"""Under the working directory, which is the study's and which its jobs share."""
_ACCOUNT = re.compile(r"(?<=://)[^/@\s'\"]+@")
_QUERY = re.compile(r"(?<=[\w/~%.=&-])\?[^\s'\"<>)]*=[^\s'\"<>)]*")


def plain(address: str) -> str:
    """An address without account, query and fragment."""
    parts = urlsplit(address)
    if not parts.netloc:
        return address
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def redacted(text: str) -> str:
    """Text without what looks like an account or a query of an address."""
    return _QUERY.sub("?…", _ACCOUNT.sub("", text))


def hide(address: str) -> str:
    """The plain form of an address, whose account and query `reveal` gives back.

    Raises:
        RsweepError: they cannot be kept.
    """
    bare = plain(address)
    path = _path(bare)
    try:
        if bare == address:
            path.unlink(missing_ok=True)  # of a study that named an account before
            return bare
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(address)
        temporary.replace(path)
    except OSError as error:
        raise RsweepError(f"{bare}: its account cannot be kept in {FOLDER}: {error}") from error
    return bare


def reveal(address: str) -> str:
    """An address with the account and query that `hide` took away, if it did."""
    with contextlib.suppress(OSError):
        return _path(address).read_text()
    return address


def _path(bare: str) -> Path:
    return FOLDER / hashlib.sha256(bare.encode()).hexdigest()[:24]
