"""What a lock holds of a fetch, without saying anything twice.

Neighbouring ROIs share scenes, and all ROIs of a fetch share most of what was asked of it. So the
scenes of all ROIs are one list, and what is the same for every ROI is said once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.core.canonical import canonical_json

Entries = Mapping[str, Mapping[str, Any]]
"""ROI -> what was fetched of it: `scenes` and more, or `error`."""


def pack(entries: Entries) -> dict[str, Any]:
    """`scenes`, each once; `common`, the same for every ROI; `rois`, what is left of each."""
    scenes: dict[str, int] = {}
    listed: list[Any] = []
    rois: dict[str, dict[str, Any]] = {}
    for roi, entry in entries.items():
        rois[roi] = dict(entry)
        if entry.get("scenes"):
            for scene in entry["scenes"]:
                text = canonical_json(scene)
                if text not in scenes:
                    scenes[text] = len(listed)
                    listed.append(scene)
            rois[roi]["scenes"] = [scenes[canonical_json(scene)] for scene in entry["scenes"]]
    common = _common(rois)
    rest = {roi: {n: v for n, v in own.items() if n not in common} for roi, own in rois.items()}
    return {"common": common, "scenes": listed, "rois": rest}


def _common(rois: Entries) -> dict[str, Any]:
    """Values that every ROI has; a list of scenes is a ROI's own, even where all are alike."""
    entries = list(rois.values())
    first = entries[0] if entries else {}
    return {
        name: value
        for name, value in first.items()
        if name != "scenes" and all(name in e and e[name] == value for e in entries)
    }


def unpack(packed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What `pack` was given; locks of before, which had nothing packed, are given back as is."""
    if "common" not in packed:
        return {roi: dict(entry) for roi, entry in packed["rois"].items()}
    scenes = packed["scenes"]
    found = {}
    for roi, own in packed["rois"].items():
        found[roi] = {**packed["common"], **own}
        if own.get("scenes"):
            found[roi]["scenes"] = [scenes[index] for index in own["scenes"]]
    return found


def pack_scenes(used: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Scenes on a disk that each shard used: `digests` of them all, and by shard their names."""
    digests = {name: held for scenes in used.values() for name, held in scenes.items()}
    shards = {shard: sorted(scenes) for shard, scenes in used.items()}
    return {"digests": dict(sorted(digests.items())), "shards": shards}


def unpack_scenes(held: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What `pack_scenes` was given; locks of before have nothing of it."""
    told = held.get("held") or {"shards": {}}
    return {
        shard: {name: told["digests"][name] for name in names}
        for shard, names in told["shards"].items()
    }


def locked_scenes(lock: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Fetch key -> scenes on a disk that a lock names, of those fetches of which it names any."""
    found = {key: unpack_scenes(held) for key, held in lock["fetch"].items()}
    return {
        key: frozenset(name for scenes in used.values() for name in scenes)
        for key, used in found.items()
        if used
    }
