"""What a composite file holds.

`rois` has a row per ROI. Under a ROI's number are `frames` [T, C, H, W], float32 in the sensor's
unit, NaN where missing, and `count` [T, H, W], the scenes that each pixel is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from rsweep.core.files import get_json, put, put_json
from rsweep.core.records import CompositedRoi, Failed

Row = CompositedRoi | Failed


class FrameWriter:
    """Stores the frames of a ROI as they are made, so that one is in memory at a time."""

    def __init__(self, group: h5py.Group, most: int) -> None:
        self.group, self.most = group, most

    def put(self, at: int, values: NDArray[np.float32]) -> None:
        """Store a frame [C, H, W] at one of `most` places."""
        if "frames" not in self.group:
            chunk, shape = (1, 1, *values.shape[1:]), (self.most, *values.shape)
            self.group.create_dataset("frames", shape, "f4", maxshape=shape, chunks=chunk)
        self.group["frames"][at] = values

    def repeat(self, at: int, other: int) -> None:
        """Store at one place the frame of another."""
        self.group["frames"][at] = self.group["frames"][other]

    def finish(self, counts: Sequence[NDArray[np.uint16]]) -> None:
        """Keep as many frames as there are counts [H, W], and store those."""
        self.group["frames"].resize(len(counts), axis=0)
        put(self.group, "count", np.stack(counts), chunks=(1, *counts[0].shape))


@dataclass(frozen=True)
class StoredComposite:
    """The frames of a ROI: `frames` [T, C, H, W], `count` [T, H, W]."""

    frames: h5py.Dataset
    count: h5py.Dataset


def read_rois(file: h5py.File) -> list[Row]:
    """The row of every ROI."""
    rows: list[Row] = get_json(file, "rois")
    return rows


def write_rois(file: h5py.File, rows: Sequence[Row]) -> None:
    """Store the row of every ROI."""
    put_json(file, "rois", rows)


def stored_composite(file: h5py.File, index: int) -> StoredComposite:
    """The frames of a ROI by its number."""
    group = file[str(index)]
    return StoredComposite(group["frames"], group["count"])
