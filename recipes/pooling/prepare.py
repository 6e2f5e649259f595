"""Tables of ROIs of EuroSAT: a chip each, with its class, its place, and its side of each split."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import rasterio
from rasterio.warp import transform

SETS = ("eurosat-aef", "eurosat-olmoearth-nano", "eurosat-tessera")
SPLITS = {"random": "eurosat", "spatial": "eurosat-spatial"}


def flatten(folder: Path) -> None:
    """Bring the folders of classes to the top, wherever an archive has them."""
    if any(folder.glob("*/*.tif")):
        return
    for inside in {path.parent.parent for path in folder.rglob("*.tif")}:
        for path in inside.iterdir():
            shutil.move(path, folder / path.name)


def chips(splits: Path, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Id, class and side of each chip; chips that settings are chosen by are left out.

    A line is `AnnualCrop_12.jpg`, of the file `AnnualCrop/AnnualCrop_12.tif`.
    """
    for side in ("train", "test"):
        (path,) = sorted(splits.rglob(f"{prefix}-{side}.txt"))
        for line in path.read_text().split():
            name = Path(line).stem
            label = name.rsplit("_", 1)[0]
            yield f"{label}/{name}", label, side


def centre(data: Path, chip: str) -> tuple[float, float]:
    """Longitude and latitude of the middle of a chip, by the first set that has it."""
    for each in SETS:
        path = data / each / f"{chip}.tif"
        if path.is_file():
            with rasterio.open(path) as raster:
                x, y = raster.transform @ (raster.width / 2, raster.height / 2)
                (lon,), (lat,) = transform(raster.crs, "EPSG:4326", [x], [y])
                return lon, lat
    raise SystemExit(f"{data}: no set has a file {chip}.tif")


def main(recipe: Path) -> None:
    """Write random.csv and spatial.csv. A ROI is 2 m wide, so that no chip shares its ground."""
    data = recipe / "data"
    for each in SETS:
        flatten(data / each)
    for name, prefix in SPLITS.items():
        with (data / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "lon", "lat", "buffer_m", "class", "split"])
            for chip, label, side in chips(data / "splits", prefix):
                lon, lat = centre(data, chip)
                writer.writerow([chip, f"{lon:.7f}", f"{lat:.7f}", 1, label, side])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
