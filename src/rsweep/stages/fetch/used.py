"""Which scenes on a disk the ROIs of a shard use: what its files are made of, beside settings.

A scene is used by a ROI whose window it is of and whose surroundings its box meets. That may be one
too many, which costs a fetch that was not needed when it changes, and never one too few.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rsweep.core.canonical import digest
from rsweep.core.nodes import KEY_LENGTH, Node
from rsweep.core.roi import Roi
from rsweep.core.shards import Shard
from rsweep.sources.held import Degrees, Held
from rsweep.sources.registry import find_provider
from rsweep.stages.fetch.reach import box_around, window_of
from rsweep.stages.fetch.spec import FetchSettings, fetch_settings

Scenes = dict[str, str]
"""Scene -> digest of all that it says and holds."""
Window = tuple[str, str]


def used_scenes(
    node: Node,
    options: Mapping[str, Any],
    shards: Iterable[Shard],
    known: Container[str] | None = None,
) -> dict[str, Scenes]:
    """Shard -> the scenes that its ROIs use; nothing where scenes are not on a disk.

    Args:
        node: a fetch.
        options: of its provider.
        shards: of the study.
        known: scenes of a lock, which alone are looked at; None: all.

    Raises:
        SourceError: the scenes cannot be read.
    """
    settings = fetch_settings(node)
    provider = find_provider(settings["provider"])
    held = provider.held(options, settings["collection"])
    if not held:
        return {}
    if provider.own_grid:
        return _own(held, shards, known)
    orbit = settings.get("orbit", "any")
    asked = [scene for scene in held if orbit == "any" or scene.orbit == orbit]
    lying = _Lying([scene for scene in asked if known is None or scene.id in known])
    return {shard.name: lying.used(settings, shard.rois) for shard in shards}


def _own(
    held: Sequence[Held], shards: Iterable[Shard], known: Container[str] | None
) -> dict[str, Scenes]:
    """Shard -> its own images, of which each is called as its ROI is."""
    digests = {scene.id: scene.digest for scene in held if known is None or scene.id in known}
    return {
        shard.name: {roi.id: digests[roi.id] for roi in shard.rois if roi.id in digests}
        for shard in shards
    }


def scenes_digest(scenes: Scenes) -> str:
    """Identity of the scenes that a shard uses."""
    return digest(scenes)[:KEY_LENGTH]


class _Lying:
    """Scenes by the boxes in which they lie, which many of them share."""

    def __init__(self, scenes: Sequence[Held]) -> None:
        from shapely import STRtree, box

        self._anywhere = [scene for scene in scenes if not scene.boxes]
        found: defaultdict[Degrees, list[Held]] = defaultdict(list)
        for scene in scenes:
            for one in scene.boxes:
                found[one].append(scene)
        parts = [(one, part) for one in found for part in _parts(one)]
        self._of = [found[one] for one, _ in parts]
        self._tree = STRtree([box(*part) for _, part in parts])
        self._within = functools.cache(self._find)

    def used(self, settings: FetchSettings, rois: Sequence[Roi]) -> Scenes:
        """Scenes that some ROIs use, under the settings of a fetch."""
        rois = list(rois)
        windows = [window_of(settings, roi) for roi in rois]
        boxes = [box_around(settings, roi) for roi in rois]
        met = {(windows[i], place) for i, place in self._meeting(boxes)}
        met |= {(window, -1) for window in windows}
        used = [scene for window, place in met for scene in self._within(window, place)]
        return {scene.id: scene.digest for scene in sorted(used, key=lambda scene: scene.id)}

    def _find(self, window: Window, place: int) -> list[Held]:
        scenes = self._anywhere if place < 0 else self._of[place]
        return [scene for scene in scenes if scene.within(*window)]

    def _meeting(self, boxes: Sequence[Degrees]) -> Iterator[tuple[int, int]]:
        """Index of a box, and place among the scenes' boxes of one that it meets."""
        from shapely import box

        turned = [
            (i, (west + turn, south, east + turn, north))
            for i, (west, south, east, north) in enumerate(boxes)
            for turn in _turns(west, east)
        ]
        given, places = self._tree.query(box(*zip(*(part for _, part in turned), strict=True)))
        for index, place in zip(given.tolist(), places.tolist(), strict=True):
            yield turned[index][0], place


def _turns(west: float, east: float) -> Iterator[float]:
    """Turns of the globe after which a part of a box is from -180 to 180 degrees."""
    yield from (turn for turn in (-360.0, 0.0, 360.0) if west + turn <= 180 and east + turn >= -180)


def _parts(box: Degrees) -> list[Degrees]:
    """A box of degrees in parts within -180 to 180; around a pole it is all that is north or south.

    Projected rasters around a pole are of all longitudes, and their outline does not tell that the
    pole is inside.
    """
    west, south, east, north = box
    if west > east:
        return [(west, south, 180.0, north), (-180.0, south, east, north)]
    if east - west > 350:
        south, north = (-90.0 if south < 0 else south), (90.0 if north > 0 else north)
    if west < -180 or east > 180:
        west, east = -180.0, 180.0
    return [(west, south, east, north)]
