"""Which files to give up so that a store has room: those that cost least to make again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pulp
from numpy.typing import NDArray

MOST_EXACT = 3000
"""Files up to which an integer programme is solved; above, the greedy choice is used as it is."""
SECONDS = 20.0


@dataclass(frozen=True)
class Artefact:
    """A file of a store.

    Attributes:
        stage, key, shard: which one.
        path: where it is.
        size: its bytes, with those of what lies beside it.
        age_days: since it was written.
        seconds: what it took to make.
    """

    stage: str
    key: str
    shard: str
    path: Path
    size: int
    age_days: float
    seconds: float


@dataclass(frozen=True)
class Eviction:
    """Files to give up.

    Attributes:
        files: which.
        size: bytes that they free.
        seconds: what making them again takes.
        bound: no choice that frees as much takes less.
    """

    files: tuple[Artefact, ...]
    size: int
    seconds: float
    bound: float


def cheapest_eviction(files: Sequence[Artefact], size: int) -> Eviction:
    """Files of together at least `size` bytes that take least to make again.

    Raises:
        ValueError: all of them together are smaller.
    """
    if sum(file.size for file in files) < size:
        free = sum(file.size for file in files)
        raise ValueError(f"only {free} bytes may go; {size} were asked for")
    chosen, bound = _greedy(files, size)
    if len(files) <= MOST_EXACT:
        chosen = _improved(files, size, chosen)
    gone = tuple(file for file, out in zip(files, chosen, strict=True) if out)
    seconds = sum(file.seconds for file in gone)
    return Eviction(gone, sum(file.size for file in gone), seconds, min(bound, seconds))


def _greedy(files: Sequence[Artefact], size: int) -> tuple[NDArray[np.bool_], float]:
    """Least seconds per byte first, then without those that need not go.

    The bound is that of taking a part of the last file: no whole choice takes less.
    """
    order = sorted(range(len(files)), key=lambda i: files[i].seconds / max(files[i].size, 1))
    chosen, freed, bound = np.zeros(len(files), dtype=bool), 0, 0.0
    for i in order:
        if freed >= size:
            break
        part = min(1.0, (size - freed) / max(files[i].size, 1))
        bound += part * files[i].seconds
        chosen[i], freed = True, freed + files[i].size
    for i in sorted(np.flatnonzero(chosen).tolist(), key=lambda i: -files[i].seconds):
        if freed - files[i].size >= size:
            chosen[i], freed = False, freed - files[i].size
    return chosen, bound


def _improved(files: Sequence[Artefact], size: int, start: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The integer programme's choice, if it found a better one in time."""
    problem = pulp.LpProblem("evict", pulp.LpMinimize)
    out = [pulp.LpVariable(f"file_{i}", cat="Binary") for i in range(len(files))]
    problem += pulp.lpSum(file.seconds * v for file, v in zip(files, out, strict=True))
    # In units of what is asked for: CBC's tolerances are not made for numbers of bytes.
    problem += pulp.lpSum(file.size / size * v for file, v in zip(files, out, strict=True)) >= 1
    problem.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=SECONDS, threads=1))
    found = np.array([(v.value() or 0) > 0.5 for v in out])
    enough = sum(file.size for file, gone in zip(files, found, strict=True) if gone) >= size
    return found if enough and _seconds(files, found) < _seconds(files, start) else start


def _seconds(files: Sequence[Artefact], chosen: NDArray[np.bool_]) -> float:
    return sum(file.seconds for file, gone in zip(files, chosen, strict=True) if gone)
