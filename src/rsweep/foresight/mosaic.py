"""What it takes that the grids of neighbouring ROIs join: tiles on a lattice that ROIs share."""

from __future__ import annotations

from dataclasses import dataclass

from rsweep.core.nodes import Node
from rsweep.foresight.volumes import Places, merged, tiles_in
from rsweep.plan.nodes import build_nodes
from rsweep.plan.study import Study


@dataclass(frozen=True)
class MosaicCost:
    """Tiles of all ROIs, about, summed over the networks whose lattice ROIs share.

    Attributes:
        shared: as the study has it.
        own: with `lattice: roi`.
    """

    shared: float
    own: float


def mosaic_cost(study: Study) -> MosaicCost | None:
    """Tiles on shared lattices, beside those of each ROI's own; None where no lattice is shared."""
    pairs: dict[str, tuple[Node, Node]] = {}
    for profile in study.profiles:
        infer, prep = _infer(profile.node), _prep(profile.node)
        if prep.settings.get("lattice") == "shared" and infer.key not in pairs:
            own = build_nodes({**profile.settings, "lattice": "roi"})
            pairs[infer.key] = prep, _prep(own)
    if not pairs:
        return None
    (places,) = merged([Places(shard.extents) for shard in study.shards])
    return MosaicCost(
        shared=sum(tiles_in(prep, places)[0] for prep, _ in pairs.values()),
        own=sum(tiles_in(prep, places)[0] for _, prep in pairs.values()),
    )


def _prep(node: Node) -> Node:
    return next(n for n in node.upstream() if n.stage == "prep")


def _infer(node: Node) -> Node:
    return next(n for n in node.upstream() if n.stage == "infer")
