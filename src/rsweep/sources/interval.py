"""Images that stand for an interval of time: which of them are those of a window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from rsweep.sources.protocol import Scene, Window

Interval = tuple[str, str]
"""ISO dates or times, end exclusive."""
T = TypeVar("T")


def chosen(scenes: Sequence[T], intervals: Sequence[Interval | None], window: Window) -> list[T]:
    """Scenes of a window: those without an interval, and those whose interval the window holds.

    Of an interval and a window, the shorter must lie in the other by more than half: of annual
    images, the years that a long window holds, or the year that holds most of a short one. Where
    none does, it is the interval that has most of the window, the earliest of equal ones.
    """
    spans = {interval for interval in intervals if interval}
    kept = {span for span in spans if _mostly(span, window)}
    touching = sorted(span for span in spans if _overlap(span, window) > 0)
    if not kept and touching:
        kept = {max(touching, key=lambda span: _overlap(span, window))}
    return [
        scene
        for scene, interval in zip(scenes, intervals, strict=True)
        if interval is None or interval in kept
    ]


def interval_of(scene: Scene) -> Interval | None:
    """The interval that a scene stands for, if it does."""
    told = scene.properties.get("interval")
    return (told[0], told[1]) if told else None


def _mostly(span: Interval, window: Window) -> bool:
    shorter = min(_seconds(span[1]) - _seconds(span[0]), _seconds(window[1]) - _seconds(window[0]))
    return 2 * _overlap(span, window) > shorter


def _overlap(span: Interval, window: Window) -> float:
    """Seconds that both have."""
    first = max(_seconds(span[0]), _seconds(window[0]))
    return min(_seconds(span[1]), _seconds(window[1])) - first


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
