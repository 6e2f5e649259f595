"""Scenes that lie on a disk, as planning sees them: where and when each is, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass

Degrees = tuple[float, float, float, float]
"""(west, south, east, north) in degrees; west > east across the antimeridian."""


@dataclass(frozen=True)
class Held:
    """A scene of a folder or of a catalogue on disk.

    Attributes:
        id: its name, for people and for locks; unique among those of a collection.
        boxes: around the rasters that it is made of; none where that is not known, and it may lie
            anywhere.
        start, end: ISO texts around its time, or around what it stands for; both are its own.
        orbit: ascending, descending, or None.
        digest: of all that it says and holds.
    """

    id: str
    boxes: tuple[Degrees, ...]
    start: str
    end: str
    orbit: str | None
    digest: str

    def within(self, start: str, end: str) -> bool:
        """True unless it surely is of another time."""
        return self.start < end and start <= self.end
