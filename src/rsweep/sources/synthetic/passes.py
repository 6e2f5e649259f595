"""Which scenes there are: dates, orbits, swaths and the season."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.sources.synthetic.noise import Floats, fraction, stream

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
SWATH_M = 54_000.0
"""From one swath's edge to the next one's: far closer than real ones, so that edges are seen."""
GAP_M = 4_000.0
SLANT = 0.21
"""Metres that a swath's edge moves east per metre north: 12 degrees from the meridian."""
_HOURS = {"optical": (10, 30), "ascending": (17, 15), "descending": (5, 45)}


@dataclass(frozen=True)
class Pass:
    """One overflight.

    Attributes:
        zone, seed: of the world.
        number: counts the overflights of one sensor since 2000.
        time: UTC.
        orbit: "ascending" or "descending".
        radar: True of S1.
    """

    zone: int
    seed: int
    number: int
    time: datetime
    orbit: str
    radar: bool

    def key(self, *names: str) -> int:
        """A key for noise of this overflight alone."""
        return stream(self.seed, self.zone, "s1" if self.radar else "s2", self.number, *names)

    @property
    def slant(self) -> float:
        """As `SLANT`: the Earth turns under a satellite, so the two directions lean apart."""
        return -SLANT if self.orbit == "ascending" else SLANT


def passes(
    zone: int, seed: int, revisit_days: int, radar: bool, start: str, end: str
) -> list[Pass]:
    """Overflights with start <= time < end (ISO 8601, UTC where no zone is given), by time."""
    first, last = parse_time(start), parse_time(end)
    number = max(0, (first - EPOCH).days // revisit_days - 1)
    found = []
    while EPOCH + timedelta(days=number * revisit_days) < last:
        one = _pass(zone, seed, revisit_days, radar, number)
        if first <= one.time < last:
            found.append(one)
        number += 1
    return found


def parse_time(text: str) -> datetime:
    """A UTC time from ISO 8601 with or without a time and a zone."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _pass(zone: int, seed: int, revisit_days: int, radar: bool, number: int) -> Pass:
    orbit = "ascending" if radar and number % 2 else "descending"
    hour, minute = _HOURS[orbit if radar else "optical"]
    shift = int(fraction(stream(seed, zone, "phase", int(radar))) * revisit_days)
    time = EPOCH + timedelta(days=number * revisit_days + shift, hours=hour, minutes=minute)
    return Pass(zone, seed, number, time, orbit, radar)


def season_day(time: datetime, zone: int, seed: int) -> float:
    """Day of the year by the season: half a year on in the south, some days early or late."""
    start = datetime(time.year, 1, 1, tzinfo=UTC)
    day = (time - start).days + (183 if zone > 32700 else 0)
    spring = 12 * fraction(stream(seed, zone, "spring", time.year)) - 6
    return (day + spring) % 366


def in_swath(one: Pass, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Whether cells with their centres at x, y (metres) are in the swath."""
    inside: NDArray[np.bool_] = _across(one, x, y) % SWATH_M >= GAP_M
    return inside


def touches(one: Pass, bounds: tuple[float, float, float, float]) -> bool:
    """Whether any of a rectangle (left, bottom, right, top; metres) is in the swath."""
    left, bottom, right, top = bounds
    edges = [float(_across(one, x, y)) for x in (left, right) for y in (bottom, top)]
    low, high = min(edges), max(edges)
    return bool(high - low >= GAP_M or low % SWATH_M >= GAP_M or high % SWATH_M >= GAP_M)


def _across(one: Pass, x: Any, y: Any) -> Any:
    return x - one.slant * y + fraction(one.key("swath")) * SWATH_M
