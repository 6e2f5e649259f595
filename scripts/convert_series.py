"""Write public data sets as GeoTIFF: scenes that provider `local` reads, and rasters of labels.

    python scripts/convert_series.py worldcereal SOURCE.nc FOLDER
    python scripts/convert_series.py worldcereal_points SOURCE.parquet FOLDER
    python scripts/convert_series.py treesat SOURCE.h5 FOLDER
    python scripts/convert_series.py slovenia SOURCE/eolearn_slovenia FOLDER

The layouts are config/studies/layouts/{worldcereal,worldcereal_points,treesat}.yaml. Values are
copied as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import rasterio
from affine import Affine
from pyproj import Transformer

from rsweep.core.grid import utm_epsg

WORLDCEREAL_S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")
# The h5 does not name its bands; the medians of the clear dates (296, 450, 356, 754, 1682, 2066,
# 2300, 2345, 1330, 673) are those of a forest in this order and in no other that is published.
TREESAT_S2 = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
TREESAT_PIXEL_M = 10.0
POINTS_S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
POINT_M = 60
"""Side of the square that the series of a point fills: an extraction holds one pixel."""
CROPS = ("sorghum", "maize", "other_oilseeds", "trees_mixed")
FOREST = 2


def write_scene(
    path: Path,
    values: Any,
    names: Sequence[str],
    crs: str,
    transform: Affine,
    nodata: float | None,
) -> None:
    """Write [C, H, W] values as one GeoTIFF with a description per band."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=values.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
        compress="deflate",
    ) as raster:
        raster.write(values)
        raster.descriptions = tuple(names)


def convert_worldcereal(source: Path, folder: Path) -> int:
    """12 monthly composites on one 10 m grid: S2 x 10000, S1 amplitudes, 65535 missing."""
    with h5py.File(source) as data:
        x, y = data["x"][:], data["y"][:]
        transform = Affine(x[1] - x[0], 0, x[0] - 5, 0, y[1] - y[0], y[0] + 5)
        crs = data["crs"].attrs["crs_wkt"].decode()
        for month, days in enumerate(data["t"][:]):
            day = date(1990, 1, 1) + timedelta(days=int(days))
            for sensor, bands, prefix in (
                ("s2", WORLDCEREAL_S2, "S2-L2A"),
                ("s1", ("VV", "VH"), "S1-SIGMA0"),
            ):
                # Stored as int16 with the netCDF attribute _Unsigned.
                values = np.stack([data[f"{prefix}-{b}"][month].view(np.uint16) for b in bands])
                path = folder / sensor / f"{sensor}_{day:%Y%m%d}.tif"
                write_scene(path, values, bands, crs, transform, 65535)
        return 2 * len(data["t"])


def convert_treesat(source: Path, folder: Path) -> int:
    """The dates of one 60 m forest plot: S2 DN with cloud probability, S1 power by orbit."""
    with rasterio.open(source.with_suffix(".tif")) as aerial:
        left, bottom, right, top = aerial.bounds
    # The h5 has no georeference; its 6 x 6 pixels share the centre of the aerial image of 60.8 m.
    half = 3 * TREESAT_PIXEL_M
    x, y = (left + right) / 2 - half, (bottom + top) / 2 + half
    place = ("EPSG:25832", Affine(TREESAT_PIXEL_M, 0, x, 0, -TREESAT_PIXEL_M, y))
    with h5py.File(source) as data:
        for name, values, masks in zip(
            data["sen-2-products"][:], data["sen-2-data"][:], data["sen-2-masks"][:], strict=True
        ):
            both = np.concatenate([values, masks[1:2]]).round().astype(np.uint16)
            path = folder / "s2" / f"{name.decode()}.tif"
            write_scene(path, both, (*TREESAT_S2, "cloud"), *place, None)
        for orbit in ("asc", "des"):
            products = data[f"sen-1-{orbit}-products"][:]
            for name, values in zip(products, data[f"sen-1-{orbit}-data"][:], strict=True):
                path = folder / "s1" / orbit / f"{name.decode()}.tif"
                write_scene(path, values, ("VV", "VH"), *place, None)
    return sum(1 for _ in folder.rglob("*.tif"))


def worldcereal_points(source: Path) -> Iterator[tuple[dict[str, Any], str, float, float]]:
    """Rows of the four commonest classes, each with the UTM zone and top-left corner of its square.

    Squares lie on multiples of their side; of several points in one the first is taken.
    """
    taken = set()
    for row in pq.read_table(source).to_pylist():
        crs = f"EPSG:{utm_epsg(row['lon'], row['lat'])}"
        to_utm = Transformer.from_crs(4326, crs, always_xy=True)
        column, line = (int(v // POINT_M) for v in to_utm.transform(row["lon"], row["lat"]))
        if row["sampling_label"] in CROPS and (crs, column, line) not in taken:
            taken.add((crs, column, line))
            yield row, crs, POINT_M * column, POINT_M * (line + 1)


def convert_worldcereal_points(source: Path, folder: Path) -> int:
    """12 monthly composites of single pixels: S2 x 10000 and S1 amplitudes, 65535 missing."""
    names = [
        *(
            f"OPTICAL-{b}-ts{{}}-{10 if b in ('B02', 'B03', 'B04', 'B08') else 20}m"
            for b in POINTS_S2
        ),
        "SAR-VV-ts{}-20m",
        "SAR-VH-ts{}-20m",
    ]
    side, count = POINT_M // 10, 0
    for number, (row, crs, x, y) in enumerate(worldcereal_points(source)):
        for month in range(12):
            day = date(2016 + (month > 0), (month - 1) % 12 + 1, 1)
            values = np.array([row[name.format(month)] for name in names], np.uint16)
            whole = np.broadcast_to(values[:, None, None], (len(names), side, side))
            path = folder / f"{day:%Y%m%d}" / f"p{number:03d}.tif"
            place = (crs, Affine(10, 0, x, 0, -10, y))
            write_scene(path, whole, (*POINTS_S2, "VV", "VH"), *place, 65535)
            count += 1
    return count


def convert_slovenia(source: Path, folder: Path) -> int:
    """Rasters of labels of eo-learn's patch: land cover, forest (1 or 0) and elevation in m."""
    with rasterio.open(next(source.glob("ee_store_derived/COPERNICUS/S2_HARMONIZED/*.tif"))) as own:
        place = (own.crs, own.transform)
    cover = np.load(source / "TestEOPatch/mask_timeless/LULC.npy")[..., 0].astype(np.uint8)
    forest = np.where(cover > 0, cover == FOREST, np.nan).astype(np.float32)
    elevation = np.load(source / "TestEOPatch/data_timeless/DEM.npy")[..., 0].astype(np.float32)
    rasters = {
        "land_cover": (cover, 0.0),
        "forest": (forest, np.nan),
        "elevation": (elevation, np.nan),
    }
    for name, (values, nodata) in rasters.items():
        write_scene(folder / f"{name}.tif", values[None], (name,), *place, nodata)
    return len(rasters)


CONVERTERS = {
    "worldcereal": convert_worldcereal,
    "treesat": convert_treesat,
    "worldcereal_points": convert_worldcereal_points,
    "slovenia": convert_slovenia,
}


def main(arguments: list[str] | None = None) -> int:
    """Convert one data set; the number of scenes goes to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_set", choices=CONVERTERS)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    if not given.source.exists():
        parser.error(f"{given.source} does not exist")
    count = CONVERTERS[given.data_set](given.source, given.folder)
    print(f"{count} files in {given.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
