"""Labels of cells of ground, from a raster in any coordinate system.

A cell is looked at where a lattice of points lies in it, half a pixel of the raster apart, each of
which has the value of the pixel that holds it: shares are of the cell's ground, however large its
pixels are and however they lie.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from rsweep.core.errors import RsweepError

LEAST_POINTS, MOST_POINTS = 4, 32
"""Points along a side of a cell."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LabelRaster:
    """An open raster of labels.

    Attributes:
        file: the dataset of rasterio.
        band: of it, from 1.
        ignored: values that are no label, beside the raster's own nodata.
    """

    file: Any
    band: int
    ignored: Collection[float]

    @property
    def of_numbers(self) -> bool:
        """True if its pixels are measurements (floats) and no classes (whole numbers)."""
        return bool(np.dtype(self.file.dtypes[self.band - 1]).kind == "f")

    def cells(self, crs: str, centres: Floats, size_m: float) -> Iterator[Floats]:
        """Values [N, points] in square cells, by batches of their centres [N, 2] in `crs`.

        NaN is no label.
        """
        if not len(centres):
            return
        to_raster = Transformer.from_crs(crs, self.file.crs, always_xy=True)
        side = self._points(to_raster, centres[len(centres) // 2], size_m)
        steps = (np.arange(side) + 0.5) / side * size_m - size_m / 2
        around = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        batch = max((1 << 20) // len(around), 1)
        for first in range(0, len(centres), batch):
            points = centres[first : first + batch, None] + around
            yield self._at(to_raster, points.reshape(-1, 2)).reshape(points.shape[:2])

    def _points(self, to_raster: Transformer, centre: Floats, size_m: float) -> int:
        """Points along a side of a cell, so that they lie half a pixel of the raster apart."""
        near = centre + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        at = self._pixels(to_raster, near)
        per_metre = np.hypot(*(at[1:] - at[0]).T).max()
        wanted = np.ceil(2 * size_m * per_metre - 1e-3) if np.isfinite(per_metre) else 0
        return int(np.clip(wanted, LEAST_POINTS, MOST_POINTS))

    def _pixels(self, to_raster: Transformer, points: Floats) -> Floats:
        """Column and row, with fractions, of points [N, 2]; infinite where there is no place."""
        return in_pixels(self.file.transform, np.stack(to_raster.transform(*points.T), axis=1))

    def _at(self, to_raster: Transformer, points: Floats) -> Floats:
        from rasterio.windows import Window

        # A point on a pixel's edge but for rounding is in the pixel after it.
        at = np.floor(self._pixels(to_raster, points) + 1e-6)
        inside = ((at >= 0) & (at < (self.file.width, self.file.height))).all(axis=1)
        found = np.full(len(points), np.nan)
        if not inside.any():
            return found
        columns, rows = at[inside].astype(np.intp).T
        (left, right), (top, foot) = ((v.min(), v.max() + 1) for v in (columns, rows))
        window = Window(left, top, right - left, foot - top)
        values = self.file.read(self.band, window=window).astype(np.float64)
        values[self.file.read_masks(self.band, window=window) == 0] = np.nan
        values[np.isin(values, list(self.ignored))] = np.nan
        found[inside] = values[rows - top, columns - left]
        return found


@contextmanager
def open_labels(path: Path, band: int, ignored: Collection[float]) -> Iterator[LabelRaster]:
    """A raster of labels, open for reading.

    Raises:
        RsweepError: it cannot be read, lacks the band, or does not say where it lies.
    """
    import rasterio

    try:
        file = rasterio.open(path)
    except rasterio.errors.RasterioError as error:
        raise RsweepError(f"{path} cannot be read as a raster: {error}") from None
    with file:
        if band > file.count:
            raise RsweepError(f"{path} has {file.count} bands, so none is number {band}")
        if file.crs is None:
            raise RsweepError(
                f"{path} does not say in which coordinate system it lies; "
                f"gdal_edit.py -a_srs says so"
            )
        yield LabelRaster(file, band, ignored)


def in_pixels(transform: Any, points: Floats) -> Floats:
    """Column and row, with fractions, of points [N, 2] of the map; `transform` is the raster's."""
    a, b, c, d, e, f = (~transform)[:6]
    x, y = points.T
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def majority(values: Floats) -> Floats:
    """Of each cell [N, points]: its commonest value, that one's share, and the share known [3, N].

    A tie has no commonest value: its share is 0.
    """
    known = np.isfinite(values)
    names = np.unique(values[known])
    if not len(names):
        nothing = np.full(len(values), np.nan)
        return np.stack([nothing, np.zeros(len(values)), np.zeros(len(values))])
    shares = np.stack([(values == name).mean(axis=1) for name in names], axis=1)
    best = shares.max(axis=1)
    alone = (shares == best[:, None]).sum(axis=1) == 1
    return np.stack([names[shares.argmax(axis=1)], np.where(alone, best, 0.0), known.mean(axis=1)])


def means(values: Floats) -> Floats:
    """Of each cell [N, points]: the mean of what is known, and the share known, twice [3, N]."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0).sum(axis=1)
    share = known.mean(axis=1)
    return np.stack([np.where(count > 0, total / np.maximum(count, 1), np.nan), share, share])
