"""What a fetch file holds.

`rois` has a row per ROI. Under a ROI's number are the raw values of its scenes, in the order of its
row: `bands` [S, C, H, W] and `quality/<layer>` [S, H, W]. Frames that the provider reduced are
`frames` [T, C, H, W], with `count` [T, H, W] of the observations in them. A part is such a file of
one ROI, at its root, with its row as `roi`. Where scenes lie on a disk, `held` says which the shard
used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from rsweep.core.files import COMPRESSED, chunk_rows, get_json, put_json
from rsweep.core.records import Failed, FetchedRoi
from rsweep.stages.fetch.used import Scenes

HELD = "held"
LAYERS = ("bands", "quality", "frames", "count")

Row = FetchedRoi | Failed


@dataclass(frozen=True)
class StoredScenes:
    """The scenes of a ROI: `bands` [S, C, H, W], and layers [S, H, W] by name."""

    bands: h5py.Dataset
    quality: Mapping[str, h5py.Dataset]


@dataclass(frozen=True)
class StoredFrames:
    """The frames that a provider reduced: `values` [T, C, H, W], `count` [T, H, W]."""

    values: h5py.Dataset
    count: h5py.Dataset


def read_rois(file: h5py.File) -> list[Row]:
    """The row of every ROI."""
    rows: list[Row] = get_json(file, "rois")
    return rows


def write_rois(file: h5py.File, rows: Sequence[Row]) -> None:
    """Store the row of every ROI."""
    put_json(file, "rois", rows)


def stored_scenes(file: h5py.File, index: int) -> StoredScenes:
    """The scenes of a ROI by its number."""
    group = file[str(index)]
    return StoredScenes(group["bands"], dict(group.get("quality", {}).items()))


def stored_frames(file: h5py.File, index: int) -> StoredFrames:
    """The frames of a ROI by its number."""
    group = file[str(index)]
    return StoredFrames(group["frames"], group["count"])


def scene_layers(bands: NDArray[Any], quality: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Layers of one scene by the names that they have in the file."""
    return {"bands": bands, **{f"quality/{name}": layer for name, layer in quality.items()}}


def append(part: h5py.File, layers: Mapping[str, NDArray[Any]], index: int) -> None:
    """Add the layers of one more scene or frame to a part."""
    for name, array in layers.items():
        if name not in part:
            _create(part, name, array)
        part[name].resize(index + 1, axis=0)
        part[name][index] = array


def _create(part: h5py.File, name: str, array: NDArray[Any]) -> None:
    height, width = array.shape[-2:]
    rows = chunk_rows(height, width * array.itemsize)
    chunk = (1, *((1,) if array.ndim == 3 else ()), rows, width)
    shape, most = (0, *array.shape), (None, *array.shape)
    part.create_dataset(name, shape, array.dtype, maxshape=most, chunks=chunk, **COMPRESSED)


def write_part(part: h5py.File, row: Row) -> None:
    """Store the row of a part's ROI; one that failed has no layers."""
    if row["error"] is not None:
        part.clear()
    put_json(part, "roi", row)


def adopt(file: h5py.File, index: int, path: Path) -> Row:
    """Copy a ROI's part into the shard's file; its row."""
    with h5py.File(path, "r", locking=False) as part:
        group = file.create_group(str(index))
        for name in LAYERS:
            if name in part:
                part.copy(name, group)
        row: Row = get_json(part, "roi")
    return row


def write_held(file: h5py.File, shard: str, scenes: Scenes) -> None:
    """Say in a fetch's file which scenes on a disk a shard used."""
    put_json(file, HELD, {"shard": shard, "scenes": scenes})


def read_held(file: h5py.File) -> tuple[str, Scenes]:
    """The shard of a fetch's file, and the scenes on a disk that it used; none of a service."""
    if HELD not in file:
        return "", {}
    told = get_json(file, HELD)
    return told["shard"], told["scenes"]
