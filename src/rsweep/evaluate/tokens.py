"""What a profile says of labelled cells: the vectors of the tokens that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsweep.core.errors import RsweepError
from rsweep.evaluate.cells import Cells
from rsweep.evaluate.label_raster import in_pixels
from rsweep.evaluate.measures import Features
from rsweep.results.profile import VALID_SHARE


def cell_features(folder: Path, cells: Cells) -> Features:
    """Vectors [N, D] of a profile's tokens that hold each cell's centre; NaN if there is none.

    A pooled profile has one token, the ROI. A token of which less than `least_valid` is valid
    ground of the ROI is none.

    Args:
        folder: of the profile's results.
        cells: what to look at.

    Raises:
        RsweepError: a grid's file is not there.
    """
    table = pq.read_table(folder / "embeddings.parquet")
    vectors, shares = table["embedding"].to_pylist(), table["valid_share"].to_pylist()
    grids = table["grid"].to_pylist() if "grid" in table.column_names else None
    found = np.full((len(cells.rois), len(vectors[0])), np.nan, np.float32)
    rois, centres = np.asarray(cells.rois), np.asarray(cells.centres, np.float64)
    for row, roi in enumerate(table["id"].to_pylist()):
        at = np.flatnonzero(rois == roi)
        if len(at) and grids is None and shares[row] >= cells.least_valid:
            found[at] = vectors[row]
        elif len(at) and grids and grids[row]:
            found[at] = _of_grid(folder / grids[row], centres[at], cells.least_valid)
    return found


def _of_grid(path: Path, points: NDArray[np.float64], least_valid: float) -> Features:
    """Vectors [N, D] of the cells of a grid's file that hold points [N, 2] of its map."""
    import rasterio

    try:
        with rasterio.open(path) as file:
            names, values = list(file.descriptions), file.read()
            at = in_pixels(file.transform, points)
    except rasterio.errors.RasterioError as error:
        raise RsweepError(f"{path} cannot be read: {error}; run the study again") from None
    columns, rows = np.floor(at + 1e-6).astype(np.intp).T
    inside = (rows >= 0) & (rows < values.shape[1]) & (columns >= 0) & (columns < values.shape[2])
    picked = values[:, np.where(inside, rows, 0), np.where(inside, columns, 0)]
    good = inside & (picked[names.index(VALID_SHARE)] >= least_valid)
    dims = [i for i, name in enumerate(names) if name != VALID_SHARE]
    return np.where(good, picked[dims], np.nan).T.astype(np.float32)
