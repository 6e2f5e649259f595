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

sys.path.insert(0, str(Path(__file__).parent))

from convert_series import POINT_M
from convert_series import worldcereal_points as points

LULC = {1: "cultivated", 2: "forest", 3: "grassland", 4: "shrubland", 8: "artificial"}
CELL_M = 120  # side of a ROI of Slovenia: 12 x 12 pixels
FIELD_M = 180  # the same where labels are a raster's, on multiples of 60 m


def roi(
    name: str, crs: Any, x: float, y: float, side_m: float, decimals: int = 9, **labels: str
) -> dict[str, Any]:
    """A row of a ROI table: a square around a place; 9 decimals are a tenth of a millimetre."""
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    place = {"lon": f"{lon:.{decimals}f}", "lat": f"{lat:.{decimals}f}"}
    return {"id": name, **place, "buffer_m": f"{side_m / 2:g}", **labels}


def bigearthnet(data: Path) -> Iterator[dict[str, Any]]:
    """One ROI per Sentinel-2 patch, which is 1200 m wide, with its CORINE labels."""
    for path in sorted(data.glob("bigearthnet/s2/*/*_B02.tif")):
        labels = json.loads(next(path.parent.glob("*_labels_metadata.json")).read_text())["labels"]
        with rasterio.open(path) as raster:
            left, bottom, right, top = raster.bounds
            name = "_".join(path.parent.name.split("_")[2:])
            yield roi(
                name,
                raster.crs,
                (left + right) / 2,
                (bottom + top) / 2,
                right - left,
                land_cover=labels[0],
                labels="; ".join(labels),
            )


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
                yield roi(
                    f"r{row:02d}c{column:02d}",
                    raster.crs,
                    x,
                    y,
                    CELL_M,
                    land_cover=LULC[label],
                    label_share=share,
                )


def worldcereal(_data: Path) -> Iterator[dict[str, Any]]:
    """Nine ROIs of 300 m in the one scene of 1 km."""
    for row in range(3):
        for column in range(3):
            x, y = 664_200 + 300 * column, 5_611_920 - 300 * row
            yield roi(f"r{row}c{column}", "EPSG:32631", x, y, 300)


def worldcereal_points(data: Path) -> Iterator[dict[str, Any]]:
    """A square around each labelled point; see scripts/convert_series.py."""
    source = data / "worldcereal/test_public_extractions.parquet"
    for number, (row, crs, x, y) in enumerate(points(source)):
        yield roi(
            f"p{number:03d}",
            crs,
            x + POINT_M / 2,
            y - POINT_M / 2,
            POINT_M,
            crop=row["sampling_label"],
            survey=row["ref_id"],
        )


def slovenia_fields(data: Path) -> Iterator[dict[str, Any]]:
    """A lattice of ROIs of 180 m, for labels that are a raster's."""
    path = next(data.glob("eolearn_slovenia/ee_store_derived/COPERNICUS/S2_HARMONIZED/*.tif"))
    with rasterio.open(path) as raster:
        left, bottom, right, top = raster.bounds
        for x in range(int(-(-left // 60) * 60), int(right) - FIELD_M, FIELD_M):
            for y in range(int(-(-bottom // 60) * 60), int(top) - FIELD_M, FIELD_M):
                # To the micrometre, so that a square is a whole number of pixels.
                yield roi(f"x{x}y{y}", raster.crs, x + FIELD_M / 2, y + FIELD_M / 2, FIELD_M, 11)


def treesat(data: Path) -> Iterator[dict[str, Any]]:
    """The one plot of 60 m."""
    for path in sorted(data.glob("treesat_patch/*.tif")):
        with rasterio.open(path) as raster:
            left, bottom, right, top = raster.bounds
            yield roi(path.stem, raster.crs, (left + right) / 2, (bottom + top) / 2, 60)


def main(data: Path, folder: Path) -> None:
    """Write every table."""
    for rows_of in (
        bigearthnet,
        slovenia,
        slovenia_fields,
        worldcereal,
        worldcereal_points,
        treesat,
    ):
        rows = list(rows_of(data))
        with (folder / f"{rows_of.__name__}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
