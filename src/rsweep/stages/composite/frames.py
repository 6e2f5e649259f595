"""Cutting a window into frames in time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from rsweep.core.errors import RoiError
from rsweep.core.records import SceneRecord

if TYPE_CHECKING:
    from rsweep.stages.composite.spec import CompositeSettings

DAYS_PER_FRAME = 30
"""Length of a step of the `30d` policy, and of `frames: auto` under equal parts."""


Bin = tuple[date, date]
"""A frame's days: the first, and the day after the last."""


def scenes_by_frame(
    listed: Sequence[SceneRecord], start: str, end: str, settings: CompositeSettings
) -> list[tuple[Bin, list[int]]]:
    """Per frame of a window its days and its scenes below the cloud limit, oldest first.

    A scene's cloud share is that of the ROI's own pixels (`roi_cloud_pct`) where it is known, else
    the provider's of the whole scene.

    Raises:
        RoiError: every scene is above it, or the window has fewer frames than asked for.
    """
    usable = _usable(listed, settings.get("cloudy_pct", 100.0))
    policy, limit = settings.get("frame_policy", "equal"), settings.get("max_frames", 0)
    days = {i: scene_day(listed[i], start, end) for i in usable}
    return [
        ((first, after), [i for i in usable if first.isoformat() <= days[i] < after.isoformat()])
        for first, after in bins(start, end, policy, settings["frames"], limit)
    ]


def scene_day(scene: SceneRecord, start: str, end: str) -> str:
    """The day that a scene stands for in a window: of one with an interval, the middle of both."""
    interval = scene["properties"].get("interval")
    if not interval:
        return str(scene["time"][:10])
    first, after = max(interval[0][:10], start), min(interval[1][:10], end)
    return mean_date([first, after])


def _usable(listed: Sequence[SceneRecord], limit: float) -> list[int]:
    shares = [cloud_share(scene) for scene in listed]
    chosen = [i for i, share in enumerate(shares) if share is None or share <= limit]
    if not chosen:
        least = min(share for share in shares if share is not None)
        raise RoiError(
            f"all {len(shares)} scenes are cloudier than cloudy_pct {limit:g}; the "
            f"least cloudy has {least:.4g} %"
        )
    return sorted(chosen, key=lambda i: (listed[i]["time"], listed[i]["id"]))


def cloud_share(scene: SceneRecord) -> float | None:
    """Percent of cloud: of the ROI's own pixels where a mask tells, else of the whole scene."""
    own = scene.get("roi_cloud_pct")
    share = scene["cloud_pct"] if own is None else own
    return None if share is None else float(share)


def bins(start: str, end: str, policy: str, frames: int | str, limit: int) -> list[Bin]:
    """Frames of a window, which together cover it.

    Args:
        start, end: ISO dates, end exclusive.
        policy: "equal" parts; "30d" steps from the start, whose last is 15 to 44 days long;
            calendar "month"s that the window touches, cut to the window; or every "day", of which
            those without a scene make no frame.
        frames: how many; "auto" takes those that the window has, at most `limit`. Fewer than the
            window has join neighbouring steps, so that none of its scenes is left out.

    Raises:
        RoiError: the window has fewer frames than asked for.
    """
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    if policy == "equal":
        return _equal(first, last, _count(first, last, limit) if frames == "auto" else int(frames))
    found = {"30d": _steps, "month": _months, "day": _days}[policy](first, last)
    wanted = min(limit, len(found)) if frames == "auto" else int(frames)
    if len(found) < wanted:
        raise RoiError(
            f"frames is {wanted} with frame_policy {policy}, but the window {start} to "
            f"{end} has {len(found)}"
        )
    edges = [len(found) * i // wanted for i in range(wanted + 1)]
    return [(found[a][0], found[b - 1][1]) for a, b in itertools.pairwise(edges)]


def _count(first: date, last: date, limit: int) -> int:
    return min(max((last - first).days // DAYS_PER_FRAME, 1), limit)


def _equal(first: date, last: date, count: int) -> list[Bin]:
    days = (last - first).days
    if count > days:
        raise RoiError(f"frames is {count}, but the window {first} to {last} has {days} days")
    edges = [first + timedelta(days=days * i // count) for i in range(count + 1)]
    return list(itertools.pairwise(edges))


def _steps(first: date, last: date) -> list[Bin]:
    days = (last - first).days
    count = max((days + DAYS_PER_FRAME // 2) // DAYS_PER_FRAME, 1)
    edges = [first + timedelta(days=i * DAYS_PER_FRAME) for i in range(count)]
    return list(itertools.pairwise([*edges, last]))


def _months(first: date, last: date) -> list[Bin]:
    found = []
    while first < last:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        found.append((first, min(following, last)))
        first = following
    return found


def _days(first: date, last: date) -> list[Bin]:
    edges = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return list(itertools.pairwise(edges))


def mean_date(times: list[str]) -> str:
    """The day in the middle of some acquisitions: their mean, rounded down."""
    days = [date.fromisoformat(t[:10]).toordinal() for t in times]
    return date.fromordinal(sum(days) // len(days)).isoformat()
