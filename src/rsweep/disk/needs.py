"""Who needs which files of a store: studies, locks, and locks that were pinned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsweep.budget.evict import Artefact
from rsweep.core.errors import CorruptError, RsweepError
from rsweep.core.nodes import Node
from rsweep.core.sealed_json import read_sealed
from rsweep.core.store import Store
from rsweep.plan.stored import make_nodes
from rsweep.plan.study import load_study
from rsweep.results.lock import locked_nodes, read_whole

PINS = "pins"
"""Folder of a store: a copy of a lock there keeps what the lock names."""


@dataclass(frozen=True)
class Need:
    """What one study or lock needs.

    Attributes:
        name: the study, for people.
        profiles: profile -> keys of its nodes.
        files: key -> names of its files; a key of none stands for all of its files.
        pinned: True of a lock, whose files are never given up.
    """

    name: str
    profiles: dict[str, frozenset[str]]
    files: Mapping[str, frozenset[str]]
    pinned: bool

    def wants(self, file: Artefact) -> bool:
        """True if it needs a file."""
        own = self.files.get(file.key, frozenset())
        wanted = any(file.key in keys for keys in self.profiles.values())
        return wanted and (not own or file.shard in own)


def read_needs(store: Store, files: Sequence[Path]) -> list[Need]:
    """What the given studies and locks need, and the locks beside the store and pinned in it.

    Raises:
        RsweepError: a file is no study and no lock.
    """
    beside = sorted(store.root.parent.glob("*/study.lock.json"))
    pins = sorted((store.root / PINS).glob("*.json"))
    found = dict.fromkeys(path.resolve() for path in (*files, *beside, *pins))
    return [need(path) for path in found]


def planned_needs(store: Store) -> Iterator[Need]:
    """What the plans of studies beside the store need, which may be running now."""
    for plan in sorted(store.root.parent.glob("*/plan/*")):
        keys = frozenset(path.stem for path in (plan / "nodes").glob("*.json"))
        shards = [path.stem for path in (plan / "shards").glob("*.json")]
        if keys and shards:
            nodes = _planned(plan / "plan.json")
            yield Need(
                f"{plan.parts[-3]} (plan)", {"plan": keys}, _files(nodes, shards), pinned=False
            )


def _planned(plan: Path) -> dict[str, Node]:
    """The nodes of a plan; none of one that is damaged, whose keys then stand for all files."""
    try:
        return make_nodes(read_sealed(plan)["nodes"], plan)
    except CorruptError:
        return {}


def _files(nodes: Mapping[str, Node], shards: Sequence[str]) -> dict[str, frozenset[str]]:
    """Key -> names of a node's files."""
    return {key: frozenset(map(node.file, shards)) for key, node in nodes.items()}


def need(path: Path) -> Need:
    """What a study file or a lock needs.

    Raises:
        RsweepError: it is neither.
    """
    if path.is_dir():
        path = path / "study.lock.json"
    if path.suffix == ".json":
        lock = read_whole(path)
        files = _files(locked_nodes(lock), lock["rois"].get("shards", ()))
        return Need(str(lock.get("study", path)), _keys(lock["profiles"]), files, pinned=True)
    if not path.exists():
        raise RsweepError(f"{path}: no such study or lock")
    study = load_study(path)
    keys = {p.name: frozenset(n.key for n in p.node.upstream()) for p in study.profiles}
    files = _files(study.nodes(), [shard.name for shard in study.shards])
    return Need(study.name, keys, files, pinned=False)


def _keys(profiles: dict[str, dict[str, str]]) -> dict[str, frozenset[str]]:
    """Keys of each profile; a stage that runs once per sensor has several, joined by +."""
    return {name: frozenset(_split(keys)) for name, keys in profiles.items()}


def _split(keys: dict[str, str]) -> Iterator[str]:
    for text in keys.values():
        yield from text.split("+")
