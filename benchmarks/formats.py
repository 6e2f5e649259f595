"""Storage and the work around the network: compression, blending, cutting tiles.

    python benchmarks/formats.py

1. Writing and reading scenes (uint16) and token maps (float32, float16) as HDF5, raw and
   compressed: MB/s of what is in memory, and how much smaller the file is.
2. Blending token maps against a plain copy of the same bytes.
3. The prep stage against reading its frames alone, and the stitch stage (pooled) on its tiles.

Synthetic scenes and the tokens that THOR tiny with random weights makes of them, repeated to size.
Files lie in the page cache. Rates are per CPU second, which other work on the machine disturbs less
than wall clock: the best of the repeats, in turn. Writes benchmarks/results/formats.csv.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from measure import Chain, facts, in_turn, seconds, squares, write_csv
from numpy.typing import NDArray

import rsweep.stages.prep.run as prep
import rsweep.stages.stitch.run as stitch
from rsweep.core.nodes import Node
from rsweep.core.store import Store
from rsweep.stages.infer.format import tokens
from rsweep.stages.job import Job
from rsweep.stages.prep.format import blocks
from rsweep.stages.prep.geometry import Lattice
from rsweep.stages.stitch.assemble import assemble

REPEATS = 4
WANTED_MB = 8
WAYS: Mapping[str, dict[str, Any]] = {
    "raw": {},
    "lzf": {"compression": "lzf", "shuffle": True},
    "gzip-1": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
}
PROFILE = {
    "model": "thor",
    "variant": "tiny",
    "weights": "random",
    "image_size": 96,
    "patch_size": 8,
    "input_prep": "tile",
}


def best(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Least CPU seconds of each way, run in turn."""
    timed = {name: partial(seconds, run) for name, run in ways.items()}
    return {name: cpu for name, (_, cpu) in in_turn(timed, REPEATS).items()}


def sample(chain: Chain) -> dict[str, NDArray[Any]]:
    """Arrays as the store holds them: an item of the first axis is a chunk."""
    with chain.store.read(chain.at("fetch")[0], chain.shard.name) as file:
        scenes = file["0"]["bands"][()]
    with chain.store.read(chain.at("infer")[0], chain.shard.name) as file:
        maps = tokens(file, int(next(iter(file)))).maps
        stored = next(iter(maps.values()))[()]
    return {
        "scenes": grown(scenes.reshape(-1, *scenes.shape[-2:])),
        "token maps": grown(stored),
        "token maps, float16": grown(stored.astype(np.float16)),
    }


def grown(array: NDArray[Any]) -> NDArray[Any]:
    """An array repeated to the size wanted."""
    times = -(-WANTED_MB * 10**6 // array.nbytes)
    return np.concatenate([array] * times)


def formats(arrays: Mapping[str, NDArray[Any]], folder: Path) -> Iterator[dict[str, Any]]:
    for what, array in arrays.items():
        files = {way: folder / f"{way}.h5" for way in WAYS}
        writing = best({way: partial(write, files[way], array, WAYS[way]) for way in WAYS})
        reading = best({way: partial(read, files[way]) for way in WAYS})
        mb = array.nbytes / 1e6
        for way, path in files.items():
            yield {
                "what": what,
                "way": way,
                "dtype": str(array.dtype),
                "mb": round(mb),
                "write_mb_per_s": round(mb / writing[way]),
                "read_mb_per_s": round(mb / reading[way]),
                "compression": round(array.nbytes / path.stat().st_size, 2),
            }


def write(path: Path, array: NDArray[Any], options: Mapping[str, Any]) -> None:
    with h5py.File(path, "w") as file:
        held = file.create_dataset(
            "a", array.shape, array.dtype, chunks=(1, *array.shape[1:]), **options
        )
        for start in range(0, len(array), 16):
            held[start : start + 16] = array[start : start + 16]


def read(path: Path) -> None:
    with h5py.File(path, "r") as file:
        held = file["a"]
        for start in range(0, len(held), 16):
            held[start : start + 16]


def blending() -> Iterator[dict[str, Any]]:
    """Token maps of 14 x 14 tokens of 768, overlapping by half, into one map."""
    rng = np.random.default_rng(0)
    lattice = Lattice(224, *(2 * [range(0, 896, 112)]))
    maps = [rng.standard_normal((14, 14, 768), np.float32) for _ in lattice.starts()]
    stack = np.stack(maps)
    copy = np.empty_like(stack)
    ways = {
        f"assemble, {blend}": partial(assemble, maps, lattice, blend)
        for blend in ("none", "linear", "hann")
    }
    took = best({"copy": lambda: np.copyto(copy, stack), **ways})
    for way, spent in took.items():
        yield {
            "what": "64 token maps 14 x 14 x 768",
            "way": way,
            "dtype": "float32",
            "mb": round(stack.nbytes / 1e6),
            "read_mb_per_s": round(stack.nbytes / 1e6 / spent),
            "share_of_copy": round(took["copy"] / spent, 3),
        }


def stages(chain: Chain) -> Iterator[dict[str, Any]]:
    """The prep and stitch stages, and reading what they read."""
    (cut,), (stitched,) = chain.at("prep"), chain.at("stitch")
    (frames,) = cut.inputs.values()
    with chain.store.read(cut, chain.shard.name) as file:
        count = sum(len(block.roi) for block in blocks(file).values())
    took = best(
        {
            "prep, HDF5 to HDF5": partial(again, chain, cut, prep.run),
            "reading its frames": partial(read_all, chain, frames),
            "reading its tiles": partial(read_all, chain, cut),
            "stitch, HDF5 to HDF5": partial(again, chain, stitched, stitch.run),
            "reading its tokens": partial(read_all, chain, stitched.inputs["tokens"]),
        }
    )
    for way, spent in took.items():
        yield {
            "what": f"{count} tiles of 96 px, 10 bands",
            "way": way,
            "tiles_per_s": round(count / spent),
        }


def again(chain: Chain, node: Node, run: Callable[[Job], object]) -> None:
    """Run a stage whose output is there or not."""
    chain.store.discard(node, chain.shard.name)
    run(chain.job(node))


def read_all(chain: Chain, node: Node) -> None:
    """Check a node's file and read every dataset."""

    def visit(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            item[()]

    with chain.store.read(node, chain.shard.name) as file:
        file.visititems(visit)


def main() -> None:
    about, rows = facts(), []
    with tempfile.TemporaryDirectory() as name:
        chain = Chain.of(Store(Path(name) / "store"), squares(2, 960), **PROFILE)
        chain.run("fetch", "composite", "prep", "infer")
        for found in (formats(sample(chain), Path(name)), blending(), stages(chain)):
            for row in found:
                print(row, flush=True)
                rows.append(row)
    write_csv("formats", rows, about)


if __name__ == "__main__":
    main()
