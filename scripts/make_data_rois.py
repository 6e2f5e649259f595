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

LULC = {2: "forest", 3: "grassland"}  # others have too few cells to learn from
CELL_M = 60  # side of a ROI of Slovenia that is one cell of land cover: 6 x 6 pixels
PURE = 0.7  # share of a cell that is of its land cover, at the least
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
    """Cells of a lattice that are mostly of one land cover, by the reference map."""
    classes = np.load(data / "eolearn_slovenia/TestEOPatch/mask_timeless/LULC.npy")[..., 0]
    with rasterio.open(slovenia_scene(data)) as raster:
        for x, y in corners(raster.bounds, CELL_M, CELL_M):
            counts = np.bincount(inside(classes, raster.transform, x, y))
            label, share = int(counts.argmax()), counts.max() / counts.sum()
            if label in LULC and share >= PURE:
                middle = (x + CELL_M / 2, y + CELL_M / 2)
                cover = {"land_cover": LULC[label], "label_share": f"{share:.3f}"}
                yield roi(f"x{x}y{y}", raster.crs, *middle, CELL_M, 11, **cover)


def inside(classes: Any, transform: Any, x: int, y: int) -> Any:
    """Classes of the pixels whose centres are in a cell with this lower left corner."""
    height, width = classes.shape
    xs = transform.c + transform.a * (np.arange(width) + 0.5) - x
    ys = transform.f + transform.e * (np.arange(height) + 0.5) - y
    rows, columns = ((at >= 0) & (at < CELL_M) for at in (ys, xs))
    return classes[np.ix_(rows, columns)].ravel()


def slovenia_scene(data: Path) -> Path:
    """One of the scenes, which are all on one grid."""
    return next(data.glob("eolearn_slovenia/ee_store_derived/COPERNICUS/S2_HARMONIZED/*.tif"))


def corners(bounds: Any, side_m: int, step_m: int) -> Iterator[tuple[int, int]]:
    """Lower left corners of squares within bounds, the first on a multiple of 60 m."""
    left, bottom, right, top = bounds
    for x in range(int(-(-left // 60) * 60), int(right) - side_m, step_m):
        for y in range(int(-(-bottom // 60) * 60), int(top) - side_m, step_m):
            yield x, y


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
    with rasterio.open(slovenia_scene(data)) as raster:
        for x, y in corners(raster.bounds, FIELD_M, FIELD_M):
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
