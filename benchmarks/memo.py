"""Would remembering forward passes by what a tile holds save any?

    python benchmarks/memo.py

Each row is a sweep of one knob: the tiles that its profiles ask for beyond what keys already share,
and how many of them hold bit for bit what another holds (pixels, what is valid, metres per pixel;
dates and place too where `told`, for networks that read them). `hash_ms` is what it costs to find
out, per tile. Writes benchmarks/results/memo.csv.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from measure import Chain, facts, squares, write_csv

from rsweep.core.store import Store
from rsweep.stages.prep.format import blocks

ROIS = squares(24, 240)
BASE = {
    "model": "dofa",
    "weights": "random",
    "image_size": 32,
    "input_prep": "tile",
    "context_m": 160,
}
SWEEPS: Mapping[str, tuple[Any, ...]] = {
    "cloudy_pct": (100, 90, 80, 60, 40, 20),
    "fetch_cloudy_pct": (100, 80, 60),
    "cloud_mask": ("auto", "scl", "cloud", "none"),
    "mask_threshold": (20, 30, 40, 50),
    "composite": ("median", "mean", "mosaic", "least_cloudy"),
    "context_m": (160, 240, 320),
    "tile_overlap": (0, 16),
    "edge": ("reflect", "fill"),
    "temporal": (
        {"start": "2022-06-01", "end": "2022-09-01"},
        {"start": "2022-06-01", "end": "2022-08-25"},
        {"start": "2022-06-08", "end": "2022-09-01"},
        {"start": "2022-05-15", "end": "2022-09-15"},
    ),
}


def tiles(file: h5py.File, told: bool) -> Iterator[str]:
    """A digest of what a network is fed of each tile."""
    for block in blocks(file).values():
        sensors = block.sensors.values()
        names = ("pixels", "valid", "day") if told else ("pixels", "valid")
        held = [getattr(sensor, name)[()] for sensor in sensors for name in names]
        held += [block.gsd[()], block.lonlat[()]] if told else [block.gsd[()]]
        for row in range(len(held[0])):
            digest = hashlib.blake2b(digest_size=16)
            for values in held:
                digest.update(np.ascontiguousarray(values[row]))
            yield digest.hexdigest()


def measure(store: Store, knob: str, told: bool) -> dict[str, Any]:
    """Tiles of a sweep of one knob, and how many of them are another's."""
    found: list[str] = []
    keys, spent = set(), 0.0
    for value in SWEEPS[knob]:
        chain = Chain.of(store, ROIS, **{**BASE, knob: value})
        chain.run("fetch", "composite", "prep")
        (node,) = chain.at("prep")
        if node.key in keys:
            continue
        keys.add(node.key)
        with store.read(node, chain.shard.name) as file:
            began = time.perf_counter()
            found += tiles(file, told)
            spent += time.perf_counter() - began
    saved = len(found) - len(set(found))
    return {
        "knob": knob,
        "values": len(SWEEPS[knob]),
        "preps": len(keys),
        "told": told,
        "tiles": len(found),
        "coincide": saved,
        "share": f"{saved / len(found):.3f}",
        "hash_ms": f"{1000 * spent / len(found):.2f}",
    }


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for knob in SWEEPS:
            for told in (False, True):
                rows.append(measure(store, knob, told))
                print(rows[-1], flush=True)
    write_csv("memo", rows, facts())


if __name__ == "__main__":
    main()
