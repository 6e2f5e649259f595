"""What a verification says of one thing that a lock pins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["identical", "within tolerance", "different", "missing", "not kept"]
FAILURES: tuple[Status, ...] = ("different", "missing")
NOTED = ("package",)
"""Kinds that are reported but do not fail: other packages may give the same values."""


@dataclass(frozen=True)
class Row:
    """One thing.

    Attributes:
        kind: places, labels, keys, scenes, artefact, embeddings, grids, given, weights, rebuilt,
            or package.
        name: which one.
        status: how it compares with the lock.
        detail: the first thing that differs, where something does.
    """

    kind: str
    name: str
    status: Status
    detail: str = ""

    @property
    def failed(self) -> bool:
        """True if the results are not what the lock says."""
        return self.status in FAILURES and self.kind not in NOTED


def counts(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Kind -> status -> how many."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        own = found.setdefault(row.kind, {})
        own[row.status] = own.get(row.status, 0) + 1
    return found
