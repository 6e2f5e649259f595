"""Embeddings that others computed, a vector per pixel: cut out of a raster and pooled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from rsweep.core.errors import RoiError, RsweepError
from rsweep.core.grid import roi_polygon
from rsweep.core.roi import Roi
from rsweep.plan.given import EACH_ROI, GivenSet, tessera_files
from rsweep.stages.stitch.pool import coverage, pool

MISSING_INT8 = -128
"""AlphaEarth's code for a pixel without data."""
SCALE_INT8 = 127.5


@dataclass(frozen=True)
class Pooled:
    """A ROI's vector [D], or why it has none; and the share of its ground that has pixels."""

    vector: NDArray[np.float32] | None
    valid_share: float
    error: str = ""


def read_rasters(given: GivenSet, rois: Sequence[Roi]) -> Iterator[Pooled]:
    """Each ROI's vector, pooled over the pixels of its raster.

    Raises:
        RsweepError: the raster of all ROIs cannot be opened.
    """
    import rasterio

    if EACH_ROI in given.path:
        for roi in rois:
            yield _whole(Path(given.path.replace(EACH_ROI, roi.id)), given)
        return
    try:
        with rasterio.open(given.path) as raster:
            if raster.crs is None:
                raise RsweepError(
                    f"{given.path} has no coordinate system; expected one, or {{id}} "
                    "in the path for a raster per ROI"
                )
            for roi in rois:
                yield _cut(raster, roi, given)
    except rasterio.errors.RasterioError as error:
        raise RsweepError(f"{given.path} cannot be read: {error}") from None


def _whole(path: Path, given: GivenSet) -> Pooled:
    """Of a raster that is one ROI's."""
    import rasterio

    if not path.is_file():
        return Pooled(None, 0.0, f"{path.name} is not there")
    try:
        with rasterio.open(path) as raster:
            values = _read(raster, path, (slice(0, raster.height), slice(0, raster.width)), given)
    except rasterio.errors.RasterioError as error:
        return Pooled(None, 0.0, f"{path.name} cannot be read: {type(error).__name__}")
    except OSError as error:
        return Pooled(None, 0.0, f"{path.name}: {error.strerror}: {Path(error.filename).name}")
    return _pooled(values, np.ones(values.shape[1:]), given.pooling)


def _cut(raster: Any, roi: Roi, given: GivenSet) -> Pooled:
    """Of the pixels of a large raster that a ROI covers, each by the share that is covered."""
    try:
        polygon = _in_pixels(raster, roi)
    except RoiError as error:
        return Pooled(None, 0.0, str(error))
    left, top, right, bottom = polygon.bounds
    columns = _span(left, right, raster.width)
    rows = _span(top, bottom, raster.height)
    if not columns or not rows:
        return Pooled(None, 0.0, f"it lies outside {Path(given.path).name}")
    window = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
    values = _read(raster, Path(given.path), window, given)
    upright = shapely.transform(polygon, lambda xy: xy * [1, -1])  # `coverage` counts upwards
    weights = coverage(upright, columns.start, -rows.start, 1.0, len(rows), len(columns))
    found = _pooled(values, weights, given.pooling)
    inside = weights.sum() / polygon.area  # the rest of the ROI lies beyond the raster's edge
    return Pooled(found.vector, min(found.valid_share * inside, 1.0), found.error)


def _in_pixels(raster: Any, roi: Roi) -> shapely.Geometry:
    """A ROI's polygon in columns and rows of a raster, however that is turned."""
    crs, polygon = roi_polygon(roi)
    to_raster = Transformer.from_crs(crs, raster.crs, always_xy=True)
    a, b, c, d, e, f = (~raster.transform)[:6]

    def pixels(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = to_raster.transform(xy[:, 0], xy[:, 1])
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)

    return shapely.transform(polygon, pixels)


def _span(low: float, high: float, size: int) -> range:
    """Whole pixels that an interval touches, of those that there are."""
    return range(max(int(np.floor(low)), 0), min(int(np.ceil(high)), size))


def _read(
    raster: Any, path: Path, window: tuple[slice, slice], given: GivenSet
) -> NDArray[np.float32]:
    """The embedding [D, h, w] in rows and columns of a raster, NaN where there is none."""
    from rasterio.windows import Window

    if given.decode == "tessera":
        return _tessera(path, (raster.height, raster.width), window)
    return _decoded(raster.read(window=Window.from_slices(*window)), raster.nodata, given)


def _tessera(
    path: Path, shape: tuple[int, int], window: tuple[slice, slice]
) -> NDArray[np.float32]:
    """TESSERA's int8 [H, W, D] times a scale [H, W] per pixel; NaN where the scale is not finite.

    Raises:
        RsweepError: the two arrays are not of the raster's pixels.
    """
    numbers, scales = (np.load(each, mmap_mode="r") for each in tessera_files(path))
    if numbers.ndim != 3 or numbers.shape[:2] != shape or scales.shape != shape:
        raise RsweepError(
            f"{path} has {shape} pixels, its numbers are {numbers.shape} and their scales "
            f"{scales.shape}; expected [H, W, D] and [H, W] of the same pixels"
        )
    scale = np.asarray(scales[window], np.float32)
    found = np.asarray(numbers[window], np.float32) * scale[..., None]
    found[~np.isfinite(scale)] = np.nan
    return np.moveaxis(found, -1, 0)


def _decoded(values: NDArray[Any], nodata: float | None, given: GivenSet) -> NDArray[np.float32]:
    """The embedding [D, h, w] of raw values, NaN where there is none."""
    found = values.astype(np.float32)
    if given.decode == "alphaearth":
        found = np.sign(found) * (found / np.float32(SCALE_INT8)) ** 2
        found[values == MISSING_INT8] = np.nan
    elif nodata is not None:
        found[values == nodata] = np.nan
    return found


def _pooled(values: NDArray[np.float32], weights: NDArray[np.float64], pooling: str) -> Pooled:
    known = np.isfinite(values).all(axis=0)
    ground = weights.sum()
    share = float(weights[known].sum() / ground) if ground else 0.0
    if not share:
        return Pooled(None, 0.0, "no pixel of it has data")
    tokens = np.moveaxis(values, 0, -1)
    return Pooled(pool(tokens, np.where(known, weights, 0.0), pooling), share)
