"""A small raster of classes in degrees, for tests of studies."""

from pathlib import Path

import numpy as np
import rasterio


def write_labels(path: Path, west: float, north: float, seed: int = 0, side: int = 100) -> Path:
    """Squares of about a kilometre of three classes, south and east of a corner."""
    values = np.random.default_rng(seed).choice([1, 2, 3], (side // 5, side // 5))
    values = np.kron(values, np.ones((5, 5))).astype(np.uint8)
    affine = rasterio.Affine(0.002, 0, west, 0, -0.002, north)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=side,
        height=side,
        count=1,
        dtype="uint8",
        crs="EPSG:4326",
        transform=affine,
    ) as file:
        file.write(values, 1)
    return path
