"""What a profile says of labelled cells: the vectors of the tokens that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsweep.core.errors import RsweepError
from rsweep.evaluate.cells import Cells
from rsweep.evaluate.label_raster import in_pixels
from rsweep.evaluate.measures import Features
from rsweep.results.profile import VALID_SHARE

Floats = NDArray[np.float64]


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


def _of_grid(path: Path, points: Floats, least_valid: float) -> Features:
    """Vectors [N, D] of the cells of a grid's file that hold points [N, 2] of its map."""
    import rasterio

    try:
        with rasterio.open(path) as file:
            names, values, transform = list(file.descriptions), file.read(), file.transform
    except rasterio.errors.RasterioError as error:
        raise RsweepError(f"{path} cannot be read: {error}; run the study again") from None
    dims = [i for i, name in enumerate(names) if name != VALID_SHARE]
    shares = values[names.index(VALID_SHARE)]
    return tokens_at(values[dims], shares, transform, points, least_valid)


def tokens_at(
    grid: Features,
    shares: Features,
    transform: Any,
    points: Floats,
    least_valid: float,
) -> Features:
    """Vectors [N, D] of the tokens of a grid that hold points; NaN where there is none.

    Args:
        grid: [D, h, w].
        shares: [h, w] valid share of each token.
        transform: from columns and rows to the map.
        points: [N, 2], x and y of the map.
        least_valid: valid ground that a token must have.
    """
    columns, rows = np.floor(in_pixels(transform, points) + 1e-6).astype(np.intp).T
    height, width = shares.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = np.where(inside, rows, 0), np.where(inside, columns, 0)
    good = inside & (shares[rows, columns] >= least_valid)
    return np.where(good, grid[:, rows, columns], np.nan).T.astype(np.float32)
