"""Secrets that addresses carry: accounts before the host, signatures and keys in the query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>]+")

OF_HOST = re.compile(r"(?<=url: )(/[^\s?]*)\?[^\s\"'<>)]*")
"""How urllib3 tells of an address: "Max retries exceeded with url: /path?query"."""


ABSOLUTE = re.compile(r"(?<![\w:/.<*)\]-])/(?:[\w.@+-]+/)+([\w.@+-]*)")
"""An absolute path of two names or more; not the path of an address, nor a share such as `m/s`."""


def without_secrets(value: Any) -> Any:
    """A value whose texts hold no account and no query in any address; all else is as it was."""
    if isinstance(value, Mapping):
        return {name: without_secrets(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    if not isinstance(value, str):
        return value
    return OF_HOST.sub(r"\1", ADDRESS.sub(lambda found: _bare(found[0]), value))


def portable(value: Any) -> Any:
    """A value without secrets and without absolute paths, of which the last name stays."""
    if isinstance(value, Mapping):
        return {name: portable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    return ABSOLUTE.sub(r"\1", without_secrets(value)) if isinstance(value, str) else value


def _bare(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:  # no address after all, such as one with half a pair of brackets
        return address.partition("?")[0].rpartition("@")[2]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
