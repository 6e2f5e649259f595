"""Keys: what identifies the output of a stage, from the settings that it reads and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """

    stage: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, Node] = field(default_factory=dict)
    key: str = ""

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

    def upstream(self) -> list[Node]:
        """This node and all that it depends on, sources first, each once."""
        found: dict[str, Node] = {}
        for node in self.inputs.values():
            found.update({n.key: n for n in node.upstream()})
        found[self.key] = self
        return list(found.values())
