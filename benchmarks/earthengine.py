"""What fetching from Earth Engine costs, against the way of rs-embed, on the loopback stand-in.

    python benchmarks/earthengine.py [--quick]

1. Traffic of one ROI: requests, bytes received and seconds of ours and of rs-embed 0.3's pattern
   (`size()` and then `sampleRectangle(...).getInfo()` in EPSG:3857 for each composite, JSON, halved
   at "Too many pixels"), both through the genuine ee client on the same server in the same run.
2. ROIs per second against requests in flight, with 200 ms added to every answer; the server is
   another process on the same machine.

Writes benchmarks/results/earthengine.csv. Seconds are those of the stand-in, not of the service:
compare the two ways in them, and read nothing else into them.
"""

from __future__ import annotations

import argparse
import csv
import functools
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "standins"))

from ee_server import serve, write_image
from ee_server.images import SAMPLE_PIXELS
from pyproj import Transformer
from rasterio.transform import Affine

from rsweep.core.grid import Grid
from rsweep.sources.earthengine.client import Client
from rsweep.sources.earthengine.reduce import composite_frames
from rsweep.sources.earthengine.source import EarthEngine
from rsweep.stages.composite.rules import MASK_RULES

HERE = Path(__file__).parent
SR = "COPERNICUS/S2_SR_HARMONIZED"
PLUS = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
BANDS = ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"]
CRS, LEFT, TOP = "EPSG:32633", 465_000.0, 5_080_020.0  # Slovenia, 46 degrees north
WINDOW = ("2022-06-01", "2022-09-01")
START_MS, DAY_MS = 1_654_041_600_000, 86_400_000
FRAMES, COMPOSITES = 4, 6
LATENCY_S = 0.2
DATA = Path(os.environ.get("RSWEEP_DATA", HERE.parents[1] / "shared" / "data"))


def scene_bands(number: int, side: int) -> dict[str, np.ndarray]:
    """Real reflectance repeated to the size wanted; random where the sample is absent."""
    sample = DATA / "eolearn_slovenia" / "REFERENCE_SCENES.npy"
    if sample.exists():
        scenes = np.round(np.load(sample) * 1e4).astype("uint16")
        tile = scenes[number % len(scenes)][..., [1, 2, 3, 4, 5, 6, 7, 8, 11, 12]]
    else:
        tile = np.random.default_rng(number).integers(200, 4000, (101, 100, 10), "uint16")
    repeats = (-(-side // tile.shape[0]), -(-side // tile.shape[1]), 1)
    whole = np.tile(tile, repeats)[:side, :side]
    bands = {name: whole[..., i] for i, name in enumerate(BANDS)}
    return {**bands, "SCL": np.full((side, side), 4, "uint16")}


def build_store(root: Path, scenes: int, side: int) -> None:
    affine = Affine(10, 0, LEFT - 600, 0, -10, TOP + 600)
    score = {"cs_cdf": np.full((side, side), 0.9, "float32")}
    for number in range(scenes):
        day = 1 + number * 90 // scenes
        index = f"2022{number:04d}T100000_2022{number:04d}T100000_T33TVL"
        common = {"system__time_start": START_MS + day * DAY_MS, "system__version": 1}
        bands = scene_bands(number, side)
        write_image(
            root, f"{SR}/{index}", bands, CRS, affine, CLOUDY_PIXEL_PERCENTAGE=5.0, **common
        )
        write_image(root, f"{PLUS}/{index}", score, CRS, affine, **common)


def square(side: int, offset: int = 0) -> Grid:
    return Grid(CRS, LEFT + offset * 60.0, TOP - offset * 60.0, 10.0, side, side)


# --- the way of rs-embed -----------------------------------------------------------------------


def sampled(region: tuple[float, ...], image: Any) -> np.ndarray:
    """One image as JSON, halved as often as the service asks for it."""
    import ee

    box = ee.Geometry.Rectangle(list(region), "EPSG:3857", False)
    try:
        answer = image.sampleRectangle(region=box, defaultValue=0).getInfo()
    except ee.EEException as error:
        if "Too many pixels" not in str(error):
            raise
        left, bottom, right, top = region
        middle = round((bottom + top) / 20) * 10
        halves = (left, bottom, right, middle), (left, middle, right, top)
        lower, upper = (sampled(half, image) for half in halves)
        return np.concatenate([upper, lower], axis=1)
    return np.stack([np.array(answer["properties"][band], np.float32) for band in BANDS])


def json_composite(side: int, start: str, end: str) -> np.ndarray:
    """A median of a window: is there anything, and then its pixels."""
    import ee

    # As many "10 m" pixels as ours, which in EPSG:3857 are 6.9 m on the ground here.
    x, y = Transformer.from_crs(CRS, 3857, always_xy=True).transform(LEFT, TOP)
    left, top = round(x, -1), round(y, -1)
    region = (left, top - side * 10, left + side * 10, top)
    box = ee.Geometry.Rectangle(list(region), "EPSG:3857", False)
    images = ee.ImageCollection(SR).filterBounds(box).filterDate(start, end)
    images = images.filter(ee.Filter.lte("CLOUDY_PIXEL_PERCENTAGE", 30))
    assert images.size().getInfo()
    image = images.median().select(BANDS).reproject(crs="EPSG:3857", scale=10)
    return sampled(region, image)


def json_frames(side: int) -> None:
    """A composite of the whole window to fall back on, then one for each part of it."""
    edges = ["2022-06-01", "2022-06-24", "2022-07-17", "2022-08-09", "2022-09-01"]
    for start, end in [(edges[0], edges[-1]), *itertools.pairwise(edges)]:
        json_composite(side, start, end)


# --- ours --------------------------------------------------------------------------------------


def our_scenes(source: EarthEngine, grid: Grid) -> None:
    scenes = source.scenes(grid, *WINDOW)
    assert sum(p.bands.any() for p in source.read(scenes, grid)) == len(scenes)


def our_composites(source: EarthEngine, grid: Grid, frames: int) -> None:
    scenes = source.scenes(grid, *WINDOW)
    size = -(-len(scenes) // frames)
    parts = [scenes[i : i + size] for i in range(0, len(scenes), size)]
    rules = {"scl": MASK_RULES["scl"].constants(None)}
    assert len(list(composite_frames(source, parts, grid, "median", rules))) == frames


def traffic(store: Path, sides: list[int]) -> Iterator[dict[str, Any]]:
    at = serve(store)
    source = EarthEngine(Client(at.url), SR, BANDS)
    source.client.connect()
    for side in sides:
        grid = square(side)
        ways: list[tuple[str, str, Callable[[], object]]] = [
            ("1 composite", "rs-embed", lambda s=side: json_composite(s, *WINDOW)),
            ("1 composite", "ours, on the server", lambda g=grid: our_composites(source, g, 1)),
            ("1 composite", "ours, scenes", lambda g=grid: our_scenes(source, g)),
            (f"{FRAMES} frames", "rs-embed", lambda s=side: json_frames(s)),
            (
                f"{FRAMES} frames",
                "ours, on the server",
                lambda g=grid: our_composites(source, g, FRAMES),
            ),
            (f"{FRAMES} frames", "ours, scenes", lambda g=grid: our_scenes(source, g)),
            (
                f"sweep of {COMPOSITES} composites",
                "rs-embed",
                lambda s=side: [json_composite(s, *WINDOW) for _ in range(COMPOSITES)],
            ),
            (
                f"sweep of {COMPOSITES} composites",
                "ours, scenes",
                lambda g=grid: our_scenes(source, g),
            ),
        ]
        for case, way, fetch in ways:
            yield {"what": f"{side} x {side} px, {case}", "way": way, **measured(at, fetch)}
    at.close()


def measured(at: Any, fetch: Callable[[], object]) -> dict[str, Any]:
    first, started = len(at.log), time.perf_counter()
    fetch()
    seconds = time.perf_counter() - started
    log = at.log[first:]
    return {
        "requests": len(log),
        "bytes_received": sum(r["received"] for r in log),
        "bytes_sent": sum(r["sent"] for r in log),
        "seconds": round(seconds, 3),
    }


# --- ROIs per second ---------------------------------------------------------------------------


@contextmanager
def server_process(store: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "ee_server", str(store)]
    environment = {**os.environ, "PYTHONPATH": sys.path[0]}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        body = json.dumps({"latency_s": LATENCY_S}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{url}/__set", body)).read()
        yield url
    finally:
        process.terminate()
        process.wait()


def throughput(store: Path, levels: list[int], rois: int) -> Iterator[dict[str, Any]]:
    with server_process(store) as url:
        for workers in levels:
            source = EarthEngine(
                Client(url, parallel=workers), SR, ["B4", "B3", "B2"], parallel=workers
            )
            source.client.connect()
            grids = [square(30, offset) for offset in range(rois)]
            started = time.perf_counter()
            with ThreadPoolExecutor(workers) as pool:
                for _ in pool.map(functools.partial(our_scenes, source), grids):
                    pass
            seconds = time.perf_counter() - started
            yield {
                "what": f"{rois} ROIs of 30 x 30 px, {workers} requests in flight",
                "way": "ours, scenes",
                "requests": source.stats["requests"],
                "bytes_received": source.stats["bytes"],
                "seconds": round(seconds, 3),
                "rois_per_s": round(rois / seconds, 2),
                "bound_rois_per_s": round(workers / (2 * LATENCY_S), 2),
            }


def machine() -> str:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    quick = parser.parse_args().quick
    sides, levels, rois = ([48], [1, 4], 8) if quick else ([228, 600], [1, 2, 4, 8, 16, 32], 64)
    assert 600**2 > SAMPLE_PIXELS > 228**2
    rows = []
    host = machine()
    with tempfile.TemporaryDirectory() as folder:
        build_store(Path(folder) / "large", 8, max(sides) + 120)
        build_store(Path(folder) / "small", 2, 600)
        for row in itertools.chain(
            traffic(Path(folder) / "large", sides),
            throughput(Path(folder) / "small", levels, rois),
        ):
            rows.append({**row, "machine": host})
            print(row, flush=True)
    if not quick:
        write(rows)


def write(rows: list[dict[str, Any]]) -> None:
    columns = [
        "what",
        "way",
        "requests",
        "bytes_received",
        "bytes_sent",
        "seconds",
        "rois_per_s",
        "bound_rois_per_s",
        "machine",
    ]
    path = HERE / "results" / "earthengine.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
