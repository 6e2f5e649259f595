"""What reading a Sentinel-2 stack costs, against odc-stac, on the loopback STAC server.

    pip install --target /tmp/odc odc-stac==0.5.3  # not a dependency
    python benchmarks/stac.py [--odc /tmp/odc] [--quick]

Search and read of 6 dates x 6 layers (5 bands and the scene classes; COGs of 2048 pixels a side at
10 m, 1024 at 20 m, in tiles of 512) on a ROI of 512 x 512 pixels of 10 m, snapped in UTM, nearest.
Both find the items with pystac-client, read 8 assets at a time, use the same GDAL, and run each
time in a process of their own, so that no cache is warm; imports are not timed. odc-stac runs with
its settings for clouds (`configure_rio(cloud_defaults=True)`). They take turns, and the best of
three counts; the stacks must be equal to the bit. Once as the server answers, once with 50 ms added
to every answer.

Writes benchmarks/results/stac.csv. Seconds are those of the stand-in, which shares the processor
with the reader: compare the two ways in them, and read nothing else into them. Bytes are those of
files, from the server's log: `range_bytes` of requests with a range, exact; `whole_bytes_at_most`
of GETs without one, which GDAL sends in place of a HEAD (CPL_VSIL_CURL_USE_HEAD=NO) and breaks off:
how much of them crossed before that, the log cannot tell.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from measure import facts, write_csv
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import Affine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "standins"))

from stac_server import Fault, Request, StacServer

from rsweep.core.grid import Grid

COLLECTION = "sentinel-2-c1-l2a"
BANDS = {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8", "swir16": "B11"}
SCALES = {"blue": 10, "green": 10, "red": 10, "nir": 10, "swir16": 20, "scl": 20}
EPSG, LEFT, TOP = 32633, 465_000, 5_080_020  # Slovenia, 46 degrees north
SIDE_M, TILE = 20_480, 512
GRID = Grid(f"EPSG:{EPSG}", LEFT + 7_020.0, TOP - 8_040.0, 10.0, 512, 512)
WINDOW = ("2022-06-01", "2022-09-01")
WORKERS, REPEATS = 8, 3
DELAYS_S = (0.0, 0.05)
Stack = NDArray[np.uint16]


# --- the catalogue -----------------------------------------------------------------------------


def build(root: Path, dates: int) -> list[dict[str, Any]]:
    """Scenes as COGs in a folder, and their items."""
    return [item(root, number) for number in range(dates)]


def item(root: Path, number: int) -> dict[str, Any]:
    day = f"2022-{6 + number // 3:02d}-{1 + number % 3 * 10:02d}"
    name = f"S2A_T33TVL_{day.replace('-', '')}T100000_L2A"
    draw = np.random.default_rng(number)
    assets = {}
    for key, scale in SCALES.items():
        write_cog(root / name / f"{key}.tif", draw, key, scale)
        kind = "uint8" if key == "scl" else "uint16"
        side = SIDE_M // scale
        assets[key] = {
            "href": f"@BASE@/{name}/{key}.tif",
            "roles": ["data"],
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "raster:bands": [{"nodata": 0, "data_type": kind, "spatial_resolution": scale}],
            "proj:shape": [side, side],
            "proj:transform": [scale, 0, LEFT, 0, -scale, TOP],
        }
    box = Transformer.from_crs(EPSG, 4326, always_xy=True).transform_bounds(
        LEFT, TOP - SIDE_M, LEFT + SIDE_M, TOP
    )
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": COLLECTION,
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "bbox": list(box),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "links": [],
        "properties": {
            "datetime": f"{day}T10:00:00Z",
            "proj:epsg": EPSG,
            "eo:cloud_cover": 5.0,
            "s2:processing_baseline": "05.09",
            "platform": "sentinel-2a",
        },
        "assets": assets,
    }


def write_cog(path: Path, draw: np.random.Generator, key: str, scale: int) -> None:
    """Fields of 320 m with noise of their own, which compress as reflectance does; some missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    side = SIDE_M // scale
    if key == "scl":
        values = draw.integers(0, 12, (SIDE_M // 320,) * 2).repeat(16, 0).repeat(16, 1)
    else:
        fields = draw.integers(1200, 4000, (SIDE_M // 320,) * 2)
        values = fields.repeat(320 // scale, 0).repeat(320 // scale, 1)
        values = values + draw.integers(0, 64, (side, side))
        values[draw.random((side, side)) < 0.001] = 0
    with rasterio.open(
        path,
        "w",
        driver="COG",
        width=side,
        height=side,
        count=1,
        nodata=0,
        crs=EPSG,
        dtype="uint8" if key == "scl" else "uint16",
        blocksize=TILE,
        compress="deflate",
        predictor=2,
        transform=Affine(scale, 0, LEFT, 0, -scale, TOP),
    ) as raster:
        raster.write(values.astype(raster.dtypes[0]), 1)


# --- the two ways, each in a process of its own ------------------------------------------------


def ours() -> Callable[[str], Stack]:
    import rsweep.sources.stac.source
    from rsweep.sources.stac import open_source

    del rsweep

    def read(url: str) -> Stack:
        source = open_source({"url": url, "workers": WORKERS}, COLLECTION, list(BANDS.values()))
        scenes = source.scenes(GRID, *WINDOW)
        return np.stack(
            [exact([*pixels.bands, pixels.quality["scl"]]) for pixels in source.read(scenes, GRID)]
        )

    return read


def odc() -> Callable[[str], Stack]:
    import odc.stac
    import pystac_client
    from odc.geo.geobox import GeoBox

    odc.stac.configure_rio(cloud_defaults=True)
    box = GeoBox((GRID.height, GRID.width), Affine(*GRID.transform), GRID.crs)
    lonlat = Transformer.from_crs(GRID.crs, 4326, always_xy=True).transform_bounds(*GRID.bounds)

    def read(url: str) -> Stack:
        found = pystac_client.Client.open(url).search(
            collections=[COLLECTION],
            bbox=lonlat,
            datetime="/".join(f"{d}T00:00:00Z" for d in WINDOW),
        )
        data = odc.stac.load(
            list(found.items()),
            bands=list(SCALES),
            geobox=box,
            resampling="nearest",
            groupby="time",
            pool=WORKERS,
        )
        return np.stack(
            [exact([data[key].values[i] for key in SCALES]) for i in range(data.sizes["time"])]
        )

    return read


WAYS: dict[str, Callable[[], Callable[[str], Stack]]] = {"odc-stac": odc, "ours": ours}


def exact(layers: Sequence[NDArray[Any]]) -> Stack:
    """Layers as one array of 16 bits, which must lose nothing."""
    stored = np.stack([layer.astype(np.uint16) for layer in layers])
    for layer, kept in zip(layers, stored, strict=True):
        assert np.array_equal(layer, kept)
    return stored


def read_here(way: str, url: str, to: str) -> None:
    """What the child process does."""
    read = WAYS[way]()
    started = time.perf_counter()
    stack = read(url)
    seconds = time.perf_counter() - started
    np.save(to, stack)
    print(json.dumps({"seconds": seconds}))


# --- the comparison ----------------------------------------------------------------------------


def measured(server: StacServer, way: str, packages: str, to: Path) -> dict[str, Any]:
    first = len(server.requests)
    command = [sys.executable, __file__, "--odc", packages, "--read", way, server.url, str(to)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    log = server.requests[first:]
    return {
        "seconds": round(json.loads(answer.splitlines()[-1])["seconds"], 3),
        "requests": len(log),
        "range_bytes": sum(file_bytes(server.root, r) for r in log if r.range),
        "whole_bytes_at_most": sum(file_bytes(server.root, r) for r in log if not r.range),
    }


def file_bytes(root: Path, request: Request) -> int:
    path = root / urlsplit(request.path).path.lstrip("/")
    if request.method != "GET" or request.status not in (200, 206) or not path.is_file():
        return 0
    size = path.stat().st_size
    if request.status == 200 or not request.range:
        return size
    first, _, last = request.range.removeprefix("bytes=").partition("-")
    return min(int(last or size), size - 1) - int(first) + 1


def compare(
    server: StacServer, ways: list[str], packages: str, folder: Path, repeats: int
) -> list[dict[str, Any]]:
    """The best of the repeats of each way, which must all give the same."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    stacks = []
    for _ in range(repeats):
        for way in ways:
            runs[way].append(measured(server, way, packages, folder / "stack.npy"))
            stacks.append(np.load(folder / "stack.npy"))
            assert stacks[-1].any()
            assert stacks[-1].shape[1:] == (6, GRID.height, GRID.width)
            assert np.array_equal(stacks[-1], stacks[0])  # and so are their shapes
    best = {way: min(runs[way], key=lambda run: run["seconds"]) for way in ways}
    shape = " x ".join(map(str, stacks[0].shape))
    return [
        {
            "what": shape,
            "way": way,
            **best[way],
            "repeats_s": " ".join(str(run["seconds"]) for run in runs[way]),
            "times_ours": round(best[way]["seconds"] / best["ours"]["seconds"], 2),
            "identical": "yes" if len(ways) > 1 else "",
        }
        for way in ways
    ]


def versions(ways: list[str]) -> dict[str, str]:
    told = {"gdal": rasterio.__gdal_version__}
    if "odc-stac" in ways:
        import odc.stac

        told["odc_stac"] = odc.stac.__version__
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--odc", default="/tmp/odc", help="folder that odc-stac was installed to")
    parser.add_argument("--quick", action="store_true", help="2 dates once, to see that it runs")
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sys.path.append(asked.odc)  # at the end: all else comes from where rsweep has it
    if asked.read:
        read_here(*asked.read)
        return
    ways = list(WAYS)
    if importlib.util.find_spec("odc") is None:
        print(f"no odc-stac: pip install --target {asked.odc} odc-stac==0.5.3; timing ours alone")
        ways = ["ours"]
    about, rows = {**versions(ways), **facts()}, []
    dates, repeats = (2, 1) if asked.quick else (6, REPEATS)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "files"
        with StacServer(root, build(root, dates), page=100) as server:
            for delay in DELAYS_S:
                server.faults[:] = [Fault(".", delay_s=delay)] if delay else []
                for row in compare(server, ways, asked.odc, Path(folder), repeats):
                    rows.append({**row, "what": f"{row['what']}, {delay * 1e3:.0f} ms"})
                    print(rows[-1], flush=True)
    if not asked.quick and len(ways) > 1:
        write_csv("stac", rows, about)


if __name__ == "__main__":
    main()
