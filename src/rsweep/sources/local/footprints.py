"""Where the rasters of a folder lie, remembered, so that planning opens each of them once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from rsweep.core.digests import File, remembered
from rsweep.sources.held import Degrees


def footprints(root: Path, files: Iterable[File]) -> dict[str, Degrees]:
    """Relative path -> the box around a raster; those that do not open are left out."""
    found = remembered("footprints", root, files, partial(_read, root))
    return {path: (box[0], box[1], box[2], box[3]) for path, box in found.items()}


def _read(root: Path, files: list[File]) -> dict[str, Degrees]:
    # Only new files need the library.
    import rasterio

    from rsweep.sources.cog import LOCAL_ENV, READ_ERRORS, read_header

    found = {}
    with rasterio.Env(**LOCAL_ENV):
        for file in files:
            try:
                found[file.path] = read_header(str(root / file.path)).lonlat
            except (*READ_ERRORS, ValueError):
                continue
    return found
