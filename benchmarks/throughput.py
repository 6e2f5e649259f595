"""Tiles per second of the infer stage, HDF5 to HDF5, against the bare network in a loop.

    python benchmarks/throughput.py [--only MODEL…]

Both ways run the same loaded network on the same tiles in the same batches with the same threads,
in turn, in one process; the best of the repeats of each is kept, since others use the machine.
`ratio` is of wall clock, `cpu_ratio` of CPU seconds, which others disturb less. Bare: the batch
lies in memory and its result is dropped. Engine: the tiles' file is checked and read, the token
maps are written, sealed and renamed. Random weights, fp32; the search for a batch size is left out.
Writes benchmarks/results/throughput.csv.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the resident worker has it

import h5py
import numpy as np
import torch
from measure import Chain, facts, seconds, write_csv
from models import MODELS, shape_of, tiles_of

import rsweep.infer.stage as infer
from rsweep.infer.engine import over
from rsweep.infer.networks import Networks
from rsweep.jobs import Job
from rsweep.store import Store

ROIS = 4
REPEATS = 5
WANTED_S = 1.5
BATCH = {"agrifm base": 2, "scalemae large": 2, "anysat base": 4, "prithvi 100m": 4, "dofa base": 4,
         "thor base": 4}  # fmt: skip


def repeated(store: Store, chain: Chain, count: int) -> Job:
    """The infer job of a chain over `count` tiles: its own, again and again."""
    node = chain.at("infer")[0]
    tiles = node.inputs["tiles"]
    with chain.store.read(tiles, chain.shard.name) as source, store.write(tiles, "bench") as target:
        total = source["roi"].shape[0]
        for start in range(0, count, total):
            _append(source, target, start, min(total, count - start), count)
    return Job(node, chain.shard, store, chain.options, threads=chain.threads)


def _append(source: h5py.File, target: h5py.File, start: int, length: int, count: int) -> None:
    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or name == "rois":
            return
        held = target.require_dataset(name, (count, *item.shape[1:]), item.dtype,
                                      chunks=(1, *item.shape[1:]))  # fmt: skip
        held[start : start + length] = item[:length]

    source.visititems(visit)


def bare(engine: Any, batch: Any, times: int) -> None:
    with torch.inference_mode():
        for _ in range(times):
            engine.embedder.embed(batch)


def stage(job: Job) -> None:
    job.store.discard(job.node, job.shard.name)
    infer.run(job)


def measured(folder: Path, name: str) -> dict[str, Any]:
    chain = tiles_of(Store(folder / "tiles"), MODELS[name], ROIS)
    node = chain.at("infer")[0]
    torch.set_num_threads(chain.threads)
    networks = Networks()
    engine = networks.get(node.settings, chain.options[node.key])[0].engine
    networks.limit_mb(1 << 20)
    size = engine.batch = BATCH.get(name, 8)
    with chain.store.read(node.inputs["tiles"], chain.shard.name) as tiles:
        rows = np.sort(np.arange(size) % tiles["roi"].shape[0])
        batch = infer.read_batch(tiles, np.arange(ROIS), int(tiles["frames"][0]))
    batch = over(batch, lambda tensor: tensor[torch.as_tensor(rows)])
    bare(engine, batch, 1)  # the first pass of a process is no measure
    times = int(np.clip(WANTED_S / seconds(bare, engine, batch, 1)[0], 2, 64))
    job = repeated(Store(folder / "work"), chain, times * size)
    job.context["networks"] = networks
    took: dict[str, list[tuple[float, float]]] = {"bare": [], "engine": []}
    for turn in range(REPEATS):
        ways = [("bare", lambda: bare(engine, batch, times)), ("engine", lambda: stage(job))]
        for way, run in ways if turn % 2 else reversed(ways):
            took[way].append(seconds(run))
    count = times * size
    best = {way: [min(column) for column in zip(*runs, strict=True)] for way, runs in took.items()}
    return {
        "case": name, "model": node.settings["model"], "tile": shape_of(batch),
        "batch": size, "tiles": count,
        "device": engine.device.type, "threads": torch.get_num_threads(),
        "bare_tiles_per_s": f"{count / best['bare'][0]:.4g}",
        "engine_tiles_per_s": f"{count / best['engine'][0]:.4g}",
        "ratio": round(best["bare"][0] / best["engine"][0], 2),
        "cpu_ratio": round(best["bare"][1] / best["engine"][1], 2),
        "cpu_s_per_tile": f"{best['engine'][1] / count:.3g}",
    }  # fmt: skip


def each(names: list[str]) -> Iterator[dict[str, Any]]:
    infer.remember_batch = lambda *_: None
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            yield measured(Path(folder), name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    names, about, found = parser.parse_args().only, facts(), []
    for row in each(names):
        print(row, flush=True)
        found.append(row)
    if names == list(MODELS):
        write_csv("throughput", found, about)


if __name__ == "__main__":
    main()
