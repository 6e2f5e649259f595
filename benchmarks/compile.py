"""What torch.compile gains per model, after its warm-up.

    python benchmarks/compile.py [--only MODEL…] [--threads N] [--turns 5]

Each model's network with random weights on synthetic tiles in memory, as it is and compiled, in
turn in one process; the best of the turns of each is kept, since others use the machine. Compiling
itself is told apart (`compile_s`); it is paid once per process and shape. `difference` is the
largest between the two outputs, as a share of the largest value. On the GPU if there is one; on a
CPU it needs a C++ compiler. A difference of exactly 0 says that compiling had no effect. Writes
benchmarks/results/compile.csv.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as a worker has it

import torch
from engine import BATCH, bare
from measure import facts, in_turn, seconds, write_csv
from models import MODELS, batch_of, load_engine, shape_of, tiles_of

from rsweep.core.store import Store
from rsweep.models.protocol import TileBatch
from rsweep.stages.infer.engine import Engine, over

TILES = 4
LARGEST = 8
"""Tiles per pass: compiling gains by pass and not by tile, and time is short."""
WANTED_S = 1.0


def loaded(store: Store, name: str, compiled: bool) -> tuple[Engine, TileBatch]:
    """A model's engine, and a batch on its device."""
    chain = tiles_of(store, MODELS[name], TILES, compile=compiled)
    node = chain.at("infer")[0]
    engine = load_engine(node, chain.options)
    engine.batch = min(BATCH.get(name, LARGEST), LARGEST)
    with chain.store.read(node.inputs["tiles"], chain.shard.name) as tiles:
        found = batch_of(tiles, range(TILES))
    rows = torch.arange(engine.batch) % TILES
    return engine, over(found, lambda tensor: tensor[rows]).to(engine.device)


def difference(one: Engine, other: Engine, batch: TileBatch) -> float:
    """Largest difference of two engines' token maps, as a share of the largest value."""
    with torch.inference_mode():
        a, b = one.embedder.embed(batch).maps, other.embedder.embed(batch).maps
    return max(
        float((a[n] - b[n]).abs().nan_to_num().max() / a[n].abs().nan_to_num().max()) for n in a
    )


def measured(store: Store, name: str, turns: int) -> dict[str, Any]:
    """Rates of a network as it is and compiled."""
    torch._dynamo.reset()
    plain, batch = loaded(store, name, False)
    compiled, _ = loaded(store, name, True)
    row = {
        "model": name,
        "tile": shape_of(batch),
        "batch": plain.batch,
        "device": plain.device.type,
        "threads": torch.get_num_threads(),
    }
    bare(plain, batch, 1)
    began = time.perf_counter()
    try:
        bare(compiled, batch, 1)
    except Exception as error:  # what a compiler refuses is a result, too
        return {**row, "refused": str(error).splitlines()[0][:120]}
    took = time.perf_counter() - began
    bare(compiled, batch, 1)
    times = max(2, round(WANTED_S / max(seconds(bare, plain, batch, 1)[0], 1e-3)))
    best = in_turn(
        {
            way: partial(seconds, bare, engine, batch, times)
            for way, engine in (("plain", plain), ("compiled", compiled))
        },
        turns,
    )
    rates = {
        f"{way} tiles/s": f"{times * plain.batch / wall:.4g}" for way, (wall, _) in best.items()
    }
    gains = {
        unit: round(best["plain"][i] / best["compiled"][i], 2)
        for i, unit in enumerate(("gain", "cpu_gain"))
    }
    return {
        **row,
        **rates,
        **gains,
        "compile_s": round(took, 1),
        "difference": f"{difference(plain, compiled, batch):.1e}",
    }


def each(names: list[str], turns: int) -> Iterator[dict[str, Any]]:
    """A row per model."""
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            yield measured(Store(Path(folder)), name, turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    about, found = facts(), []
    for row in each(given.only, given.turns):
        print(row, flush=True)
        found.append(row)
    if given.only == list(MODELS):
        write_csv("compile", found, about)


if __name__ == "__main__":
    main()
