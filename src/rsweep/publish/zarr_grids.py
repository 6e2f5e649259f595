"""A study's grids as Zarr v3: a store per profile, in it a group per ROI.

Coordinates and the coordinate system follow the CF conventions, as GeoZarr has them: `spatial_ref`
holds `crs_wkt` and `GeoTransform`, and every array names it as its `grid_mapping`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rsweep.core.errors import RsweepError
from rsweep.core.files import replacing_folder
from rsweep.core.names import file_names
from rsweep.core.redact import portable
from rsweep.results.conventions import embedding_facts
from rsweep.results.profile import VALID_SHARE, grid_files

if TYPE_CHECKING:
    import xarray

CHUNK_PX = 128
"""Largest side of a chunk, which holds every dimension of its cells."""


def write_zarr(results: Path, out: Path) -> list[Path]:
    """Write a store per profile of grids to a new folder; the stores.

    Raises:
        RsweepError: zarr or xarray is not installed, the folder is there already, or the study has
            no grids.
    """
    try:
        import xarray  # noqa: F401
        import zarr  # noqa: F401
    except ImportError as error:
        raise RsweepError("Zarr needs: pip install 'rsweep[zarr]'") from error
    if out.exists() and any(out.iterdir()):
        raise RsweepError(f"{out} is not empty; name a new folder")
    folders = sorted(
        path.parent for path in results.glob("profiles/*/grids") if any(path.iterdir())
    )
    if not folders:
        raise RsweepError(f"{results} has no grids; a profile with `output: grid` makes them")
    return [_write_profile(folder, out / f"{folder.name}.zarr") for folder in folders]


def _write_profile(folder: Path, store: Path) -> Path:
    import zarr

    meta = json.loads((folder / "meta.json").read_text())
    files = grid_files(folder / "grids")
    groups = file_names(list(files))
    with replacing_folder(store) as temporary:
        for roi, path in files.items():
            grid = _dataset(path, roi)
            width = grid.sizes["dimension"]
            chunks = (width, *(min(CHUNK_PX, grid.sizes[side]) for side in ("y", "x")))
            grid.to_zarr(
                temporary,
                group=groups[roi],
                mode="a",
                zarr_format=3,
                consolidated=False,
                encoding={"embedding": {"chunks": chunks}},
            )
        facts = portable(embedding_facts(meta["settings"], meta["stages"][-1]["key"], width))
        zarr.open_group(temporary, mode="a").attrs.update({**facts, "profile": folder.name})
    return store


def _dataset(path: Path, roi: str) -> xarray.Dataset:
    """A grid's file as a dataset: cell centres in metres, NaN where a cell is missing."""
    import rasterio
    import xarray

    with rasterio.open(path) as raster:
        values, crs, transform = raster.read(), raster.crs, raster.transform
        names = list(raster.descriptions)
    share = names.index(VALID_SHARE)
    height, width = values.shape[1:]
    mapping = {"grid_mapping": "spatial_ref"}
    place: dict[str, Any] = {
        "crs_wkt": crs.to_wkt(),
        "GeoTransform": " ".join(map(str, transform.to_gdal())),
    }
    return xarray.Dataset(
        {
            "embedding": (("dimension", "y", "x"), np.delete(values, share, axis=0), mapping),
            VALID_SHARE: (("y", "x"), values[share], mapping),
        },
        coords={
            "y": (
                "y",
                transform.f + transform.e * (np.arange(height) + 0.5),
                {"standard_name": "projection_y_coordinate", "units": "m"},
            ),
            "x": (
                "x",
                transform.c + transform.a * (np.arange(width) + 0.5),
                {"standard_name": "projection_x_coordinate", "units": "m"},
            ),
            "spatial_ref": ((), 0, place),
        },
        attrs={"Conventions": "CF-1.11", "roi": roi},
    )
