"""The page's section on imagery: frames, their days and scenes, masks and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.report.markup import Column, Html, join, table, tag
from rsweep.results.imagery import Imagery
from rsweep.results.ran import Ran

COLUMNS = ("Profiles", "Sensor", "Frame", "Days", "Mean day of its scenes", "Scenes", "ROIs",
           "Cloud mask")  # fmt: skip


def imagery_section(ran: Mapping[str, Ran]) -> Html:
    """A table of frames, those that profiles share told once, and the warnings below it."""
    sets: dict[tuple[Imagery, ...], list[str]] = {}
    for profile, each in ran.items():
        sets.setdefault(each.imagery, []).append(profile)
    body = [row for found, names in sets.items() for row in _rows(found, _who(names, len(ran)))]
    if not body:
        return tag("p", "No ROI has an embedding.")
    lines = dict.fromkeys(_warnings(sets))
    warned = tag("ul", *(tag("li", line) for line in lines)) if lines else ""
    return join([table("Frames that the models were fed", [Column(n) for n in COLUMNS], body),
                 warned])  # fmt: skip


def _who(names: list[str], count: int) -> str:
    return "all" if len(names) == count else ", ".join(names)


def _rows(found: tuple[Imagery, ...], who: str) -> list[list[Any]]:
    return [
        [who, f.sensor, f.frame, f"{f.days[0]} to {f.days[1]}", _span(*f.dates), _span(*f.scenes),
         f.rois, ", ".join(f.masks)]
        for f in found
    ]  # fmt: skip


def _span(least: Any, most: Any) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _warnings(sets: Mapping[tuple[Imagery, ...], list[str]]) -> list[str]:
    return [
        f"{frame.sensor}, {count} ROI{'s' * (count != 1)}: {text}"
        for found in sets for frame in found for text, count in frame.warnings
    ]  # fmt: skip
