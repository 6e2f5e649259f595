"""JSON files that say if they are as they were written; read without numpy or HDF5."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rsweep.core.errors import CorruptError

_START, _MIDDLE, _END = b'{"content":', b',"sha256":"', b'"}\n'
_TAIL = len(_MIDDLE) + 64 + len(_END)


def write_sealed(path: Path, value: Any) -> None:
    """Write a value, keys in the order that it has them, with the sha256 of its text."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    path.write_bytes(_START + text + _MIDDLE + _digest(text) + _END)


def read_sealed(path: Path) -> Any:
    """What `write_sealed` wrote.

    Raises:
        CorruptError: the file is absent, or was changed since.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorruptError(path, error.strerror or error) from error
    text = data[len(_START) : -_TAIL]
    if data != _START + text + _MIDDLE + _digest(text) + _END:
        raise CorruptError(path, "it was changed since it was written")
    return json.loads(text)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
