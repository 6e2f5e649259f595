"""Write the ROI tables of the studies on the shared data from the data themselves.

python scripts/make_data_rois.py ../shared/data config/rois
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from pyproj import Transformer

LULC = {1: "cultivated", 2: "forest", 3: "grassland", 4: "shrubland", 8: "artificial"}
CELL_M = 120  # side of a ROI of Slovenia: 12 x 12 pixels


def roi(name: str, crs: Any, x: float, y: float, side_m: float, **labels: str) -> dict[str, Any]:
    """A row of a ROI table: a square around a place; 9 decimals are a tenth of a millimetre."""
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    return {"id": name, "lon": f"{lon:.9f}", "lat": f"{lat:.9f}", "buffer_m": f"{side_m / 2:g}",
            **labels}  # fmt: skip


def bigearthnet(data: Path) -> Iterator[dict[str, Any]]:
    """One ROI per Sentinel-2 patch, which is 1200 m wide, with its CORINE labels."""
    for path in sorted(data.glob("bigearthnet/s2/*/*_B02.tif")):
        labels = json.loads(next(path.parent.glob("*_labels_metadata.json")).read_text())["labels"]
        with rasterio.open(path) as raster:
            left, bottom, right, top = raster.bounds
            name = "_".join(path.parent.name.split("_")[2:])
            yield roi(
                name, raster.crs, (left + right) / 2, (bottom + top) / 2, right - left,
                land_cover=labels[0], labels="; ".join(labels),
            )  # fmt: skip


def slovenia(data: Path) -> Iterator[dict[str, Any]]:
    """A lattice of small ROIs with the commonest class of the reference map and its share."""
    folder = data / "eolearn_slovenia"
    classes = np.load(folder / "TestEOPatch/mask_timeless/LULC.npy")[..., 0]
    path = next(folder.glob("ee_store_derived/COPERNICUS/S2_HARMONIZED/*.tif"))
    with rasterio.open(path) as raster:
        cell = CELL_M // 10
        for row in range(0, raster.height - cell + 1, cell):
            for column in range(0, raster.width - cell + 1, cell):
                counts = np.bincount(classes[row : row + cell, column : column + cell].ravel())
                label = int(counts.argmax())
                if label not in LULC:
                    continue
                x, y = raster.transform @ (column + cell / 2, row + cell / 2)
                share = f"{counts[label] / counts.sum():.3f}"
                yield roi(f"r{row:02d}c{column:02d}", raster.crs, x, y, CELL_M,
                          land_cover=LULC[label], label_share=share)  # fmt: skip


def worldcereal(_data: Path) -> Iterator[dict[str, Any]]:
    """Nine ROIs of 300 m in the one scene of 1 km."""
    for row in range(3):
        for column in range(3):
            x, y = 664_200 + 300 * column, 5_611_920 - 300 * row
            yield roi(f"r{row}c{column}", "EPSG:32631", x, y, 300)


def treesat(data: Path) -> Iterator[dict[str, Any]]:
    """The one plot of 60 m."""
    for path in sorted(data.glob("treesat_patch/*.tif")):
        with rasterio.open(path) as raster:
            left, bottom, right, top = raster.bounds
            yield roi(path.stem, raster.crs, (left + right) / 2, (bottom + top) / 2, 60)


def main(data: Path, folder: Path) -> None:
    """Write every table."""
    for rows_of in (bigearthnet, slovenia, worldcereal, treesat):
        rows = list(rows_of(data))
        with (folder / f"{rows_of.__name__}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
