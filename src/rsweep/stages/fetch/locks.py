"""Scene locks: what was fetched of each ROI, and the proof that it can be fetched again.

`study.lock.json` holds under `fetch: <key>: rois: <id>` what `sources.stage` says of a ROI. A
frozen fetch reads exactly those scenes: before any pixel every one of them is looked for, and
afterwards the pixels must have the digest of the lock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.canonical import canonical_json, digest
from rsweep.core.errors import RoiError, SourceError
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.sources.protocol import Scene, Source
from rsweep.stages.fetch.manifest import locked_scenes, unpack
from rsweep.stages.fetch.place import Place, source_and_place

LOCKED = (
    "error",
    "provider",
    "collection",
    "grid",
    "start",
    "end",
    "bands",
    "scenes",
    "request",
    "sha256",
)
"""What a lock keeps of what a fetch says of a ROI."""
ADDRESSES = "assets"
"""Property of a scene that says where its files are: they may move, their pixels may not."""
MOST_LINES = 100

Entry = Mapping[str, Any]


class PixelDigest:
    """sha256 of stored arrays with their names, types and shapes, in the order of the scenes."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, layers: Mapping[str, NDArray[Any]]) -> None:
        """Take the layers of one more scene."""
        for name in sorted(layers):
            array = np.ascontiguousarray(layers[name])
            self._sha.update(canonical_json([name, array.dtype.str, array.shape]).encode())
            self._sha.update(array.tobytes())

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._sha.hexdigest()


def request_digest(node: Node, bands: Sequence[str], place: Entry, scenes: Sequence[str]) -> str:
    """Identity of what was asked for: provider, collection, bands, grid, window, scene ids."""
    return digest(
        {
            "provider": node.settings["provider"],
            "collection": node.settings["collection"],
            "bands": list(bands),
            "grid": place["grid"],
            "window": [place["start"], place["end"]],
            "scenes": list(scenes),
        }
    )


@dataclass(frozen=True)
class Lock:
    """What a lock file holds of one fetch key.

    Attributes:
        path: the file, for messages.
        rois: ROI -> what was fetched of it.
        scenes: names of those on a disk that were there for its ROIs; None of a service's.
    """

    path: str
    rois: Mapping[str, Entry]
    scenes: frozenset[str] | None = None

    def entry(self, roi_id: str) -> Entry:
        """What was fetched of a ROI.

        Raises:
            SourceError: the lock does not have it.
        """
        if roi_id not in self.rois:
            raise SourceError(
                f"{self.path} has no ROI {roi_id!r}; a frozen study fetches only what its lock has"
            )
        return self.rois[roi_id]

    @property
    def tag(self) -> str:
        """Keeps apart what fetches under different locks leave when they are stopped."""
        return digest(self.rois)[:8]


def read_lock(path: str, node: Node) -> Lock:
    """The part of a lock file that is about a fetch.

    Raises:
        SourceError: the file cannot be read, or has nothing of this fetch.
    """
    try:
        whole = json.loads(Path(path).read_text())
        fetched = whole["fetch"]
        own = fetched.get(node.key)
        rois = {roi: _entry(held) for roi, held in unpack(own).items()} if own else {}
        scenes = locked_scenes(whole).get(node.key)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SourceError(f"{path} is not a lock that rsweep wrote ({error!r})") from error
    if not own:
        raise SourceError(
            f"{path} has no fetch key {node.key}; it has "
            f"{', '.join(fetched) or 'none'}. Fetch settings differ from those of "
            "the lock"
        )
    return Lock(path, rois, scenes)


def _entry(held: Any) -> Entry:
    """What a lock says of a ROI: why there is nothing, or scenes with their ids.

    Raises:
        ValueError, KeyError, TypeError: it says something else.
    """
    if not held["error"] and not all(isinstance(scene["id"], str) for scene in held["scenes"]):
        raise ValueError("a scene's id is no text")
    return dict(held)


@dataclass(frozen=True)
class Pinned:
    """A ROI of a lock whose scenes are all there.

    Attributes:
        entry: what the lock says of it.
        scenes: its scenes, where the provider has them now.
    """

    entry: Entry
    scenes: Sequence[Scene] = field(default_factory=tuple)

    def check(self, roi_id: str, sha256: str) -> None:
        """Compare pixels that were read with the lock's.

        Raises:
            SourceError: they are others.
        """
        if sha256 != self.entry.get("sha256"):
            raise SourceError(
                f"ROI {roi_id}: the pixels of its locked scenes have changed: sha256 "
                f"{sha256}, in the lock {self.entry.get('sha256')}"
            )


def pin(
    lock: Lock, node: Node, bands: Sequence[str], source: Source, rois: Sequence[Roi]
) -> dict[str, Pinned]:
    """ROI -> its locked scenes, all of which the provider still has; no pixel is read.

    Raises:
        SourceError: a ROI that the lock lacks; or the list of what is missing or has changed.
        TransientError: the provider cannot say now.
    """
    found: dict[str, Pinned] = {}
    problems: list[str] = []
    for roi in rois:
        found[roi.id], wrong = _pin_roi(lock.entry(roi.id), node, bands, source, roi)
        problems += [f"ROI {roi.id}: {text}" for text in wrong]
    problems += _versions(source, found.values())
    if problems:
        raise SourceError(_list(lock, problems))
    return found


def _pin_roi(
    entry: Entry, node: Node, bands: Sequence[str], source: Source, roi: Roi
) -> tuple[Pinned, list[str]]:
    if entry["error"]:
        return Pinned(entry), []
    scenes: Sequence[Scene] = [Scene(**scene) for scene in entry["scenes"]]
    try:
        own, place = source_and_place(source, node, roi)
    except RoiError as error:
        return Pinned(entry, scenes), [str(error)]
    wrong = _other_request(node, bands, place, entry)
    if not wrong and not hasattr(source, "check_pinned"):
        scenes, wrong = _listed(own, place, scenes)
    return Pinned(entry, scenes), wrong


def _list(lock: Lock, problems: Sequence[str]) -> str:
    lines = "".join(f"\n  {line}" for line in problems[:MOST_LINES])
    more = len(problems) - MOST_LINES
    rest = f"\n  and {more} more" if more > 0 else ""
    return (
        f"{len(problems)} scenes or ROIs of {lock.path} are missing or have changed; nothing "
        f"was fetched{lines}{rest}"
    )


def _other_request(node: Node, bands: Sequence[str], place: Place, entry: Entry) -> list[str]:
    """What of the request differs from the lock's."""
    now = {**place.to_dict(), "bands": list(bands)}
    ids = [scene["id"] for scene in entry["scenes"]]
    if request_digest(node, bands, now, ids) == entry["request"]:
        return []
    differ = [n for n in ("grid", "start", "end", "bands") if now[n] != entry.get(n)]
    return [f"its {', '.join(differ) or 'request'} is not the lock's"]


def _versions(source: Source, pinned: Any) -> list[str]:
    """What a source that can ask for versions says of all scenes at once."""
    check = getattr(source, "check_pinned", None)
    scenes = {scene.id: scene for one in pinned for scene in one.scenes}
    if check is None or not scenes:
        return []
    try:
        return list(check(list(scenes.values())))
    except RoiError as error:
        raise SourceError(f"the locked scenes cannot be looked for: {error}") from error


def _listed(source: Source, place: Place, locked: Sequence[Scene]) -> tuple[list[Scene], list[str]]:
    """The locked scenes as a listing has them now, and what is missing or has changed."""
    try:
        found = {s.id: s for s in source.scenes(place.grid, place.start, place.end)}
    except RoiError as error:
        return [], [f"{scene.id}: missing ({error})" for scene in locked]
    problems = [f"{s.id}: missing" for s in locked if s.id not in found]
    for scene in locked:
        if scene.id in found:
            problems += _changes(scene, found[scene.id])
    return [found[s.id] for s in locked if s.id in found], problems


def _changes(locked: Scene, now: Scene) -> list[str]:
    before, after = _identity(locked), _identity(now)
    return [
        f"{locked.id}: changed: {name} {before.get(name)} is now {after.get(name)}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _identity(scene: Scene) -> dict[str, Any]:
    """What makes it the same scene. The cloud share is the lock's, whatever it is now."""
    own = {k: v for k, v in scene.properties.items() if k != ADDRESSES}
    told = {"time": scene.time, "gain": scene.gain, "offset": scene.offset, **own}
    return dict(json.loads(canonical_json(told)))
