"""Why each stage of a profile is there already, or would run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rsweep.core.nodes import Node
from rsweep.core.places import Places
from rsweep.core.settings import ProfileSettings
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.explain.causes import Cause, chain_causes
from rsweep.explain.chains import StoredNodes
from rsweep.explain.scenes import SceneChanges, merged, scenes_since
from rsweep.plan.nodes import UNKNOWN
from rsweep.stages.registry import STAGES


@dataclass(frozen=True)
class Reason:
    """A node of a profile: how much of it is there, and why the rest would run.

    Attributes:
        node: the node.
        present, wanted: its files that are there, and that the study needs.
        nearest: the stored node that differs least, if the node has no file at all.
        causes: what differs from that, sources first.
        scenes: which scenes on a disk are others than those of earlier files of what is absent.
    """

    node: Node
    present: int
    wanted: int
    nearest: Node | None = None
    causes: tuple[Cause, ...] = ()
    scenes: SceneChanges = field(default_factory=SceneChanges)

    @property
    def runs(self) -> bool:
        """True if a run of the study makes files of this node."""
        return self.present < self.wanted


def profile_reasons(
    node: Node,
    settings: ProfileSettings,
    shards: Sequence[Shard],
    store: Store,
    places: Places = UNKNOWN,
) -> Iterator[Reason]:
    """A reason for every node of a profile, sources first.

    Args:
        node: the last node of the profile.
        settings: the profile's settings.
        shards: of the study.
        store: where files are looked for.
        places: of the study.
    """
    stored = StoredNodes(store)
    for one in node.upstream():
        absent = [shard for shard in shards if not store.path(one, shard.name).exists()]
        scenes = _scenes(one, settings, absent, store)
        near = stored.nearest(one) if len(absent) == len(shards) and not scenes else None
        causes = tuple(chain_causes(near, one, settings, places)) if near else ()
        yield Reason(one, len(shards) - len(absent), len(shards), near, causes, scenes)


def _scenes(
    node: Node, settings: ProfileSettings, absent: Sequence[Shard], store: Store
) -> SceneChanges:
    """Changes of scenes of the fetches that a node is made of, where any of its files was made."""
    if not absent or not store.folder(node).is_dir():
        return SceneChanges()
    options = STAGES["fetch"].options(settings)
    fetches = [one for one in node.upstream() if one.stage == "fetch"]
    return merged(scenes_since(fetch, options, absent, store) for fetch in fetches)
