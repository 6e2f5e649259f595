"""What a store holds: the chains of nodes that its settings.json files tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsweep.core.canonical import canonical_json
from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.explain.leaves import changes


class StoredNodes:
    """The nodes of a store, read once each."""

    def __init__(self, store: Store) -> None:
        self._root = store.root
        self._read: dict[tuple[str, str], Node | None] = {}
        self._stages = [f.name for f in _folders(store.root)]

    def of_stage(self, stage: str) -> Iterator[Node]:
        """Every node of a stage whose settings can be read, by key."""
        for folder in sorted(_folders(self._root / stage)):
            if node := self.find(stage, folder.name):
                yield node

    def find(self, stage: str, key: str) -> Node | None:
        """A node as its settings.json tells it; None if that or one before it is not there."""
        if (stage, key) not in self._read:
            self._read[stage, key] = self._load(stage, key)
        return self._read[stage, key]

    def _load(self, stage: str, key: str) -> Node | None:
        try:
            told = json.loads((self._root / stage / key / "settings.json").read_text())
            inputs = {name: self._any(found) for name, found in told["inputs"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        known = {name: node for name, node in inputs.items() if node}
        if len(known) < len(inputs):
            return None
        node = Node(told["stage"], told["version"], told["settings"], known)
        return node if node.key == key else None

    def _any(self, key: str) -> Node | None:
        found = (self.find(stage, key) for stage in self._stages)
        return next((node for node in found if node), None)

    def nearest(self, node: Node) -> Node | None:
        """The stored node of the same stage that differs least; its own is not meant."""
        others = [other for other in self.of_stage(node.stage) if other.key != node.key]
        return min(others, key=lambda other: distance(other, node), default=None)


def _folders(path: Path) -> list[Path]:
    return [f for f in path.iterdir() if f.is_dir()] if path.is_dir() else []


def distance(one: Node, other: Node) -> int:
    """How many values differ between two chains of nodes."""
    if one.key == other.key:
        return 0
    own = len(changes(plain(one.settings), plain(other.settings))) + (one.version != other.version)
    names = {*one.inputs, *other.inputs}
    both = [n for n in names if n in one.inputs and n in other.inputs]
    lone = 10 * (len(names) - len(both))
    return own + lone + sum(distance(one.inputs[n], other.inputs[n]) for n in both)


def plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples are lists, whole floats stay numbers."""
    return json.loads(canonical_json(value))
