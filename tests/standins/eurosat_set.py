"""A small invented data set in exactly the layout of EuroSAT (all bands), for tests without it.

Classes differ in brightness, colour and texture, so that an embedding can tell some of them apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

TIF = "ds/images/remote_sensing/otherDatasets/sentinel_2/tif"
BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")
CLASSES = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)
SPLITS = ("train", "val", "test")


def image(name: str, number: int, side: int = 64) -> NDArray[np.uint16]:
    """The image of a class and number, [13, side, side]."""
    kind = CLASSES.index(name)
    drawn = np.random.default_rng([kind, number])
    level = np.random.default_rng(kind).uniform(500, 3000, (len(BANDS), 1, 1))
    rows, columns = np.mgrid[:side, :side]
    waves = np.sin((rows * (1 + kind % 3) + columns * (kind // 3)) / 3 + drawn.uniform(0, 6))
    light = drawn.normal(1, 0.15)
    noise = drawn.normal(0, 120, (len(BANDS), side, side))
    values = light * level * (1 + 0.2 * waves) + noise
    return np.clip(np.rint(values), 0, 28_000).astype(np.uint16)


def write_eurosat(root: Path, each: int = 6, side: int = 64) -> None:
    """Write `each` images of every class and the lists of splits: of five, three, one and one."""
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    for kind, label in enumerate(CLASSES):
        for number in range(1, each + 1):
            path = root / TIF / label / f"{label}_{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            # Chips of a class lie in a row: neighbours abut, as many of the real ones do.
            corner = (500_003.7 + number * side * 10, 5_000_011.2 + kind * 2_000)
            _write(path, image(label, number, side), corner)
            split = SPLITS[(0, 0, 0, 1, 2)[number % 5]]
            names[split].append(f"{label}_{number}.jpg")
    for split, listed in names.items():
        (root / f"eurosat-{split}.txt").write_text("\n".join(sorted(listed)) + "\n")


def _write(path: Path, values: NDArray[np.uint16], corner: tuple[float, float]) -> None:
    count, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype="uint16",
        crs="EPSG:32632",
        transform=Affine(10, 0, corner[0], 0, -10, corner[1]),
    ) as raster:
        raster.write(values)
