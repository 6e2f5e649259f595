"""The offset of each Sentinel-2 scene, by its processing baseline.

From 04.00 on ESA adds 1000 to every value. A folder may hold scenes from before and after, and
files that somebody has harmonised: what a scene holds is known from its metadata, its name, or the
layout, and is never guessed from its date.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rsweep.sources.baseline import FIRST_BASELINE, OFFSET
from rsweep.sources.local.layout import Section
from rsweep.sources.local.scene import LocalScene
from rsweep.sources.units import CANONICAL

_IN_NAME = re.compile(r"(?<![A-Za-z0-9])N(\d{4})(?![A-Za-z0-9])")
_DIGITS = re.compile(r"N?(\d{1,2})\.?(\d{2})")
CUSTOM = "99.99"
"""What processing by users is called; it says nothing of the offset."""
SHOWN = 5


def normal(text: object) -> str | None:
    """A baseline as "04.00", of "N0400", "0400", "4.00" or "04.00"; None where it tells nothing."""
    found = _DIGITS.fullmatch(str(text).strip())
    baseline = f"{int(found[1]):02d}.{found[2]}" if found else None
    return None if baseline == CUSTOM else baseline


def baseline_of(path: str) -> str | None:
    """The baseline in the name of a product, as ESA writes it: S2A_MSIL2A_…_N0400_R022_…"""
    found = _IN_NAME.search(path)
    return normal(found[1]) if found else None


def with_offsets(
    section: Section, scenes: Sequence[LocalScene]
) -> tuple[list[LocalScene], list[str]]:
    """Scenes with the offset of each, and what is wrong.

    The layout's `offset` is every scene's. Without one, a Sentinel-2 scene has that of its own
    metadata or baseline; scenes that tell neither have none, unless others of the folder have one.
    """
    if section.offset is not None:
        return [replace(scene, offset=section.offset) for scene in scenes], []
    if not section.sensor.startswith("s2") or section.unit != CANONICAL:
        return list(scenes), []
    found = [_with_own(scene) for scene in scenes]
    shifted = [scene.id for scene in found if scene.offset]
    silent = [scene.id for scene in found if not _tells(scene)]
    if not shifted or not silent:
        return found, []
    more = f" and {len(silent) - SHOWN} more" if len(silent) > SHOWN else ""
    return found, [
        f"{', '.join(silent[:SHOWN])}{more}: their values may have the offset of {OFFSET:g} that "
        f"{shifted[0]} has, and nothing tells; give the baseline (a group (?P<baseline>…) of "
        "`files`, or `sidecar: {baseline: …}`), `sidecar: {offset: …}`, or one `offset` for all"
    ]


def _tells(scene: LocalScene) -> bool:
    return "offset" in scene.properties or scene.properties.get("baseline") is not None


def _with_own(scene: LocalScene) -> LocalScene:
    if "offset" in scene.properties:
        return replace(scene, offset=float(scene.properties["offset"]))
    baseline = scene.properties.get("baseline")
    return replace(scene, offset=OFFSET if baseline and baseline >= FIRST_BASELINE else 0.0)
