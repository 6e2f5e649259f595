"""Windows of rasters on the grid of a ROI, for the sources that read GeoTIFF, COG or JPEG 2000."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from rsweep.core.grid import Grid
from rsweep.sources.outline import grid_outline, world_width
from rsweep.sources.units import PowerScale

BandName = str | int
"""A band of a raster: its number from 1, or its description."""
Nodata = float | str | None
"""Raw value of a missing pixel; None for the raster's own; "none" where no value means missing."""
READ_ERRORS = (RasterioError, OSError)
"""What an unreadable raster raises; GDAL's own errors reach us as one of these."""
COARSER = 1.01
"""Ratio of pixels from which they become coarser: more than projections make of equal ones."""
MARGIN_PX = 4
"""Source pixels beyond a window that the widest kernel reads, per pixel of the grid."""
Box = tuple[float, float, float, float]
_DEGREE_M = 111_320.0
LOCAL_ENV: Mapping[str, Any] = {
    # What a scene is must be in its file: the key holds the digest of the file alone, so world
    # files, .aux.xml and .ovr beside it must not change a pixel.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_CACHEMAX": 256,
}


@dataclass(frozen=True)
class Header:
    """What a raster says of itself: where it lies, and what its bands are.

    Attributes:
        crs: coordinate system as WKT.
        bounds: (left, bottom, right, top) in `crs`.
        dtypes, names: type and description of each band.
        lonlat: (west, south, east, north) in degrees; west > east across the antimeridian.
    """

    crs: str
    bounds: tuple[float, float, float, float]
    dtypes: tuple[str, ...]
    names: tuple[str | None, ...]
    lonlat: tuple[float, float, float, float]

    def number(self, band: BandName) -> int:
        """Number (from 1) of a band given by number or description.

        Raises:
            ValueError: there is no such band.
        """
        if isinstance(band, int) and 1 <= band <= len(self.names):
            return band
        if not isinstance(band, int) and band in self.names:
            return self.names.index(band) + 1
        listed = ", ".join(str(name) for name in self.names if name) or "none"
        raise ValueError(
            f"has no band {band!r}; it has {len(self.names)}, with descriptions: {listed}"
        )


_drivers: ContextVar[Sequence[str] | None] = ContextVar("drivers", default=None)


@contextmanager
def only_drivers(names: Sequence[str]) -> Iterator[None]:
    """Rasters that are opened here, in this thread, are of these formats or are refused."""
    before = _drivers.set(names)
    try:
        yield
    finally:
        _drivers.reset(before)


def open_raster(href: str) -> Any:
    """A raster, of the formats that `only_drivers` allows."""
    errors = []
    for name in _drivers.get() or (None,):
        try:
            return rasterio.open(href, driver=name)
        except RasterioIOError as error:
            errors.append(error)
    raise errors[0]


def read_header(href: str) -> Header:
    """Header of a raster.

    Raises:
        RasterioError, OSError: it cannot be opened.
        ValueError: it is not georeferenced.
    """
    with open_raster(href) as raster:
        if raster.crs is None or raster.transform.is_identity:
            raise ValueError("is not georeferenced (no coordinate system or no transform)")
        return Header(
            raster.crs.to_wkt(),
            _bounds(raster),
            raster.dtypes,
            raster.descriptions,
            transform_bounds(raster.crs, "EPSG:4326", *_bounds(raster), densify_pts=21),
        )


def _bounds(raster: Any) -> Box:
    """(left, bottom, right, top), whichever row comes first."""
    left, bottom, right, top = raster.bounds
    return left, min(bottom, top), right, max(bottom, top)


def read_window(
    href: str,
    bands: Sequence[int],
    grid: Grid,
    resampling: str,
    nodata: Nodata,
    fallback: float | None = None,
    scale: PowerScale | None = None,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Bands of a raster on a grid.

    Args:
        href: path or URL.
        bands: band numbers from 1.
        grid: where to.
        resampling: a name of rasterio's `Resampling`; or auto: the average, weighted by area, where
            pixels become coarser, the nearest elsewhere.
        nodata: raw value of a missing pixel; None for the raster's own; "none" for none at all.
        fallback: raw value of a missing pixel where `nodata` is None and the raster has none.
        scale: where raw values are no power (dB, amplitude), how they become power, which is what
            is averaged, and raw values again.

    Returns:
        Raw values [C, H, W], and where they are valid [C, H, W]: inside the raster, not nodata,
        not transparent, finite.

    Raises:
        RasterioError, OSError: it cannot be read.
    """
    with open_raster(href) as opened, _north_up(opened) as raster:
        kind, missing = _kind(raster, grid, resampling), _missing(raster, nodata, fallback)
        scale = None if kind == "nearest" else scale
        turns = _turns(raster)
        if scale is None and turns == [0.0]:
            return _warped(raster, bands, grid, kind, missing)
        return _warped_in_memory(raster, bands, grid, kind, missing, scale, turns)


def _kind(raster: Any, grid: Grid, resampling: str) -> str:
    if resampling != "auto":
        return resampling
    coarser = any(grid.scale_m > COARSER * side for side in pixel_m(raster))
    return "average" if coarser else "nearest"


@contextmanager
def _north_up(raster: Any) -> Iterator[Any]:
    """A raster whose first row is its northernmost, as kernels and ties are made for."""
    if raster.transform.e <= 0:
        yield raster
        return
    bounds, t = _bounds(raster), raster.transform
    options = {"src_nodata": raster.nodata, "nodata": raster.nodata}
    if ColorInterp.alpha in raster.colorinterp:
        options["src_alpha"] = raster.colorinterp.index(ColorInterp.alpha) + 1
    with WarpedVRT(
        raster,
        crs=raster.crs,
        transform=Affine(t.a, t.b, bounds[0], t.d, -t.e, bounds[3]),
        width=raster.width,
        height=raster.height,
        resampling=Resampling.nearest,
        tolerance=1e-6,
        **options,
    ) as north_up:
        yield north_up


def _turns(raster: Any) -> list[float]:
    """What to add to x so that a raster lies where its coordinate system has the ground.

    A raster in degrees from 179 to 181 lies there as it is, and again from -181 to -179.
    """
    turn, (left, _, right, _) = world_width(raster.crs.to_wkt()), _bounds(raster)
    if not turn:
        return [0.0]
    slack = abs(raster.transform.a) / 2
    there = [
        by
        for by in (0.0, -turn, turn)
        if left + by < turn / 2 - slack and right + by > -turn / 2 + slack
    ]
    return there or [0.0]


def _warped_in_memory(
    raster: Any,
    bands: Sequence[int],
    grid: Grid,
    kind: str,
    missing: float | None,
    scale: PowerScale | None,
    turns: Sequence[float],
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """As `_warped`, of values made power first or of a raster that its x must be turned for."""
    window = _window_around(raster, grid)
    raw = raster.read(list(bands), window=window)
    known = raster.read_masks(list(bands), window=window) > 0
    if missing is not None and not np.isnan(missing):
        known = raw != missing
    values = raw.astype(np.float64)
    values = np.where(known, scale.to_power(values) if scale else values, np.nan)
    out = np.full((len(bands), grid.height, grid.width), np.nan)
    valid = np.zeros(out.shape, bool)
    for by in turns:
        transform = Affine.translation(by, 0) @ raster.window_transform(window)
        with _in_memory(values, raster.crs, transform) as piece:
            numbers = range(1, len(bands) + 1)
            paint(out, valid, *_warped(piece, numbers, grid, kind, float("nan")))
    if scale is None:
        return np.where(valid, out, 0).astype(raw.dtype), valid
    out = scale.from_power(out)
    return out, valid & np.isfinite(out)


@contextmanager
def _in_memory(values: NDArray[Any], crs: Any, transform: Affine) -> Iterator[Any]:
    count, height, width = values.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype="float64",
            crs=crs,
            transform=transform,
            nodata=float("nan"),
        ) as file:
            file.write(values)
        with memory.open() as file:
            yield file


def _window_around(raster: Any, grid: Grid) -> Window:
    """The part of a raster that a grid is read from, one pixel at the least."""
    left, bottom, right, top = grid_outline(grid, raster.crs.to_wkt()).bounds
    turn, own = world_width(raster.crs.to_wkt()), _bounds(raster)
    by = next((b for b in (0.0, turn, -turn) if left + b < own[2] and right + b > own[0]), 0.0)
    kernel = [MARGIN_PX * max(1.0, grid.scale_m / side) for side in pixel_m(raster)]
    t = ~raster.transform
    columns, rows = zip(t @ (left + by, top), t @ (right + by, bottom), strict=True)
    first = max(math.floor(min(columns) - kernel[0]), 0), max(math.floor(min(rows) - kernel[1]), 0)
    last = (
        min(math.ceil(max(columns) + kernel[0]), raster.width),
        min(math.ceil(max(rows) + kernel[1]), raster.height),
    )
    return Window(first[0], first[1], max(last[0] - first[0], 1), max(last[1] - first[1], 1))


def _warped(
    raster: Any, bands: Sequence[int], grid: Grid, kind: str, missing: float | None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Bands of an open raster on a grid, and where they are valid."""
    with WarpedVRT(raster, **_warp_options(raster, grid, kind, missing)) as warped:
        alpha = _alpha(raster, warped)
        numbers = [*bands, alpha] if alpha else list(bands)
        values = warped.read(numbers)
        valid = np.ones((len(bands), grid.height, grid.width), dtype=bool)
        if alpha:
            valid &= values[-1] > 0
            values = values[: len(bands)]
        missing = warped.nodata
    if missing is not None and not np.isnan(missing):
        valid &= values != missing
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
    return values, valid


def _warp_options(raster: Any, grid: Grid, kind: str, missing: float | None) -> dict[str, Any]:
    own_alpha = ColorInterp.alpha in raster.colorinterp
    scale_x, scale_y = (min(1.0, side / grid.scale_m) for side in pixel_m(raster))
    return {
        "crs": grid.crs,
        "transform": Affine(*grid.transform),
        "height": grid.height,
        "width": grid.width,
        "resampling": Resampling[kind],
        "src_nodata": missing,
        "nodata": missing,
        # Without a nodata value, only an alpha band tells a zero from the outside.
        "add_alpha": missing is None and not own_alpha,
        # Two ROIs that overlap must agree where they do, but GDAL's approximation of positions and
        # its width of the kernel depend on the window. So positions are exact (to a millionth of a
        # pixel; 0 is refused), and the width is the file's.
        "tolerance": 1e-6,
        "XSCALE": scale_x,
        "YSCALE": scale_y,
        # A band that is missing where the others are not must not be mixed into its neighbours.
        "UNIFIED_SRC_NODATA": "NO",
    }


def pixel_m(raster: Any) -> tuple[float, float]:
    """Width and height of an open raster's pixels in metres on the ground, at its centre."""
    width, height = raster.res
    crs = CRS(raster.crs.to_wkt())
    if not crs.is_geographic:
        metres = crs.axis_info[0].unit_conversion_factor
        return width * metres, height * metres
    latitude = (raster.bounds.bottom + raster.bounds.top) / 2
    return width * _DEGREE_M * math.cos(math.radians(latitude)), height * _DEGREE_M


def _missing(raster: Any, nodata: Nodata, fallback: float | None) -> float | None:
    if nodata == "none":
        return None
    dtype = np.dtype(raster.dtypes[0])
    for value in (raster.nodata if nodata is None else nodata, fallback):
        if value is not None and _holds(dtype, float(value)):
            return float(value)
    return None


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    """False where a nodata value cannot occur in the type, such as -9999 in uint16."""
    if dtype.kind not in "iu":
        return True
    return bool(np.isfinite(value) and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def _alpha(raster: Any, warped: Any) -> int | None:
    if ColorInterp.alpha in raster.colorinterp:
        return int(raster.colorinterp.index(ColorInterp.alpha)) + 1
    return int(warped.count) if warped.count > raster.count else None


def reason(error: BaseException) -> str:
    """Why a raster could not be read, in GDAL's words rather than rasterio's."""
    return str(error.__cause__ or error)


def paint(
    target: NDArray[Any], done: NDArray[np.bool_], values: NDArray[Any], valid: NDArray[np.bool_]
) -> None:
    """Fill what is still missing of a mosaic: the first valid value of a pixel stays."""
    new = valid & ~done
    target[new] = values[new]
    done |= valid
