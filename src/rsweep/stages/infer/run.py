"""The infer stage: tiles to token maps."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.stages.infer.batching import tune_batch_size
from rsweep.stages.infer.energy import Meter
from rsweep.stages.infer.engine import Engine, write_behind
from rsweep.stages.infer.format import KINDS, create_block, write_rows
from rsweep.stages.infer.memo import BYTES, Memo, open_memo
from rsweep.stages.infer.networks import Networks
from rsweep.stages.infer.spec import network_settings
from rsweep.stages.job import Job
from rsweep.stages.prep.format import EPOCH, VALID_FULL, Block, SensorTiles, blocks

LOOKED_UP = 64
"""Tiles of which it is found out together whether their outputs are known."""


def run(job: Job) -> None:
    """Embed every tile of a shard, with a worker's networks or its own."""
    networks = job.networks = Networks() if job.networks is None else job.networks
    torch.set_num_threads(max(job.threads, 1))
    if networks.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(networks.device)
    began, meter = time.perf_counter(), Meter(networks.device)
    with ExitStack() as stack:
        ran = Ran(open_memo(job, stack))
        tiles, target = stack.enter_context(job.read("tiles")), stack.enter_context(job.write())
        for side, block in blocks(tiles).items():
            _embed_block(job, networks, side, block, create_block(target, side), ran)
        seconds = time.perf_counter() - began - ran.load_seconds
        job.ran.update(_told(job, networks, ran), **_cost(seconds, meter.watt_hours(), ran))
    ran.memo.remember(job, (seconds + ran.memo.seconds) / max(ran.tiles, 1))


def _told(job: Job, networks: Networks, ran: Ran) -> dict[str, Any]:
    """What ran, for the record."""
    return {
        "device": _device_name(networks.device),
        "precision": job.node.settings["precision"],
        "tf32": False,
        "weights": ran.weights,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "tiles": ran.tiles,
        "batch": ran.batch,
        "load_seconds": round(ran.load_seconds, 3),
        "load_core_seconds": round(ran.load_core_seconds, 3),
        "resident": ran.load_seconds == 0,
        "peak_device_memory_mb": _peak_memory(networks.device),
    }


@dataclass
class Ran:
    """What there is to say of the blocks embedded so far; `batch` is that of the last."""

    memo: Memo
    tiles: int = 0
    batch: int = 0
    load_seconds: float = 0.0
    load_core_seconds: float = 0.0
    weights: dict[str, Any] = field(default_factory=dict)


def _embed_block(
    job: Job, networks: Networks, side: int, tiles: Block, target: h5py.Group, ran: Ran
) -> None:
    """Embed the tiles of one side, by a network built for it."""
    settings = network_settings(job.node, side)
    began = time.process_time()
    loaded, seconds = networks.get(settings, job.options[job.node.key])
    ran.load_core_seconds += time.process_time() - began
    writer = TokenWriter(target, len(tiles.roi))
    for order in _by_frames(tiles):
        left = order if ran.memo.folder is None else _reuse(ran.memo, side, tiles, order, writer)
        if len(left):
            _embed_group(job, loaded.engine, tiles, left, writer)
    ran.tiles += writer.total
    ran.batch, ran.weights = loaded.engine.batch, loaded.weights
    ran.load_seconds += seconds


def _cost(computed: float, watt_hours: float | None, ran: Ran) -> dict[str, float]:
    """Time and, where the device tells, energy of reading, computing and writing.

    Time is as if every tile had been computed here, so that profiles compare; what is known of
    energy is of those that were, so it is left out if some were copied.
    """
    thousands, reused = max(ran.tiles, 1) / 1000, ran.memo.seconds
    seconds = computed + reused
    cost = {
        "forward_seconds": round(seconds, 3),
        "seconds_per_1k_tiles": round(seconds / thousands, 3),
    }
    if ran.memo.reused:
        return cost | {"reused_tiles": ran.memo.reused, "reused_seconds": round(reused, 3)}
    if watt_hours is None:
        return cost
    return cost | {
        "energy_wh": round(watt_hours, 6),
        "energy_wh_per_1k_tiles": round(watt_hours / thousands, 6),
    }


def _by_frames(tiles: Block) -> list[NDArray[np.intp]]:
    """Tiles in groups of equal numbers of frames, which one batch needs; most to fewest."""
    frames = tiles.frames[()]
    return [np.flatnonzero(frames == n) for n in sorted(set(frames.tolist()), reverse=True)]


def _reuse(
    memo: Memo, side: int, tiles: Block, order: NDArray[np.intp], writer: TokenWriter
) -> NDArray[np.intp]:
    """Copy the outputs that are known of some rows; the rows that are left."""
    steps, left = int(tiles.frames[order[0]]), []
    memo.seen.setdefault(side, np.zeros((writer.total, BYTES), np.uint8))
    for start in range(0, len(order), LOOKED_UP):
        rows = order[start : start + LOOKED_UP]
        places = memo.find(side, rows, read_batch(tiles, rows, steps))
        if places:
            writer.add(np.array(list(places), np.intp), memo.copy(places))
        left += [row for row in rows.tolist() if row not in places]
    return np.array(left, np.intp)


def _embed_group(
    job: Job, engine: Engine, tiles: Block, order: NDArray[np.intp], writer: TokenWriter
) -> None:
    steps = int(tiles.frames[order[0]])

    def load(span: range) -> TileBatch:
        return read_batch(tiles, order[span.start : span.stop], steps)

    def write(span: range, maps: TokenMaps) -> None:
        writer.add(order[span.start : span.stop], maps)

    tune_batch_size(engine, network_settings(job.node), len(order), load)
    batches = write_behind(engine.run(len(order), load), write)
    for _ in job.progress(batches, -(-len(order) // engine.batch), "batches embedded"):
        pass


def read_batch(tiles: Block, rows: NDArray[np.intp], steps: int) -> TileBatch:
    """Tiles at increasing `rows` of a block of a prep file, with their first `steps` frames."""
    at = selection(rows)
    sensors = tiles.sensors
    parts = {s: _calendar(held.day[at, :steps]) for s, held in sensors.items()}
    return TileBatch(
        pixels={s: torch.from_numpy(held.pixels[at, :steps]) for s, held in sensors.items()},
        valid={s: torch.from_numpy(_valid(held, at, steps)) for s, held in sensors.items()},
        day_of_year={s: parts[s][0] for s in sensors},
        month={s: parts[s][1] for s in sensors},
        year={s: parts[s][2] for s in sensors},
        lonlat=torch.from_numpy(tiles.lonlat[at]),
        gsd=torch.from_numpy(tiles.gsd[at]),
        orbit={
            s: torch.from_numpy(held.orbit[at, :steps].astype(np.int64))
            for s, held in sensors.items()
            if held.orbit is not None
        },
    )


def selection(rows: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Increasing rows as HDF5 selects them fastest: in one piece, where they follow each other."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def _valid(held: SensorTiles, at: slice | NDArray[np.intp], steps: int) -> NDArray[np.bool_]:
    """A pixel counts as there if at least half of it is."""
    shares: NDArray[np.uint8] = held.valid[at, :steps]
    return shares > VALID_FULL // 2


def _calendar(days: NDArray[np.int32]) -> list[torch.Tensor]:
    """Day of year and month, both from 0, and year; of an absent frame those of January 1970."""
    dates = [date.fromordinal(EPOCH.toordinal() + max(int(d), 0)) for d in days.ravel()]
    columns = (
        [d.timetuple().tm_yday - 1 for d in dates],
        [d.month - 1 for d in dates],
        [d.year for d in dates],
    )
    return [torch.tensor(c, dtype=torch.int64).reshape(days.shape) for c in columns]


class TokenWriter:
    """Writes token maps at the rows of their tiles."""

    def __init__(self, file: h5py.Group, total: int) -> None:
        self.file, self.total = file, total

    def add(self, rows: NDArray[np.intp], found: TokenMaps) -> None:
        """Store the outputs of one batch."""
        for kind, tensors in zip(KINDS, (found.maps, found.vectors), strict=True):
            for name, tensor in tensors.items():
                at = selection(rows)
                write_rows(self.file, kind, name, self.total, at, tensor.numpy())


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
