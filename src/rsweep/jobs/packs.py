"""Packs: inference cells that one cluster job runs, with their network loaded once.

A pack is a Snakemake group: cells of the same weights on consecutive shards. To Snakemake a group
is one thing, which fails as a whole and is tried again as a whole. Cells that are finished are then
there and not made again; and a cell that fails is noted, so that the next run puts it in a pack of
its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.core.canonical import digest
from rsweep.core.nodes import Node

if TYPE_CHECKING:
    from rsweep.plan.workflow import Plan

PACK_S = 1800.0
"""Expected seconds of a pack: far more than starting takes, and less than short queues allow."""
FOLDER = ".packed"
"""Beside the outputs of a node; removed when a study is complete."""
PACKED = "RSWEEP_PACKED"
"""Environment variable: set in the jobs of a cluster, where cells may be in a pack."""
WEIGHTS = ("model", "variant", "weights", "seed", "sha256", "repository", "revision", "file", "url")
"""Settings of an inference node that say which weights it loads."""


def pack_name(plan: Plan, key: str, file: str) -> str:
    """The group of a cell: its weights and its stretch of shards, or itself if it has failed."""
    node, shard = plan.nodes[key], plan.shard(key, file).name
    if _failed(Path(plan.file(node, shard))).exists():
        return f"infer-{key}-{file}"
    weights = _weights(node)
    number, length = _shards_per_pack(plan)[weights]
    return f"infer-{weights}-{number[shard] // length}"


def _weights(node: Node) -> str:
    own: Mapping[str, Any] = {n: node.settings[n] for n in WEIGHTS if n in node.settings}
    return digest(own)[:8]


@cache
def _shards_per_pack(plan: Plan) -> dict[str, tuple[dict[str, int], int]]:
    """Weights -> place of each shard, and how many shards make a pack."""
    from rsweep.plan.estimates import seconds_of

    gpus = plan.study.options["gpus"]
    number = {name: n for n, name in enumerate(plan.shards)}
    longest = max(plan.shards.values(), key=lambda shard: len(shard.rois))
    total: dict[str, float] = {}
    for node in plan.nodes.values():
        if node.stage == "infer":
            name = _weights(node)
            total[name] = total.get(name, 0.0) + seconds_of(node, longest, 2, gpus)
    return {name: (number, max(1, int(PACK_S / seconds))) for name, seconds in total.items()}


def _failed(output: Path) -> Path:
    return output.parent / FOLDER / f"{output.stem}.failed"


def is_done(output: Path) -> bool:
    """True if an earlier attempt at a pack has made this cell."""
    if not os.environ.get(PACKED) or not output.exists():
        return False
    from rsweep.core.files import is_sealed  # a client that has a worker needs no HDF5

    return is_sealed(output)


def note_success(output: Path) -> None:
    """Forget that a cell has failed."""
    _failed(output).unlink(missing_ok=True)


def note_failure(output: Path) -> None:
    """Have the next run put this cell in a pack of its own."""
    if os.environ.get(PACKED):
        failed = _failed(output)
        failed.parent.mkdir(parents=True, exist_ok=True)
        failed.touch()


def release(plan: Plan) -> None:
    """Forget which cells have failed: the study is complete."""
    for node in plan.nodes.values():
        if node.stage == "infer":
            shutil.rmtree(Path(plan.file(node, "x")).parent / FOLDER, ignore_errors=True)
