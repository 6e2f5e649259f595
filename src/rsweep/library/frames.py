"""What a call or a folder of results gives back: vectors as a GeoDataFrame, grids by ROI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rsweep.core.errors import RsweepError

if TYPE_CHECKING:
    import xarray

CRS = "EPSG:4326"


class EmbeddingFrame(geopandas.GeoDataFrame):  # type: ignore[misc]
    """A row per ROI in table order: id, geometry, embedding (a vector), valid share, error, labels.

    Attributes:
        meta: everything that was asked and everything that ran.
    """

    _metadata = ["meta"]  # noqa: RUF012  # pandas' own name for what a copy keeps

    @property
    def _constructor(self) -> type[EmbeddingFrame]:
        return EmbeddingFrame

    @property
    def vectors(self) -> NDArray[np.float32]:
        """[ROIs, D] embeddings; NaN where a ROI has none."""
        return np.stack(list(self["embedding"])).astype(np.float32)


def read_frame(path: Path, meta: Mapping[str, Any]) -> EmbeddingFrame:
    """The vectors of an embeddings.parquet.

    Raises:
        RsweepError: the file is not there or cannot be read.
    """
    try:
        frame = EmbeddingFrame(geopandas.read_parquet(path))
    except (OSError, ValueError) as error:
        raise RsweepError(f"{path} cannot be read: {error}") from None
    object.__setattr__(frame, "meta", dict(meta))
    return frame


class Grids(Mapping[str, "xarray.DataArray"]):
    """ROI -> its grid as [dimension, y, x] with coordinates in metres, read when asked for.

    Attributes:
        meta: everything that was asked and everything that ran.
    """

    def __init__(self, files: Mapping[str, Path], meta: Mapping[str, Any]) -> None:
        self._files = dict(files)
        self._read: dict[str, xarray.DataArray] = {}
        self.meta = dict(meta)

    def load(self) -> Grids:
        """Read every grid now, so that the files are no longer needed."""
        self._read = {roi: self[roi] for roi in self}
        return self

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, roi: str) -> xarray.DataArray:
        if roi not in self._files:
            raise KeyError(roi)
        return self._read[roi] if roi in self._read else read_grid(self._files[roi])


def read_grid(path: Path) -> xarray.DataArray:
    """A grid's file as [dimension, y, x]: cell centres in metres, `crs` and `transform` in attrs.

    Raises:
        RsweepError: xarray is not installed, or the file cannot be read.
    """
    import rasterio

    try:
        import xarray
    except ImportError:
        raise RsweepError("grids as xarray need it: pip install 'rsweep[notebook]'") from None
    try:
        with rasterio.open(path) as raster:
            values, transform, crs = raster.read(), raster.transform, raster.crs
            names = [name or f"{i}" for i, name in enumerate(raster.descriptions)]
    except rasterio.errors.RasterioError as error:
        raise RsweepError(f"{path} cannot be read: {error}") from None
    height, width = values.shape[1:]
    x = transform.c + transform.a * (np.arange(width) + 0.5)
    y = transform.f + transform.e * (np.arange(height) + 0.5)
    return xarray.DataArray(
        values,
        dims=("dimension", "y", "x"),
        coords={"dimension": names, "y": y, "x": x},
        attrs={"crs": crs.to_string(), "transform": tuple(transform)[:6]},
        name="embedding",
    )


def read_table(path: Path) -> pd.DataFrame:
    """A CSV or Parquet table of results.

    Raises:
        RsweepError: the file is not there or cannot be read.
    """
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RsweepError(f"{path} cannot be read: {error}") from None
