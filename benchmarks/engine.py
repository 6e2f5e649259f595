"""The engine against the bare network in a loop, and against one ROI at a time.

    python benchmarks/engine.py [--tiles 256] [--batch 16] [--threads 1]

For each model, on the GPU if there is one: tiles per second of the network alone on one batch that
is in memory already, over and over; of the whole stage from HDF5 to HDF5 at the same batch size;
and of the network given each tile of a file by itself, read when its turn comes. Runs alternate,
and the best of each is taken, since other processes may disturb any. Writes results/engine.csv.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from machine import machine, write

from rsweep.infer.engine import Engine, choose_device, write_behind
from rsweep.infer.stage import TokenWriter, read_batch
from rsweep.models.protocol import TokenMaps
from rsweep.models.weights import load_embedder
from rsweep.settings.study import make_study
from rsweep.store import LIBVER, allocate

ROUNDS = 3
MODELS = {
    "rcf": {"model": "rcf", "image_size": 64},
    "thor tiny": {"model": "thor", "weights": "random", "variant": "tiny", "image_size": 48,
                  "patch_size": 8},
    "galileo nano": {"model": "galileo", "weights": "random", "variant": "nano"},
    "dofa base": {"model": "dofa", "weights": "random"},
}  # fmt: skip


def infer_settings(own: dict[str, Any], precision: str) -> dict[str, Any]:
    """Settings of the inference node of a profile."""
    study = make_study(
        {"study": "s", "rois": str(Path(__file__).parents[1] / "config/rois/demo.csv"),
         "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
         "base": {"provider": "synthetic", "precision": precision, **own}}, "engine",
    )  # fmt: skip
    return dict(study.profiles[0].node.inputs["tokens"].settings)


def write_tiles(path: Path, settings: dict[str, Any], count: int) -> None:
    """Random tiles in a file as the prep stage writes them."""
    size, rng = settings["image_size"], np.random.default_rng(0)
    with h5py.File(path, "w", libver=LIBVER) as file:
        for sensor, bands in settings["bands"].items():
            group = file.create_group(sensor)
            shape = (count, 1, len(bands), size, size)
            allocate(group, "pixels", shape, "f4")[...] = rng.standard_normal(shape, "f4")
            valid = allocate(group, "valid", (count, 1, size, size), "u1", compress=True)
            valid[...] = np.full((count, 1, size, size), 255)
            group["day"] = np.full((count, 1), 19_000, np.int32)
        file["lonlat"], file["gsd"] = np.zeros((count, 2)), np.full(count, 10, np.float32)


def bare(engine: Engine, tiles: h5py.File, count: int) -> None:
    """The network over one batch in memory, as often as there are batches."""
    batch = read_batch(tiles, np.arange(engine.batch), 1).to(engine.device)
    mixed = engine.dtype != torch.float32
    with torch.inference_mode(), torch.autocast(engine.device.type, engine.dtype, enabled=mixed):
        for _ in range(count // engine.batch):
            engine.embedder.embed(batch)
    if engine.device.type == "cuda":
        torch.cuda.synchronize()


def whole(engine: Engine, tiles: h5py.File, count: int) -> None:
    """From HDF5 to HDF5, as the stage does."""
    with tempfile.NamedTemporaryFile() as out, h5py.File(out.name, "w", libver=LIBVER) as target:
        writer = TokenWriter(target, count)

        def save(span: range, maps: TokenMaps) -> None:
            writer.add(np.arange(span.start, span.stop), maps)

        def load(span: range) -> Any:
            return read_batch(tiles, np.arange(span.start, span.stop), 1)

        for _ in write_behind(engine.run(count, load), save):
            pass


def one_by_one(engine: Engine, tiles: h5py.File, count: int) -> None:
    """Each tile read, computed and written before the next."""
    with tempfile.NamedTemporaryFile() as out, h5py.File(out.name, "w", libver=LIBVER) as target:
        writer = TokenWriter(target, count)
        for row in range(count):
            batch = read_batch(tiles, np.arange(row, row + 1), 1).to(engine.device)
            with torch.inference_mode():
                maps = engine.embedder.embed(batch)
            host = {name: tensor.float().cpu() for name, tensor in maps.maps.items()}
            writer.add(np.arange(row, row + 1), TokenMaps(host))


WAYS: dict[str, Callable[[Engine, h5py.File, int], None]] = {
    "bare": bare, "engine": whole, "one by one": one_by_one,
}  # fmt: skip


def measure(name: str, given: argparse.Namespace) -> dict[str, Any]:
    settings = infer_settings(MODELS[name], given.precision)
    device = choose_device()
    embedder, _ = load_embedder(settings, {"weights": "random"})
    engine = Engine(embedder, settings, device, given.batch)
    count = max(given.tiles // given.batch, 1) * given.batch
    best = dict.fromkeys(WAYS, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiles.h5"
        write_tiles(path, settings, count)
        with h5py.File(path) as tiles:
            bare(engine, tiles, engine.batch)  # the first pass is no measure
            for _ in range(ROUNDS):
                for way, work in WAYS.items():
                    began = time.perf_counter()
                    work(engine, tiles, count)
                    best[way] = max(best[way], count / (time.perf_counter() - began))
    rates = {f"{way} tiles/s": round(rate, 2) for way, rate in best.items()}
    return {"model": name, "device": str(device), "precision": given.precision, "tiles": count,
            "batch": engine.batch, "threads": given.threads, **rates,
            "engine/bare": round(best["engine"] / best["bare"], 3),
            "engine/one by one": round(best["engine"] / best["one by one"], 3)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows = []
    for name in given.models:
        few = argparse.Namespace(**{**vars(given), "tiles": min(given.tiles, 32)})
        rows.append({**measure(name, few if name == "dofa base" else given), **machine()})
        print(rows[-1], flush=True)
    write("engine", rows)


if __name__ == "__main__":
    main()
