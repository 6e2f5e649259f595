"""What makes a study another than a lock: its nodes, the scenes that they read, its packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.places import places_of
from rsweep.explain.causes import Cause, chain_causes
from rsweep.explain.chains import distance
from rsweep.explain.leaves import Change, changes
from rsweep.explain.scenes import SceneChanges, compare_scenes, merged
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.results.lock import locked_nodes
from rsweep.results.versions import versions
from rsweep.stages.fetch.manifest import unpack_scenes
from rsweep.stages.fetch.used import used_scenes

Lock = Mapping[str, Any]
"""A lock as `read_whole` gives it."""
UNSAID = ("written", "modified")
"""Of the versions in a lock, what no difference in a result comes from."""


@dataclass(frozen=True)
class Departure:
    """How a node of a study departs from a lock.

    Attributes:
        node: the node now.
        before: the node of the lock that it is compared with; None if it has none of the stage.
        causes: what differs, sources first; nothing where the keys are the same.
        scenes: scenes on a disk that differ, of the fetches that both read.
    """

    node: Node
    before: Node | None
    causes: tuple[Cause, ...]
    scenes: SceneChanges

    @property
    def same(self) -> bool:
        """True if the lock has this node, made of the same scenes."""
        return self.before is not None and self.before.key == self.node.key and not self.scenes


def departures_from(study: Study, profile: Profile, lock: Lock) -> Iterator[Departure]:
    """How each node of a profile departs from a lock, sources first.

    Compared is the profile of the same name where the lock has one, else the nearest node.
    """
    locked = locked_nodes(lock)
    places = places_of(study.rois, study.shards)
    own = _chain(lock, locked, profile.name)
    for node in profile.node.upstream():
        before = locked.get(node.key) or _nearest(node, own) or _nearest(node, locked)
        causes = chain_causes(before, node, profile.settings, places) if before else []
        yield Departure(node, before, tuple(causes), _scenes(study, node, lock))


def _chain(lock: Lock, locked: Mapping[str, Node], profile: str) -> dict[str, Node]:
    """Nodes of a lock's profile by key."""
    keys = lock["profiles"].get(profile, {}).values()
    return {key: locked[key] for joined in keys for key in joined.split("+") if key in locked}


def _nearest(node: Node, among: Mapping[str, Node]) -> Node | None:
    same = [other for other in among.values() if other.stage == node.stage]
    return min(same, key=lambda other: distance(other, node), default=None)


def _scenes(study: Study, node: Node, lock: Lock) -> SceneChanges:
    """Scenes that the lock names of the fetches of a node, as they are on the disk now."""
    options = study.node_options()
    found = []
    for fetch in node.upstream():
        before = unpack_scenes(lock["fetch"].get(fetch.key, {}))
        if before:
            now = used_scenes(fetch, options[fetch.key], study.shards)
            found += [compare_scenes(used, now.get(s, {})) for s, used in before.items()]
    return merged(found)


def package_changes(lock: Lock) -> list[Change]:
    """Packages of other versions than the lock's; they may change values under the same key."""
    old, new = (
        {n: v for n, v in told.items() if n not in UNSAID}
        for told in (lock.get("versions", {}), versions())
    )
    return changes(old, new)
