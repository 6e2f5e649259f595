"""The infer stage, HDF5 to HDF5, against the bare network in a loop and against one ROI at a time.

    python benchmarks/engine.py [--only MODEL…] [--threads N] [--precision fp32] [--compile]

Three ways run the same loaded network on the same tiles with the same threads, in turn, in one
process, on the GPU if there is one; the best of the repeats of each is kept, since others use the
machine:

- bare: the network over one batch that lies in memory, again and again; results are dropped;
- engine: the stage as a job runs it: the tiles' file is checked and read, token maps are written,
  sealed and renamed;
- one by one: a ROI's tile is read, embedded and written before the next.

`ratio` is of wall clock, `cpu_ratio` of CPU seconds, which others disturb less. Random weights; the
batch size is the engine's own first choice unless the model is large (BATCH); its search for a
better one is left out. Writes benchmarks/results/engine.csv.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the resident worker has it

import h5py
import numpy as np
import torch
from measure import Chain, facts, in_turn, seconds, write_csv
from models import MODELS, batch_of, shape_of, tiles_of
from torch import Tensor

import rsweep.stages.infer.run as infer
from rsweep.core.store import Store
from rsweep.models.protocol import TileBatch
from rsweep.stages.infer.engine import Engine, over
from rsweep.stages.infer.networks import Networks
from rsweep.stages.job import Job
from rsweep.stages.prep.format import blocks

ROIS = 4
REPEATS = 5
WANTED_S = 3.0
"""Seconds that the bare network is given per repeat."""
BATCH = {
    "agrifm base": 2,
    "scalemae large": 2,
    "anysat base": 4,
    "prithvi 100m": 4,
    "dofa base": 4,
    "thor base": 4,
}
"""Tiles per pass where 16 of a model would take half a minute on two cores."""


def repeated(store: Store, chain: Chain, count: int) -> Job:
    """The infer job of a chain over `count` tiles: its own, again and again."""
    node = chain.at("infer")[0]
    tiles = node.inputs["tiles"]
    with chain.store.read(tiles, chain.shard.name) as source, store.write(tiles, "bench") as target:
        (block,) = blocks(source).values()
        total = len(block.roi)
        for start in range(0, count, total):
            _append(source, target, start, min(total, count - start), count)
    return Job(node, chain.shard, store, chain.options, threads=chain.threads)


def _append(source: h5py.File, target: h5py.File, start: int, length: int, count: int) -> None:
    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or name == "rois":
            return
        held = target.require_dataset(
            name, (count, *item.shape[1:]), item.dtype, chunks=(1, *item.shape[1:])
        )
        held[start : start + length] = item[:length]

    source.visititems(visit)


def bare(engine: Engine, batch: TileBatch, times: int) -> None:
    """The network alone; on a GPU until it is done."""
    mixed = engine.dtype != torch.float32
    with torch.inference_mode(), torch.autocast(engine.device.type, engine.dtype, enabled=mixed):
        for _ in range(times):
            engine.embedder.embed(batch)
    if engine.device.type == "cuda":
        torch.cuda.synchronize()


def stage(job: Job) -> None:
    """The infer stage, as a job runs it."""
    job.store.discard(job.node, job.shard.name)
    infer.run(job)


def one_by_one(job: Job, engine: Engine) -> None:
    """The same files, without reading ahead, batches, or writing behind."""
    job.store.discard(job.node, job.shard.name)
    with job.read("tiles") as tiles, job.write() as target:
        ((side, block),) = blocks(tiles).items()
        total = len(block.roi)
        writer = infer.TokenWriter(target.create_group(str(side)), total)
        for row in range(total):
            ((_, maps),) = engine.run(1, lambda _, row=row: batch_of(tiles, range(row, row + 1)))
            writer.add(np.arange(row, row + 1), maps)


class Bench:
    """One model: its tiles, its network, and the three ways to run it."""

    def __init__(self, folder: Path, name: str, given: argparse.Namespace) -> None:
        own = {"precision": given.precision, "compile": given.compile}
        chain = tiles_of(Store(folder / "tiles"), MODELS[name], ROIS, **own)
        chain.threads = given.threads
        torch.set_num_threads(given.threads)
        node, networks = chain.at("infer")[0], Networks()
        networks.limit_mb(1 << 20)
        self.engine = networks.get(node.settings, chain.options[node.key])[0].engine
        self.engine.batch = BATCH.get(name, self.engine.batch)
        self.batch = self._batch(chain)
        bare(self.engine, self.batch, 1)  # the first pass of a process is no measure
        once = seconds(bare, self.engine, self.batch, 1)[0]
        self.times = int(np.clip(WANTED_S / once, 2, 64))
        self.count = self.times * self.engine.batch
        self.job = repeated(Store(folder / "work"), chain, self.count)
        self.job.networks = networks

    def _batch(self, chain: Chain) -> TileBatch:
        with chain.store.read(chain.at("prep")[0], chain.shard.name) as tiles:
            found = batch_of(tiles, range(ROIS))
        rows = torch.arange(self.engine.batch) % ROIS

        def repeat(tensor: Tensor) -> Tensor:
            return tensor[rows]

        return over(found, repeat).to(self.engine.device)

    def ways(self) -> dict[str, Callable[[], None]]:
        """The three ways by name."""
        return {
            "bare": lambda: bare(self.engine, self.batch, self.times),
            "engine": lambda: stage(self.job),
            "one by one": lambda: one_by_one(self.job, self.engine),
        }


def measured(folder: Path, name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Rates of the three ways, which take turns."""
    bench = Bench(folder, name, given)
    ways = bench.ways()
    best = in_turn({way: partial(seconds, run) for way, run in ways.items()}, REPEATS)
    wall, cpu = ({way: both[i] for way, both in best.items()} for i in (0, 1))
    rates = {f"{way} tiles/s": f"{bench.count / spent:.4g}" for way, spent in wall.items()}
    return {
        "case": name,
        "tile": shape_of(bench.batch),
        "batch": bench.engine.batch,
        "tiles": bench.count,
        "device": bench.engine.device.type,
        "precision": given.precision,
        "compiled": given.compile,
        "threads": given.threads,
        **rates,
        "ratio": round(wall["bare"] / wall["engine"], 2),
        "cpu_ratio": round(cpu["bare"] / cpu["engine"], 2),
        "against one by one": round(wall["one by one"] / wall["engine"], 2),
        "cpu_s_per_tile": f"{cpu['engine'] / bench.count:.3g}",
        "wh_per_1k_tiles": bench.job.ran.get("energy_wh_per_1k_tiles"),
    }


def each(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row per model."""
    infer.tune_batch_size = lambda *_: None
    for name in given.only:
        with tempfile.TemporaryDirectory() as folder:
            yield measured(Path(folder), name, given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    about, found = facts(), []
    for row in each(given):
        print(row, flush=True)
        found.append(row)
    if given.only == list(MODELS):
        write_csv("engine", found, about)


if __name__ == "__main__":
    main()
