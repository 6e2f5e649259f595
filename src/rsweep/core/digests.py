"""What files hold, remembered by path and state so that a second look only stats them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

CACHE = Path(".snakemake/rsweep")
"""Under the working directory, which is the study's; a copy that is lost is only worked out again.
"""
_SETTLED_NS = 2_000_000_000
"""A file changed within this time of being read may change again without its time showing it."""


@dataclass(frozen=True)
class File:
    """A file of a folder: its path from there, with "/", its size, and when it changed.

    The time of change (`ctime_ns`) and the inode tell a file that was replaced by one of the same
    size and modification time, as archives and `cp -p` leave it.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0

    @classmethod
    def of(cls, path: str, stat: os.stat_result) -> File:
        """A file as its folder tells of it."""
        return cls(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)

    @property
    def state(self) -> list[int]:
        """What is no longer the same once its content may have changed."""
        return [self.size, self.mtime_ns, self.ctime_ns, self.inode]


_memory: dict[tuple[str, str, File], Any] = {}
"""(kind of fact, folder, file) -> the fact."""


def walk(root: Path) -> list[File]:
    """Every file under a folder, ordered by path; links to folders are followed once."""
    found: list[File] = []
    seen: set[str] = set()
    for folder, names, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        for name in files:
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):  # a broken link
                found.append(File.of(path.relative_to(root).as_posix(), path.stat()))
    return sorted(found, key=lambda file: file.path)


def digests(root: Path, files: Iterable[File]) -> dict[str, str]:
    """Relative path -> sha256 of the file's content, in hexadecimal.

    Raises:
        OSError: a file cannot be read.
    """
    return remembered("digests", root, files, partial(_hash_all, root))


def remembered(
    kind: str, root: Path, files: Iterable[File], find: Callable[[list[File]], dict[str, Any]]
) -> dict[str, Any]:
    """Relative path -> a fact about a file's content, found out once for each state of the file.

    Args:
        kind: of fact; names the folder under `CACHE`.
        root: the files' folder.
        files: what is asked about.
        find: gives the facts of some files, as JSON has them; of a file that it leaves out nothing
            is remembered.
    """
    wanted = set(files)
    base = str(root.resolve())
    cache = CACHE / kind / f"{hashlib.sha256(base.encode()).hexdigest()[:16]}.json"
    known: dict[str, list[Any]] = {}
    if any((kind, base, file) not in _memory for file in wanted):
        known = _load(cache)
        for file in wanted:
            entry = known.get(file.path)
            if entry and entry[:-1] == file.state:
                _memory[kind, base, file] = entry[-1]
    absent = [file for file in wanted if (kind, base, file) not in _memory]
    found = find(absent) if absent else {}
    settled = [f for f in absent if f.path in found and _is_settled(f)]
    if settled:
        _memory.update({(kind, base, file): found[file.path] for file in settled})
        _save(cache, known | {f.path: [*f.state, found[f.path]] for f in settled})
    held = {f.path: _memory[kind, base, f] for f in wanted if (kind, base, f) in _memory}
    return held | found


def _is_settled(file: File) -> bool:
    return time.time_ns() - max(file.mtime_ns, file.ctime_ns) > _SETTLED_NS


def _hash_all(root: Path, files: list[File]) -> dict[str, str]:
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # hashing lets go of the GIL
        hashed = pool.map(lambda file: sha256_file(root / file.path), files)
        return {file.path: digest for file, digest in zip(files, hashed, strict=True)}


def sha256_file(path: str | Path) -> str:
    """Sha256 of one file's content, in hexadecimal, read now."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_sha256(path: Path) -> str:
    """Sha256 of one file's content, read only if its size or time is not as remembered.

    Raises:
        OSError: the file cannot be read.
    """
    return digests(path.parent, [File.of(path.name, path.stat())])[path.name]


def _load(cache: Path) -> dict[str, list[Any]]:
    try:
        data = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _save(cache: Path, entries: dict[str, list[Any]]) -> None:
    # A working directory that cannot be written costs the next parse its time, nothing else.
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache.parent, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            json.dump(entries, file)
        os.replace(temporary, cache)
