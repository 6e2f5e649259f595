"""Every file of a store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from rsweep.budget.evict import Artefact
from rsweep.core.store import Store
from rsweep.explain.chains import StoredNodes
from rsweep.stages.registry import STAGES

DAY_S = 86_400.0


def artefacts(store: Store) -> Iterator[Artefact]:
    """The files of every stage, by stage, key and shard."""
    now, nodes = time.time(), StoredNodes(store)
    for stage in STAGES:
        folder = store.root / stage
        keys = sorted(f.name for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
        for key in keys:
            node = nodes.find(stage, key)
            for path in sorted((folder / key).glob("*.h5")):
                told = store.read_record(node, path.stem) if node else {}
                yield _artefact(stage, key, path, now, float(told.get("seconds", 0.0)))


def _artefact(stage: str, key: str, path: Path, now: float, seconds: float) -> Artefact:
    found = path.stat()
    beside = path.with_suffix(".run.json")
    size = found.st_size + (beside.stat().st_size if beside.exists() else 0)
    age = max(now - found.st_mtime, 0.0) / DAY_S
    return Artefact(stage, key, path.stem, path, size, age, seconds)
