"""Chips that are image files in a folder, with or without a table that lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from rsweep.core.digests import File
from rsweep.core.errors import SourceError
from rsweep.sources.chips.chip import Chip, Picture
from rsweep.sources.chips.columns import row_says
from rsweep.sources.chips.decode import SUFFIXES, decode_file
from rsweep.sources.chips.splits import NAMES, split_of_folders


def is_image(file: File) -> bool:
    """True if a file is an image by its suffix."""
    return file.path.lower().endswith(SUFFIXES)


def chips_of_folder(files: Iterable[File]) -> list[Chip]:
    """Chips of image files: the class is the folder's name, the split one of those above it."""
    images = [file for file in files if is_image(file)]
    names = _names([file.path for file in images])
    return [Chip(names[file.path], file, (), _told_by_folders(file)) for file in images]


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Path -> name of the file without suffix; with its folders where that would not be unique."""
    stems = Counter(PurePosixPath(path).stem for path in paths)
    unique = all(count == 1 for count in stems.values())
    names = {
        path: PurePosixPath(path).stem if unique else str(PurePosixPath(path).with_suffix(""))
        for path in paths
    }
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise SourceError(
            f"chips: there are several images {twice[0]}.*; one data set has one file for each chip"
        )
    return names


def _told_by_folders(file: File) -> dict[str, Any]:
    folders = PurePosixPath(file.path).parts[:-1]
    split = split_of_folders(folders)
    classes = [folder for folder in folders if folder.lower() not in NAMES]
    told = {"label": classes[-1] if classes else None, "split": split}
    return {name: value for name, value in told.items() if value is not None}


def chips_of_table(
    table: Path, root: Path, files: Iterable[File], columns: Mapping[str, Any]
) -> list[Chip]:
    """Chips that a table lists, a row each: its file (from the folder), label, split and more.

    Raises:
        SourceError: the table cannot be read, has no column of files, or lists a file that is not
            there.
    """
    rows = _read(table)
    by_path = {file.path: file for file in files}
    chips = []
    for number, values in enumerate(rows.itertuples(index=False, name=None), start=2):
        row = dict(zip(map(str, rows.columns), values, strict=True))
        says = row_says(row, columns, f"{table}: line {number}", required="file")
        path = PurePosixPath(str(says.pop("file"))).as_posix()
        if path not in by_path:
            raise SourceError(
                f"chips: {table}: line {number} lists {path!r}, which is not a file under {root}"
            )
        chips.append(Chip(str(says.pop("id", "")) or path, by_path[path], (), says))
    if all(chip.id == chip.file.path for chip in chips):
        names = _names([chip.file.path for chip in chips])
        return [Chip(names[chip.id], chip.file, (), chip.says) for chip in chips]
    return chips


def _read(table: Path) -> pd.DataFrame:
    try:
        if table.suffix.lower() == ".parquet":
            return pd.read_parquet(table)
        if table.suffix.lower() in (".jsonl", ".ndjson"):
            return pd.read_json(table, lines=True, dtype=False)
        return pd.read_csv(table, sep="\t" if table.suffix.lower() == ".tsv" else ",", dtype=str)
    except (OSError, ValueError) as error:
        raise SourceError(f"chips: the table {table} cannot be read: {error}") from error


def read_file(root: Path, chip: Chip) -> Picture:
    """The picture of a chip that is a file."""
    return decode_file(root / chip.file.path)
