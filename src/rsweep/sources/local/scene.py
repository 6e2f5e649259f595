"""A scene of a folder: which files hold its bands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rsweep.core.digests import File
from rsweep.sources.local.layout import BandName


@dataclass(frozen=True)
class Pick:
    """One band of one file: its number (from 1) or its description."""

    file: File
    band: BandName


@dataclass(frozen=True)
class LocalScene:
    """A scene and the files that it is made of.

    Attributes:
        id: unique among the scenes of its sensor.
        time: ISO 8601 in UTC.
        orbit: ascending, descending, or None where the layout does not say.
        bands, quality: sensor's band or quality layer -> what it is read from; where several
            files overlap, the first valid pixel in the order of their names counts.
        cloud_pct: cloud share of the whole scene in percent, or None.
        properties: the rest of what the sidecar tells, and Sentinel-2's processing baseline.
        offset: added to its values; see `baselines`.
        interval: ISO dates of what it stands for, end exclusive; None for an acquisition.
    """

    id: str
    time: str
    orbit: str | None
    bands: Mapping[str, tuple[Pick, ...]]
    quality: Mapping[str, tuple[Pick, ...]] = field(default_factory=dict)
    cloud_pct: float | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    offset: float = 0.0
    interval: tuple[str, str] | None = None

    def within(self, start: str, end: str) -> bool:
        """True if it is of start <= time < end, or its interval shares a part of that."""
        if self.interval:
            return self.interval[0] < end and start < self.interval[1]
        return start <= self.time < end

    @property
    def picks(self) -> Iterable[Pick]:
        """Everything that the scene is read from."""
        for picks in (*self.bands.values(), *self.quality.values()):
            yield from picks
