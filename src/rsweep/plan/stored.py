"""The plan of a study on disk, as jobs read it: a job reads its node and its shard.

`results/<study>/plan/<digest>/` holds

    plan.json             profiles, nodes, options, shards by name: see `planning.py`
    nodes/<key>.json      a node, what it depends on, and what its job needs that no key holds
    shards/<shard>.json   the ROIs of a shard

The process that owns a run tells its jobs where the plan is, which it has found to be that of the
study; a job by itself looks for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

from rsweep.core.canonical import digest
from rsweep.core.errors import CorruptError
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.core.sealed_json import read_sealed

PLAN = "RSWEEP_PLAN"
"""Environment variable by which a Snakemake process tells its jobs the folder of its plan. It says
where to read, and never what."""

Row = list[Any]
"""A node as JSON: stage, version, settings, keys of its inputs by name, and its scenes."""


@dataclass(frozen=True)
class Told:
    """What a job needs to know of its node: which it is, its options, where outputs go.

    Attributes:
        options: node key -> what a job needs and no key holds, of the node and those before it.
    """

    node: Node
    options: Mapping[str, Mapping[str, Any]]
    store: str
    on_roi_error: str


def config_digest(config: Mapping[str, Any]) -> str:
    """Identity of a study file's content; the order of its mappings is the order of profiles."""
    return digest(json.dumps(named(config)))


def named(value: Any) -> Any:
    """A value of a YAML file as JSON can have it: names are text, and so is a date."""
    if isinstance(value, Mapping):
        return {str(name): named(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [named(item) for item in value]
    return str(value) if isinstance(value, date) else value


def tell(folder: Path) -> None:
    """Tell the jobs that this process starts where the plan of their study is."""
    os.environ[PLAN] = str(folder.absolute())


def told() -> Path | None:
    """Where the plan of a job's study is, if the owner of the job has said so."""
    folder = os.environ.get(PLAN)
    return Path(folder) if folder else None


def node_row(node: Node) -> Row:
    """A node as JSON."""
    inputs = {name: found.key for name, found in node.inputs.items()}
    return [node.stage, node.version, node.settings, inputs, node.scenes]


def make_nodes(rows: Mapping[str, Row], path: Path) -> dict[str, Node]:
    """Nodes by key, of rows in an order in which inputs come first.

    Raises:
        CorruptError: a node is not the one that its key stands for.
    """
    nodes: dict[str, Node] = {}
    for key, (stage, version, settings, inputs, scenes) in rows.items():
        found = {name: nodes[source] for name, source in inputs.items()}
        nodes[key] = Node(stage, version, settings, found, scenes=scenes)
        if nodes[key].key != key:
            raise CorruptError(path, f"node {key} has the settings of {nodes[key].key}")
    return nodes


def read_node(folder: Path, key: str) -> Told:
    """What a job needs to know of its node.

    Raises:
        CorruptError: it is not there, or was changed.
    """
    path = folder / "nodes" / f"{key}.json"
    found = read_sealed(path)
    node = make_nodes(found["nodes"], path)[key]
    return Told(node, found["options"], found["store"], found["on_roi_error"])


@lru_cache(maxsize=4)
def read_shard(folder: Path, name: str) -> tuple[Roi, ...]:
    """The ROIs of a shard.

    Raises:
        CorruptError: they are not there, or were changed.
    """
    rows = read_sealed(folder / "shards" / f"{name}.json")
    return tuple(Roi(*row) for row in rows)


def discard(folder: Path) -> None:
    """Have a plan that was changed on disk made anew by whoever looks for it next."""
    (folder / "plan.json").unlink(missing_ok=True)


def roi_row(roi: Roi) -> Row:
    """A ROI as JSON: what a `Roi` is made of, in order."""
    return [roi.id, roi.shape, roi.start, roi.end, roi.properties]


class StoredRois(Sequence[Roi]):
    """The ROIs of consecutive shards, of which a few are in memory at a time."""

    def __init__(self, folder: Path, sizes: Mapping[str, int]) -> None:
        self.folder, self.sizes = folder, sizes

    def __len__(self) -> int:
        return sum(self.sizes.values())

    def __iter__(self) -> Iterator[Roi]:
        for name in self.sizes:
            yield from read_shard(self.folder, name)

    @overload
    def __getitem__(self, at: int) -> Roi: ...
    @overload
    def __getitem__(self, at: slice) -> list[Roi]: ...
    def __getitem__(self, at: int | slice) -> Roi | list[Roi]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        place = range(len(self))[at]
        for name, size in self.sizes.items():
            if place < size:
                return read_shard(self.folder, name)[place]
            place -= size
        raise IndexError(at)
