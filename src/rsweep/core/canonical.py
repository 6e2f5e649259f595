"""One text, and one digest, per value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: one text per value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of a value, in hex; 224.0 and 224 are one number."""
    return hashlib.sha256(canonical_json(_whole(value)).encode()).hexdigest()


def _whole(value: Any) -> Any:
    if type(value) in (str, int, bool, type(None)):  # most of them: a table has millions
        return value
    if isinstance(value, dict | Mapping):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
