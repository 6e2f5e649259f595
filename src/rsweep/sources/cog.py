"""Windows of rasters on the grid of a ROI, for the sources that read GeoTIFF, COG or JPEG 2000."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from shapely.geometry import Polygon, box

from rsweep.core.grid import Grid

BandName = str | int
"""A band of a raster: its number from 1, or its description."""
Nodata = float | str | None
"""Raw value of a missing pixel; None for the raster's own; "none" where no value means missing."""
READ_ERRORS = (RasterioError, OSError)
"""What an unreadable raster raises; GDAL's own errors reach us as one of these."""
RESAMPLING = ("nearest", "bilinear", "cubic", "average")
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


def read_header(href: str) -> Header:
    """Header of a raster.

    Raises:
        RasterioError, OSError: it cannot be opened.
        ValueError: it is not georeferenced.
    """
    with rasterio.open(href) as raster:
        if raster.crs is None or raster.transform.is_identity:
            raise ValueError("is not georeferenced (no coordinate system or no transform)")
        return Header(
            raster.crs.to_wkt(),
            tuple(raster.bounds),
            raster.dtypes,
            raster.descriptions,
            transform_bounds(raster.crs, "EPSG:4326", *raster.bounds, densify_pts=21),
        )


@functools.lru_cache(maxsize=256)
def grid_outline(grid: Grid, crs: str) -> Polygon:
    """The grid's outline in another coordinate system, its sides bent as they are there."""
    outline = box(*grid.bounds).segmentize(max(grid.height, grid.width) * grid.scale_m / 20)
    if CRS(crs) == CRS(grid.crs):
        return outline
    to = Transformer.from_crs(grid.crs, crs, always_xy=True)
    return Polygon(zip(*to.transform(*outline.exterior.coords.xy), strict=True))


def touches(header: Header, grid: Grid) -> bool:
    """True if a raster and a grid share more than an edge."""
    left, bottom, right, top = header.bounds
    outline = grid_outline(grid, header.crs)
    west, south, east, north = outline.bounds
    # Not `if apart`: a grid that the raster's projection cannot hold has bounds that are not
    # finite, and must compare as apart.
    if not (west < right and left < east and south < top and bottom < north):
        return False
    return bool(outline.intersection(box(left, bottom, right, top)).area > 0)


def read_window(
    href: str,
    bands: Sequence[int],
    grid: Grid,
    resampling: str,
    nodata: Nodata,
    fallback: float | None = None,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Bands of a raster on a grid.

    Args:
        href: path or URL.
        bands: band numbers from 1.
        grid: where to.
        resampling: one of `RESAMPLING`.
        nodata: raw value of a missing pixel; None for the raster's own; "none" for none at all.
        fallback: raw value of a missing pixel where `nodata` is None and the raster has none.

    Returns:
        Raw values [C, H, W], and where they are valid [C, H, W]: inside the raster, not nodata,
        not transparent, finite.

    Raises:
        RasterioError, OSError: it cannot be read.
    """
    with (
        rasterio.open(href) as raster,
        WarpedVRT(raster, **_warp_options(raster, grid, resampling, nodata, fallback)) as warped,
    ):
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


def _warp_options(
    raster: Any, grid: Grid, resampling: str, nodata: Nodata, fallback: float | None
) -> dict[str, Any]:
    missing = _missing(raster, nodata, fallback)
    own_alpha = ColorInterp.alpha in raster.colorinterp
    scale_x, scale_y = (min(1.0, side / grid.scale_m) for side in pixel_m(raster))
    return {
        "crs": grid.crs,
        "transform": Affine(*grid.transform),
        "height": grid.height,
        "width": grid.width,
        "resampling": Resampling[resampling],
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


def to_lonlat(grid: Grid) -> tuple[float, float]:
    """Longitude and latitude of a grid's centre in degrees."""
    left, bottom, right, top = grid.bounds
    to = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    lon, lat = to.transform((left + right) / 2, (bottom + top) / 2)
    return float(lon), float(lat)


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
