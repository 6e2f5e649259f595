"""Nested settings as leaves, and which of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rsweep.core.canonical import canonical_json


@dataclass(frozen=True)
class Change:
    """One value that differs.

    Attributes:
        name: where it is, such as "cloud_mask.scl.classes".
        before, after: its values; `ABSENT` where there is none.
    """

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.name}: {shown(self.before)} -> {shown(self.after)}"


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()
"""The value of a setting that is not there."""
WIDTH = 60


def shown(value: Any) -> str:
    """A value in a few words."""
    text = repr(value) if value is ABSENT or not isinstance(value, str) else value
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def changes(before: Any, after: Any) -> list[Change]:
    """The leaves that differ; lists of different lengths, and lists of words, are one leaf."""
    old, new = dict(_leaves("", before)), dict(_leaves("", after))
    names = dict.fromkeys((*old, *new))
    pairs = [Change(name, old.get(name, ABSENT), new.get(name, ABSENT)) for name in names]
    return [pair for pair in pairs if _text(pair.before) != _text(pair.after)]


def _text(value: Any) -> str:
    return "" if value is ABSENT else canonical_json(value)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, tuple):
        yield name, list(value)
    else:
        yield name, value
