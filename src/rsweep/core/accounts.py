"""Accounts and signatures of a study's addresses: kept apart from all that is written or shown.

A study is planned, keyed and reported with addresses that have neither. What they were is kept in
the user's own cache, readable by the user alone, and found again when an address is opened.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rsweep.core.errors import RsweepError
from rsweep.core.redact import ADDRESS, without_secrets


def hide_accounts(value: Any) -> Any:
    """A study's settings with plain addresses, whose accounts and queries `reveal` gives back.

    Raises:
        RsweepError: they cannot be kept.
    """
    if isinstance(value, Mapping):
        return {name: hide_accounts(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide_accounts(item) for item in value]
    if isinstance(value, str) and ADDRESS.fullmatch(value):
        return _hide(value)
    return value


def _hide(address: str) -> str:
    bare = str(without_secrets(address))
    path = _path(bare)
    try:
        if bare == address:
            path.unlink(missing_ok=True)  # the study named an account before
            return bare
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(address)
        temporary.replace(path)
    except OSError as error:
        if bare == address:
            return bare
        raise RsweepError(f"{bare}: its account cannot be kept in {path.parent}: {error}") from None
    return bare


def reveal(address: str) -> str:
    """An address with the account and query that a study of this folder gave it, if it did."""
    with contextlib.suppress(OSError):
        return _path(address).read_text()
    return address


def with_account(address: str, of: str) -> str:
    """An address with the account of another one on the same host, if that has one."""
    account, _, host = urlsplit(of).netloc.rpartition("@")
    parts = urlsplit(address)
    if not account or parts.netloc != host or parts.scheme != urlsplit(of).scheme:
        return address
    return parts._replace(netloc=f"{account}@{host}").geturl()


def split_account(address: str) -> tuple[str, str]:
    """An address without its account, and the Authorization header that says it; "" for none."""
    parts = urlsplit(address)
    account, _, host = parts.netloc.rpartition("@")
    bare = parts._replace(netloc=host).geturl()
    told = base64.b64encode(unquote(account).encode()).decode()
    return bare, f"Basic {told}" if account else ""


def _path(bare: str) -> Path:
    """Apart by the study's folder, which its jobs share."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(f"{Path.cwd()}\n{bare}".encode()).hexdigest()[:24]
    return Path(cache) / "rsweep" / "accounts" / name
