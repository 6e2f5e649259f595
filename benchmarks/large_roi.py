"""Peak memory of every stage for one large ROI, beside what its job asks for.

    python benchmarks/large_roi.py [--side-km 20] [--frames 12] [--model galileo --variant nano]
        [--tile-size 64] [--image-size 16] [--patch-size 8]

Twelve scenes of ten bands in a folder, one a month, little larger than the ROI at 10 m; every stage
runs in a fresh process, as its job does, and its peak is all resident memory, Python and libraries
included. Random weights; a grid. Tiles are resized to a smaller input, so that all of them take two
cores some minutes. Writes benchmarks/results/large_roi.csv (`--name` names another), and ends in an
error where a stage took more than it asked for.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from measure import facts, write_csv
from rasterio.warp import transform

from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.estimates import memory_mb
from rsweep.plan.study import make_study
from rsweep.stages.job import Job

BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
X, Y, PIXEL_M = 478_000, 5_595_000, 10
THREADS = 2
LAYOUT = """
s2:
  files: 'S2_(?P<date>\\d{8})\\.tif'
  bands: {%s}
  quality: {scl: {band: %d}}
"""


def write_scenes(folder: Path, side_km: float) -> None:
    """Twelve scenes of one year, of a pattern that is made and compressed fast."""
    folder.mkdir()
    size = 16 * int(side_km * 1000 / PIXEL_M / 16 + 4)
    half = size * PIXEL_M / 2
    pattern = (np.add.outer(np.arange(size), np.arange(size)) // 16 % 900 + 500).astype("uint16")
    for month in range(1, 13):
        with rasterio.open(
            folder / f"S2_2022{month:02d}15.tif",
            "w",
            driver="GTiff",
            dtype="uint16",
            count=len(BANDS) + 1,
            height=size,
            width=size,
            crs="EPSG:32632",
            nodata=0,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            transform=rasterio.Affine(PIXEL_M, 0, X - half, 0, -PIXEL_M, Y + half),
        ) as file:
            for i in range(len(BANDS)):
                file.write(pattern + np.uint16(37 * i + 11 * month), i + 1)
            file.write(np.full((size, size), 4, "uint16"), len(BANDS) + 1)
    named = ", ".join(f"{band}: {i}" for i, band in enumerate(BANDS, start=1))
    (folder / "layout.yaml").write_text(LAYOUT % (named, len(BANDS) + 1))


def write_study(folder: Path, given: argparse.Namespace) -> None:
    """The study of one ROI in the middle of the scenes."""
    (lon,), (lat,) = transform("EPSG:32632", "EPSG:4326", [X], [Y])
    table = folder / "rois.csv"
    table.write_text(f"id,lon,lat,buffer_m\nbig,{lon},{lat},{500 * given.side_km}\n")
    frames = {"frames": given.frames, "frame_policy": "month"} if given.frames > 1 else {}
    (folder / "study.json").write_text(
        json.dumps(
            {
                "study": "large",
                "rois": str(table),
                "results": str(folder / "results"),
                "temporal": {"year": 2022},
                "base": {
                    "provider": "local",
                    "local": {"path": str(folder / "scenes")},
                    "model": given.model,
                    **({"variant": given.variant} if given.variant else {}),
                    "weights": "random",
                    "tile_size": given.tile_size,
                    "image_size": given.image_size,
                    "patch_size": given.patch_size,
                    "max_tiles": 1_000_000,
                    "context_m": 0,
                    "output": "grid",
                    **frames,
                },
            }
        )
    )


def one_stage(folder: Path, key: str) -> dict[str, Any]:
    """Run a node's job in this process."""
    study = make_study(json.loads((folder / "study.json").read_text()), "large")
    node, (shard,), store = study.nodes()[key], study.shards, Store(study.store)
    began = time.monotonic()
    run_job(Job(node, shard, store, study.node_options(), threads=THREADS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "stage": node.stage,
        "asked_mb": memory_mb(node, [shard], 1),
        "peak_mb": round(peak),
        "seconds": round(time.monotonic() - began),
        "file_mb": round(store.path(node, shard.name).stat().st_size / 2**20),
    }


def measured(given: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for every stage."""
    rows = []
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        write_scenes(folder / "scenes", given.side_km)
        write_study(folder, given)
        study = make_study(json.loads((folder / "study.json").read_text()), "large")
        for key in study.nodes():
            command = [sys.executable, __file__, "--one", str(folder), key]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr[-3000:])
            row = json.loads(done.stdout.splitlines()[-1])
            rows.append(
                {
                    "side_km": given.side_km,
                    "frames": given.frames,
                    "model": given.model,
                    "variant": given.variant,
                    "tiles": math.ceil(given.side_km * 1000 / PIXEL_M / given.tile_size) ** 2,
                    **row,
                }
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side-km", type=float, default=20.0)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--model", default="galileo")
    parser.add_argument("--variant", default="nano")
    parser.add_argument("--tile-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--patch-size", type=int, default=8)
    parser.add_argument("--name", default="large_roi")
    parser.add_argument("--folder", help="where temporary files go: 10 GB for 20 km and 12 frames")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one_stage(Path(given.one[0]), given.one[1])))
        return
    about, rows = facts(), measured(given)
    write_csv(given.name, rows, about)
    above = [row["stage"] for row in rows if row["peak_mb"] > row["asked_mb"]]
    if above:
        raise SystemExit(f"took more memory than was asked for: {', '.join(above)}")


if __name__ == "__main__":
    main()
