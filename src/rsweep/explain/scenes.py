"""Which scenes on a disk are others than when a shard was last fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.stages.fetch.format import read_held
from rsweep.stages.fetch.used import Scenes, used_scenes

SHOWN = 5
"""Scenes of a kind that are named."""


@dataclass(frozen=True)
class SceneChanges:
    """Scenes by name that came, went, or hold something else."""

    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        kinds = (("changed", self.changed), ("gone", self.gone), ("added", self.added))
        return "; ".join(f"scenes {kind}: {_listed(names)}" for kind, names in kinds if names)

    def __bool__(self) -> bool:
        return bool(self.added or self.gone or self.changed)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def compare_scenes(before: Scenes, after: Scenes) -> SceneChanges:
    """What differs between two states of the scenes that a shard uses."""
    return SceneChanges(
        tuple(sorted(set(after) - set(before))),
        tuple(sorted(set(before) - set(after))),
        tuple(sorted(name for name in before if after.get(name, before[name]) != before[name])),
    )


def scenes_since(
    node: Node, options: Mapping[str, Any], shards: Sequence[Shard], store: Store
) -> SceneChanges:
    """What came, went or changed since some shards of a fetch were last fetched.

    Args:
        node: the fetch.
        options: of its provider.
        shards: those whose files are not there.
        store: where earlier files of them are looked for.
    """
    asked = [shard for shard in shards if shard.name in node.scenes]
    if not asked:
        return SceneChanges()
    held = last_held(node, store)
    now = used_scenes(node, options, asked)
    return merged(compare_scenes(held[s], used) for s, used in now.items() if s in held)


def merged(changes: Iterable[SceneChanges]) -> SceneChanges:
    """All changes as one."""
    every = list(changes)
    return SceneChanges(
        tuple(sorted({name for one in every for name in one.added})),
        tuple(sorted({name for one in every for name in one.gone})),
        tuple(sorted({name for one in every for name in one.changed})),
    )


def last_held(node: Node, store: Store) -> dict[str, Scenes]:
    """Shard -> the scenes of the youngest of its files of a fetch that is not of its scenes now."""
    now = {store.path(node, shard) for shard in node.scenes}
    files = (path for path in store.folder(node).glob("*.h5") if path not in now)
    found: dict[str, Scenes] = {}
    for path in sorted(files, key=lambda path: path.stat().st_mtime):
        found |= dict(_held(path))
    return found


def _held(path: Path) -> Iterator[tuple[str, Scenes]]:
    with suppress(OSError, ValueError, KeyError), h5py.File(path, "r", locking=False) as file:
        yield read_held(file)
