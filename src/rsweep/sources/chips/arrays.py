"""Chips that are rows of an array, in NPZ or HDF5."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rsweep.core.digests import File
from rsweep.core.errors import RoiError, SourceError
from rsweep.sources.chips.chip import Chip, Picture, image_of
from rsweep.sources.chips.columns import SAYS, column_of, plain
from rsweep.sources.chips.splits import split_named, split_of_folders

SUFFIXES = (".npz", ".h5", ".hdf5")


def is_arrays(file: File) -> bool:
    """True if a file is of arrays by its suffix."""
    return file.path.lower().endswith(SUFFIXES)


@contextmanager
def _opened(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                yield arrays
        else:
            with h5py.File(path, "r", locking=False) as file:
                yield file
    except (OSError, ValueError) as error:
        raise SourceError(f"chips: {path} cannot be read: {error}") from error


def chips_of_arrays(root: Path, file: File, columns: Mapping[str, Any]) -> list[Chip]:
    """A chip for each row of a file's images, with what arrays of the same length say of it.

    Raises:
        SourceError: the file cannot be read, has no images, or arrays of other lengths.
    """
    stem = Path(file.path).stem
    with _opened(root / file.path) as arrays:
        images = arrays[image_array(arrays, columns, file.path)]
        count = len(images)
        told = {
            role: arrays[name][:]
            for role in SAYS
            if (name := column_of(role, list(arrays), columns)) is not None
        }
    for role, values in told.items():
        if len(values) != count:
            raise SourceError(
                f"chips: {file.path} has {count} images and {len(values)} in "
                f"{role}; expected one for each image"
            )
    split = split_of_folders([*Path(file.path).parent.parts, *stem.replace("-", "_").split("_")])
    return [
        _chip(file, row, {role: plain(values[row]) for role, values in told.items()}, stem, split)
        for row in range(count)
    ]


def _chip(file: File, row: int, says: dict[str, Any], stem: str, split: str | None) -> Chip:
    known = {name: value for name, value in says.items() if value is not None}
    name = str(known.pop("id", f"{stem}-{row}"))
    if "split" in known:
        known["split"] = split_named(known["split"])
    elif split:
        known["split"] = split
    return Chip(name, file, (row,), known)


def image_array(arrays: Mapping[str, Any], columns: Mapping[str, Any], where: str) -> str:
    """Name of the array of images [N, …].

    Raises:
        SourceError: there is none.
    """
    name = column_of("image", list(arrays), columns)
    if name is None:
        raise SourceError(
            f"chips: {where} has the arrays {', '.join(arrays)}; columns.image says "
            f"which holds the images"
        )
    return name


def read_array(root: Path, chip: Chip, columns: Mapping[str, Any], bands: Sequence[str]) -> Picture:
    """The picture of a chip that is a row of an array.

    Raises:
        RoiError: it has another number of bands.
    """
    images = _images(root / chip.file.path, tuple(sorted(columns.items())), *chip.file.state)
    (row,) = chip.at
    try:
        return Picture(image_of(np.asarray(images[row]), len(bands), f"image {row}"))
    except ValueError as error:
        raise RoiError(f"{chip.file.path}: {error}") from error


@functools.lru_cache(maxsize=2)
def _images(path: Path, columns: tuple[tuple[str, Any], ...], *state: int) -> Any:
    """A file's images: those of an NPZ are read whole, once; of HDF5, a row at a time."""
    if path.suffix.lower() != ".npz":
        file = h5py.File(path, "r", locking=False)
        return file[image_array(file, dict(columns), path.name)]
    with _opened(path) as arrays:
        return arrays[image_array(arrays, dict(columns), path.name)]
