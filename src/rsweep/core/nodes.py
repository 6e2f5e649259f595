"""Keys: what identifies the output of a stage, from the settings that it reads and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rsweep.core.canonical import digest

KEY_LENGTH = 16
"""Hex digits of a key: 64 bits, one chance in a hundred of a collision among 600 million keys."""


@dataclass(frozen=True)
class Node:
    """One stage under one set of settings: a folder of the store.

    Attributes:
        stage: its name.
        version: the stage's version.
        settings: canonical values of what the stage reads.
        inputs: name -> node that it reads from (a sensor's name before the tiles).
        key: identity, derived from the above.
        scenes: of a fetch from a disk, shard -> digest of the scenes that its ROIs use. It is in
            the names of files, not in the key: a scene that changes is read again by the shards
            that use it, and by no other.
    """

    stage: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, Node] = field(default_factory=dict)
    key: str = ""
    scenes: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", digest(self.identity())[:KEY_LENGTH])

    def identity(self) -> dict[str, Any]:
        """What the key is a digest of; stored in clear as the folder's settings.json."""
        return {
            "stage": self.stage,
            "version": self.version,
            "settings": self.settings,
            "inputs": {name: node.key for name, node in self.inputs.items()},
        }

    def file(self, shard: str) -> str:
        """Name of the node's file for a shard: the shard's, or a digest of it and its scenes."""
        return self._files.get(shard, shard)

    def shard(self, file: str) -> str:
        """The shard whose file has a name; see `file`."""
        return self._shards.get(file, file)

    @cached_property
    def _files(self) -> dict[str, str]:
        read = [node.scenes for node in self.upstream() if node.scenes]
        shards = {
            shard: sorted({s[shard] for s in read if shard in s}) for s in read for shard in s
        }
        return {shard: digest([shard, used])[:KEY_LENGTH] for shard, used in shards.items()}

    @cached_property
    def _shards(self) -> dict[str, str]:
        return {file: shard for shard, file in self._files.items()}

    def upstream(self) -> list[Node]:
        """This node and all that it depends on, sources first, each once."""
        found: dict[str, Node] = {}
        for node in self.inputs.values():
            found.update({n.key: n for n in node.upstream()})
        found[self.key] = self
        return list(found.values())


def name_of(node: Node, shard: str) -> str:
    """Where a node's file is in a store, without its suffix."""
    return f"{node.stage}/{node.key}/{node.file(shard)}"
