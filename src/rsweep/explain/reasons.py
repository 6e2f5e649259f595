"""Why each stage of a profile is there already, or would run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.explain.causes import Cause, chain_causes
from rsweep.explain.chains import StoredNodes


@dataclass(frozen=True)
class Reason:
    """A node of a profile: how much of it is there, and why the rest would run.

    Attributes:
        node: the node.
        present, wanted: its files that are there, and that the study needs.
        nearest: the stored node that differs least, if the node has no file at all.
        causes: what differs from that, sources first.
    """

    node: Node
    present: int
    wanted: int
    nearest: Node | None = None
    causes: tuple[Cause, ...] = ()

    @property
    def runs(self) -> bool:
        """True if a run of the study makes files of this node."""
        return self.present < self.wanted


def profile_reasons(
    node: Node, settings: Mapping[str, Any], shards: Sequence[str], store: Store
) -> Iterator[Reason]:
    """A reason for every node of a profile, sources first.

    Args:
        node: the last node of the profile.
        settings: the profile's settings.
        shards: names of the study's shards.
        store: where files are looked for.
    """
    stored = StoredNodes(store)
    for one in node.upstream():
        present = sum(store.path(one, shard).exists() for shard in shards)
        near = stored.nearest(one) if not present else None
        causes = tuple(chain_causes(near, one, settings)) if near else ()
        yield Reason(one, present, len(shards), near, causes)
