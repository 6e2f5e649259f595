"""Encoded images (GeoTIFF, PNG, JPEG, …) as pictures: a file's, or bytes out of an archive."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from rsweep.core.errors import RoiError
from rsweep.sources.chips.chip import Picture

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2")
ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""An image is what is in its file: nothing that lies beside it is looked at or written."""


def decode_file(path: Path) -> Picture:
    """An image file's picture.

    Raises:
        RoiError: it cannot be read as an image; names the file.
    """
    try:
        with rasterio.Env(**ALONE), _quietly(), rasterio.open(path) as image:
            return _picture(image)
    except (RasterioError, OSError) as error:
        raise RoiError(f"{path} cannot be read as an image: {error}") from error


def decode_bytes(data: bytes, where: str) -> Picture:
    """The picture of an encoded image in memory.

    Raises:
        RoiError: it is no image; `where` says which.
    """
    try:
        with rasterio.Env(**ALONE), _quietly(), MemoryFile(data) as file, file.open() as image:
            return _picture(image)
    except (RasterioError, OSError) as error:
        raise RoiError(f"{where} cannot be read as an image: {error}") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without a warning that a PNG has no georeference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _picture(image: rasterio.DatasetReader) -> Picture:
    values = image.read()
    if image.crs is None or image.transform.is_identity:
        return Picture(values)
    code = image.crs.to_epsg()
    crs = f"EPSG:{code}" if code else image.crs.to_wkt()
    return Picture(values, crs, tuple(image.transform)[:6])
