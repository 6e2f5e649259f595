"""What a stitch file holds.

`rois` has a row per ROI, and `embedding` [R, D] its vector, NaN where it has none. Of grids, a
ROI's number holds `grid` [D, h, w], NaN where a cell is missing, and two layers [h, w]:
`valid_share`, the part of a cell that is valid ground of the ROI, and `real_share`, the part of
what the network saw there that was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from rsweep.core.files import get_json, put_json
from rsweep.core.records import Failed, StitchedRoi

Row = StitchedRoi | Failed


@dataclass(frozen=True)
class StoredGrid:
    """A ROI's grid: `values` [D, h, w], `valid_share` [h, w], `real_share` [h, w]."""

    values: NDArray[np.floating]
    valid_share: NDArray[np.float32]
    real_share: NDArray[np.float32]


def read_rois(file: h5py.File) -> list[Row]:
    """The row of every ROI."""
    rows: list[Row] = get_json(file, "rois")
    return rows


def write_rois(file: h5py.File, rows: Sequence[Row]) -> None:
    """Store the row of every ROI."""
    put_json(file, "rois", rows)


def read_vectors(file: h5py.File) -> NDArray[np.float32]:
    """The vector of every ROI [R, D], as it is stored."""
    vectors: NDArray[np.float32] = file["embedding"][()]
    return vectors


def write_vectors(file: h5py.File, vectors: NDArray[np.floating]) -> None:
    """Store the vector of every ROI [R, D]."""
    file.create_dataset("embedding", data=vectors)


def read_grid(file: h5py.File, index: int) -> StoredGrid | None:
    """The grid of a ROI by its number; None if it has none."""
    held = file.get(str(index))
    if held is None:
        return None
    return StoredGrid(held["grid"][()], held["valid_share"][()], held["real_share"][()])


def write_grid(file: h5py.File, index: int, grid: StoredGrid) -> None:
    """Store the grid of a ROI."""
    group = file.create_group(str(index))
    group.create_dataset("grid", data=grid.values)
    group.create_dataset("valid_share", data=grid.valid_share)
    group.create_dataset("real_share", data=grid.real_share)
