"""sha256 of files, remembered by size and modification time so that planning reads them once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

MEMORY = Path(".snakemake/rsweep/digests.json")
"""Beside Snakemake's own notes on this working directory; losing it costs time, nothing else."""


def sha256_file(path: str | Path) -> str:
    """Hex digest of one file's content, read now."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_files(paths: Iterable[Path]) -> list[str]:
    """Digests in order; a file whose size and modification time are remembered is not read."""
    memory = _recall()
    known = dict(memory)
    digests = []
    for path in paths:
        stat = path.stat()
        name = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        if name not in memory:
            memory[name] = sha256_file(path)
        digests.append(memory[name])
    if memory != known:
        _remember(memory)
    return digests


def _recall() -> dict[str, str]:
    try:
        found = json.loads(MEMORY.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(memory: dict[str, str]) -> None:
    with contextlib.suppress(OSError):  # a read-only working directory only costs the memory
        MEMORY.parent.mkdir(parents=True, exist_ok=True)
        temporary = MEMORY.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(memory))
        temporary.replace(MEMORY)
