"""What a network was fed, so that it is not fed the same again.

Profiles that differ before inference often hold the same tiles: a cloud limit that leaves no scene
out, a window with the same clear days, a shard of which one ROI has a new scene. Beside the store's
files `memo/<network>/<key>.<shard>.<file>.npz` says by digest which tile lies in which row of an
inference file. A job copies the outputs of tiles that another job of the same network has done, and
says what that saved. An index that is lost, or whose file is gone or damaged, costs time and
changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from rsweep.core.canonical import digest
from rsweep.core.errors import RsweepError
from rsweep.core.files import check_seal, replacing
from rsweep.core.nodes import KEY_LENGTH
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.stages.infer.format import Tokens, tokens
from rsweep.stages.job import Job

BYTES = 16
FOLDER = "memo"


class Place(NamedTuple):
    """A row of a block of an inference file, and seconds that its tile took there."""

    block: Tokens
    row: int
    seconds: float


@dataclass
class Memo:
    """Outputs of one network for one shard, by what its tiles hold.

    Attributes:
        folder: indices of the network; None where nothing is remembered.
        known: digest -> where the output is.
        seen: side of the input -> digests of this job's tiles, by row.
        reused, seconds: tiles that were copied, and what they took where they were computed.
    """

    folder: Path | None
    known: dict[bytes, Place] = field(default_factory=dict)
    seen: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    reused: int = 0
    seconds: float = 0.0

    def find(self, side: int, rows: NDArray[np.intp], batch: TileBatch) -> dict[int, Place]:
        """Note what tiles hold, and give those of which the output is known: row -> place."""
        found = {}
        for row, content in zip(rows.tolist(), contents(batch), strict=True):
            self.seen[side][row] = np.frombuffer(content, np.uint8)
            if content in self.known:
                found[row] = self.known[content]
        return found

    def copy(self, places: Mapping[int, Place]) -> TokenMaps:
        """The outputs at some places, in their order."""
        self.reused += len(places)
        self.seconds += sum(place.seconds for place in places.values())
        maps = [_row(place.block.maps, place.row) for place in places.values()]
        vectors = [_row(place.block.vectors, place.row) for place in places.values()]
        return TokenMaps(_stacked(maps), _stacked(vectors))

    def remember(self, job: Job, seconds_per_tile: float) -> None:
        """Write what this job's tiles hold, once its file is in its place."""
        if self.folder is None:
            return
        path = self.folder / _index(job)
        arrays = {str(side): contents for side, contents in self.seen.items()}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, seconds=np.float64(seconds_per_tile), **arrays)  # type: ignore[arg-type]


def open_memo(job: Job, stack: ExitStack) -> Memo:
    """What is known of a job's network and shard; its files stay open as long as `stack`."""
    if job.node.settings.get("weights") == "none":  # cheaper to compute than to look up
        return Memo(None)
    settings = {"version": job.node.version, "settings": job.node.settings}
    memo = Memo(job.store.root / FOLDER / digest(settings)[:KEY_LENGTH])
    assert memo.folder is not None
    for path in sorted(memo.folder.glob(f"*.{job.shard.name}.*.npz")):
        key, _, file, _ = path.name.split(".")
        if path.name != _index(job):
            held = job.store.root / job.node.stage / key / f"{file}.h5"
            memo.known |= dict(_read(path, held, stack))
    return memo


def _index(job: Job) -> str:
    """Name of the index of a job's file: of one shard there are several once scenes change."""
    return f"{job.node.key}.{job.shard.name}.{job.node.file(job.shard.name)}.npz"


def _read(path: Path, held: Path, stack: ExitStack) -> Iterator[tuple[bytes, Place]]:
    try:
        check_seal(held)
        file = stack.enter_context(h5py.File(held, "r", locking=False))
        with np.load(path, allow_pickle=False) as index:
            seconds = float(index["seconds"])
            sides = [name for name in index.files if name.isdigit()]
            tables = {side: index[side] for side in sides}
    except (OSError, ValueError, KeyError, RsweepError):
        return
    for side, table in tables.items():
        block = tokens(file, int(side))
        for row, content in enumerate(table):
            yield content.tobytes(), Place(block, row, seconds)


def _row(held: Mapping[str, h5py.Dataset], row: int) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(dataset[row]) for name, dataset in held.items()}


def _stacked(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def contents(batch: TileBatch) -> Iterator[bytes]:
    """A digest of everything that a network is told of each tile of a batch."""
    parts = dict(_parts(batch))
    for item in range(len(batch.gsd)):
        found = hashlib.blake2b(digest_size=BYTES)
        for name, values in parts.items():
            found.update(f"{name} {values.shape[1:]} {values.dtype}".encode())
            found.update(np.ascontiguousarray(values[item]).tobytes())
        yield found.digest()


def _parts(batch: TileBatch) -> Iterator[tuple[str, NDArray[Any]]]:
    for one in fields(batch):
        value = getattr(batch, one.name)
        if isinstance(value, torch.Tensor):
            yield one.name, value.numpy()
        else:
            yield from ((f"{one.name}/{name}", value[name].numpy()) for name in sorted(value))
