"""Cutting a window into frames in time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from rsweep.core.errors import RoiError

DAYS_PER_FRAME = 30
"""Length of a step of the `30d` policy, and of `frames: auto` under equal parts."""


def scenes_by_frame(
    listed: Sequence[Mapping[str, Any]], start: str, end: str, settings: Mapping[str, Any]
) -> list[list[int]]:
    """Per frame of a window its scenes below the cloud limit, oldest first.

    Raises:
        RoiError: every scene is above it, or the window has fewer frames than asked for.
    """
    usable = _usable(listed, settings.get("cloudy_pct", 100.0))
    policy, limit = settings.get("frame_policy", "equal"), settings.get("max_frames", 0)
    days = {i: listed[i]["time"][:10] for i in usable}
    return [
        [i for i in usable if first.isoformat() <= days[i] < after.isoformat()]
        for first, after in bins(start, end, policy, settings["frames"], limit)
    ]


def _usable(listed: Sequence[Mapping[str, Any]], limit: float) -> list[int]:
    shares = [s["cloud_pct"] for s in listed]
    chosen = [i for i, share in enumerate(shares) if share is None or share <= limit]
    if not chosen:
        raise RoiError(f"all {len(shares)} scenes are cloudier than cloudy_pct {limit:g}; the "
                       f"least cloudy has {min(shares):.4g} %")  # fmt: skip
    return sorted(chosen, key=lambda i: (listed[i]["time"], listed[i]["id"]))


def bins(
    start: str, end: str, policy: str, frames: int | str, limit: int
) -> list[tuple[date, date]]:
    """Frames of a window, each [first day, day after the last).

    Args:
        start, end: ISO dates, end exclusive.
        policy: "equal" parts, "30d" steps from the start (an incomplete last one is left out), or
            calendar "month"s that the window touches, cut to the window.
        frames: how many; "auto" takes those that the window has, at most `limit`.

    Raises:
        RoiError: the window has fewer frames than asked for.
    """
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    if policy == "equal":
        return _equal(first, last, _count(first, last, limit) if frames == "auto" else int(frames))
    found = _steps(first, last) if policy == "30d" else _months(first, last)
    wanted = limit if frames == "auto" else int(frames)
    if frames != "auto" and len(found) < wanted:
        raise RoiError(f"frames is {wanted} with frame_policy {policy}, but the window {start} to "
                       f"{end} has {len(found)}")  # fmt: skip
    return found[:wanted]


def _count(first: date, last: date, limit: int) -> int:
    return min(max((last - first).days // DAYS_PER_FRAME, 1), limit)


def _equal(first: date, last: date, count: int) -> list[tuple[date, date]]:
    days = (last - first).days
    if count > days:
        raise RoiError(f"frames is {count}, but the window {first} to {last} has {days} days")
    edges = [first + timedelta(days=days * i // count) for i in range(count + 1)]
    return list(itertools.pairwise(edges))


def _steps(first: date, last: date) -> list[tuple[date, date]]:
    step = timedelta(days=DAYS_PER_FRAME)
    count = max((last - first) // step, 1)
    return [(first + i * step, min(first + (i + 1) * step, last)) for i in range(count)]


def _months(first: date, last: date) -> list[tuple[date, date]]:
    found = []
    while first < last:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        found.append((first, min(following, last)))
        first = following
    return found


def mean_date(times: list[str]) -> str:
    """The day in the middle of some acquisitions: their mean, rounded down."""
    days = [date.fromisoformat(t[:10]).toordinal() for t in times]
    return date.fromordinal(sum(days) // len(days)).isoformat()
