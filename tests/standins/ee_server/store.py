"""The folder of images that stands for the catalogue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from ee_server.values import Band, Collection, Geom, Grid, Image, UserError

CATALOGUE = ("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", "COPERNICUS/S2_CLOUD_PROBABILITY")
"""Collections that exist, though a store may have none of their images."""
_ABSENT = "asset '%s' not found (does not exist or caller does not have access)."


def write_image(
    root: str | Path,
    image_id: str,
    bands: Mapping[str, np.ndarray],
    crs: str,
    transform: Affine,
    nodata: float | None = None,
    **properties: Any,
) -> None:
    """Write one image of a store; all bands have the type of the first.

    `properties` take the service's names with `__` for the colon: `system__time_start`.
    """
    path = Path(root) / f"{image_id}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = next(iter(bands.values()))
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=first.shape[0],
        width=first.shape[1],
        count=len(bands),
        dtype=first.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
    ) as file:
        for number, (name, values) in enumerate(bands.items(), start=1):
            file.write(values, number)
            file.set_band_description(number, name)
    path.with_suffix(".json").write_text(
        json.dumps({name.replace("__", ":"): value for name, value in properties.items()})
    )


class Store:
    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def collection(self, cid: str) -> Collection:
        folder = self.root / cid
        if not folder.is_dir() and cid not in CATALOGUE:
            raise UserError(f"ImageCollection.load: ImageCollection {_ABSENT % cid}")
        return Collection([_leaf(cid, path) for path in sorted(folder.glob("*.tif"))], cid)

    def image(self, image_id: str) -> Image:
        path = self.root / f"{image_id}.tif"
        if not path.exists():
            raise UserError(f"Image.load: Image {_ABSENT % image_id}")
        return _leaf(image_id.rpartition("/")[0], path)


def _leaf(cid: str, path: Path, resampling: Resampling = Resampling.nearest) -> Image:
    props = json.loads(path.with_suffix(".json").read_text())
    with rasterio.open(path) as file:
        bands = dict(zip(file.descriptions, map(np.dtype, file.dtypes), strict=True))
        crs = file.crs.to_string()
        proj = (crs, file.transform, file.width, file.height)
        geom = Geom(crs, tuple(file.bounds))
    index = {"system:index": path.stem, "system:id": f"{cid}/{path.stem}"}
    return Image(
        bands,
        lambda grid: _read(path, grid, resampling),
        {**index, **props},
        geom,
        proj,
        leaf=lambda other: _leaf(cid, path, other),
    )


def _read(path: Path, grid: Grid, resampling: Resampling) -> dict[str, Band]:
    with (
        rasterio.open(path) as file,
        WarpedVRT(
            file,
            crs=grid.crs,
            transform=grid.affine,
            width=grid.width,
            height=grid.height,
            resampling=resampling,
            add_alpha=file.nodata is None,
        ) as warped,
    ):
        numbers = list(range(1, file.count + 1))
        values = warped.read(numbers)
        if file.nodata is None:  # read_masks does not see the alpha band of a float image
            valid = np.broadcast_to(warped.read(file.count + 1) > 0, values.shape)
        else:
            valid = warped.read_masks(numbers) > 0
        return {name: (values[i], valid[i]) for i, name in enumerate(file.descriptions)}
