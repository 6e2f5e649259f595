"""Compressors of HDF5 datasets: size and speed.

    pip install hdf5plugin
    python benchmarks/compressors.py

Arrays as the store holds them: scenes (uint16) and their classes (uint8) of the synthetic world,
and floats that stand for tokens. Each is written and read in chunks of some rows with LZF and
gzip 1, which HDF5 has itself, and zstd 3 and blosc2 (zstd 3), which hdf5plugin brings, all after a
byte shuffle. Files lie in memory. Rates are per CPU second: the best of the repeats. Writes
benchmarks/results/compressors.csv.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from measure import facts, seconds, write_csv
from numpy.typing import NDArray

from rsweep.core.grid import roi_grid
from rsweep.core.roi import Roi
from rsweep.sources.synthetic import available_bands, open_source

REPEATS = 3
ROWS = 32
COMPRESSORS: Mapping[str, Mapping[str, Any]] = {
    "raw": {},
    "lzf": {"compression": "lzf", "shuffle": True},
    "gzip-1": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "zstd-3": {**hdf5plugin.Zstd(clevel=3), "shuffle": True},
    "blosc2-zstd-3": {**hdf5plugin.Blosc2("zstd", clevel=3, filters=hdf5plugin.Blosc2.SHUFFLE)},
}


def samples() -> dict[str, NDArray[Any]]:
    """Arrays [N, H, W]."""
    roi = Roi("a", {"type": "point", "lon": 8.7, "lat": 50.5, "buffer_m": 2500.0})
    grid, _ = roi_grid(roi, 10.0, 0.0)
    options, collection = {"seed": 0}, "synthetic-s2-l2a"
    source = open_source(options, collection, available_bands(options, collection))
    listed = source.scenes(grid, "2022-06-01", "2022-07-01")[:2]
    read = list(source.read(listed, grid))
    tokens = np.random.default_rng(0).normal(size=(24, 512, 512)).astype(np.float32)
    return {
        "scenes": np.concatenate([scene.bands for scene in read]),
        "classes": np.stack([scene.quality["scl"] for scene in read]),
        "tokens": tokens,
    }


def write(array: NDArray[Any], options: Mapping[str, Any]) -> io.BytesIO:
    """A file in memory."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=("v110", "v110")) as file:
        chunk = (1, min(ROWS, array.shape[1]), array.shape[2])
        file.create_dataset("x", data=array, chunks=chunk, **options)
    return memory


def read(memory: io.BytesIO) -> NDArray[Any]:
    """All values of a file."""
    with h5py.File(memory) as file:
        return np.asarray(file["x"][()])


def rows() -> Iterator[dict[str, Any]]:
    """A row per array and compressor."""
    for what, array in samples().items():
        mb = array.nbytes / 1e6
        for name, options in COMPRESSORS.items():
            memory = write(array, options)
            assert np.array_equal(read(memory), array)
            writing = min(
                seconds(lambda a=array, o=options: write(a, o))[1] for _ in range(REPEATS)
            )
            reading = min(seconds(lambda m=memory: read(m))[1] for _ in range(REPEATS))
            yield {
                "what": what,
                "compressor": name,
                "mb": round(mb, 1),
                "smaller_by": round(array.nbytes / memory.getbuffer().nbytes, 2),
                "write_mb_per_s": round(mb / max(writing, 1e-9)),
                "read_mb_per_s": round(mb / max(reading, 1e-9)),
            }


def main() -> None:
    about, found = facts(), []
    for row in rows():
        print(row, flush=True)
        found.append(row)
    write_csv("compressors", found, about)


if __name__ == "__main__":
    main()
