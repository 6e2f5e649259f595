"""The imagery behind a profile: its frames, their days and scenes, and the cloud mask applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rsweep.core.records import SensorNotes, StitchedRoi, TiledFrame


@dataclass(frozen=True)
class Imagery:
    """One frame of one sensor over the ROIs of a profile.

    Attributes:
        sensor: its name.
        frame: its number in the window, from 1.
        rois: ROIs that have it.
        days: first and last of the days that it covers, over ROIs; the last is excluded.
        dates: earliest and latest mean day of its scenes.
        scenes: least and most scenes that it is made of.
        masks: cloud masks that were applied, of `auto` the one that it became.
        warnings: what was warned about, with the number of ROIs.
    """

    sensor: str
    frame: int
    rois: int
    days: tuple[str, str]
    dates: tuple[str, str]
    scenes: tuple[int, int]
    masks: tuple[str, ...]
    warnings: tuple[tuple[str, int], ...]


def imagery_of(outcomes: Iterable[StitchedRoi]) -> tuple[Imagery, ...]:
    """The imagery of ROIs that have an embedding, by sensor and frame."""
    found: dict[tuple[str, int], list[TiledFrame]] = {}
    told: dict[str, list[SensorNotes]] = {}
    for outcome in outcomes:
        for sensor, by_bin in outcome["frames"].items():
            told.setdefault(sensor, []).append(outcome["sensors"][sensor])
            for number, frame in by_bin.items():
                found.setdefault((sensor, int(number)), []).append(frame)
    return tuple(
        _summary(sensor, number, frames, told[sensor])
        for (sensor, number), frames in sorted(found.items())
    )


def _summary(
    sensor: str, number: int, frames: Sequence[TiledFrame], told: Sequence[SensorNotes]
) -> Imagery:
    counts = [len(frame["scenes"]) for frame in frames]
    dates = [frame["date"] for frame in frames]
    days = min(frame["start"] for frame in frames), max(frame["end"] for frame in frames)
    warnings = Counter(text for one in told for text in one["warnings"])
    masks = tuple(sorted({one["cloud_mask"] for one in told}))
    return Imagery(
        sensor,
        number + 1,
        len(frames),
        days,
        (min(dates), max(dates)),
        (min(counts), max(counts)),
        masks,
        tuple(sorted(warnings.items())),
    )
