"""Chips in Parquet as the hub of Hugging Face has data sets: a column of images, one of labels."""

from __future__ import annotations

import bisect
import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rsweep.core.digests import File
from rsweep.core.errors import RoiError, SourceError
from rsweep.sources.chips.chip import Chip, Picture, image_of
from rsweep.sources.chips.columns import SAYS, column_of, plain
from rsweep.sources.chips.decode import decode_bytes
from rsweep.sources.chips.splits import split_named, split_of_folders

SUFFIX = ".parquet"


def chips_of_parquet(root: Path, file: File, columns: Mapping[str, Any]) -> list[Chip]:
    """A chip for each row of a file; its split is a column, or what the file is called after.

    Raises:
        SourceError: the file cannot be read, or has no column of images.
    """
    try:
        schema = pq.read_schema(root / file.path)
        _image_column(schema, columns, file.path)
        roles = {
            role: name
            for role in SAYS
            if (name := column_of(role, schema.names, columns)) is not None
        }
        table = pq.read_table(root / file.path, columns=sorted(set(roles.values())))
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"chips: {file.path} cannot be read: {error}") from error
    classes = class_names(schema)
    path = PurePosixPath(file.path)
    words = path.stem.replace("-", "_").replace(".", "_").split("_")
    split = split_of_folders([*path.parts[:-1], *words])
    held = {role: table[name].to_pylist() for role, name in roles.items()}
    rows = pq.read_metadata(root / file.path).num_rows
    return [_chip(file, row, held, roles, classes, split) for row in range(rows)]


def _chip(
    file: File,
    row: int,
    held: Mapping[str, list[Any]],
    roles: Mapping[str, str],
    classes: Mapping[str, list[str]],
    split: str | None,
) -> Chip:
    says: dict[str, Any] = {"split": split} if split else {}
    for role, values in held.items():
        value = plain(values[row])
        if value is None:
            continue
        if isinstance(value, int) and roles[role] in classes:
            value = classes[roles[role]][value]
        says[role] = split_named(value) if role == "split" else value
    return Chip(str(says.pop("id", f"{PurePosixPath(file.path).stem}-{row}")), file, (row,), says)


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Column -> names of its classes, where the hub's own entry in the file says them."""
    held = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(held)["info"]["features"] if held else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return {
        name: [str(label) for label in feature["names"]]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and "names" in feature
    }


def _image_column(schema: pa.Schema, columns: Mapping[str, Any], where: str) -> str:
    name = column_of("image", schema.names, columns)
    if name is None:
        raise SourceError(
            f"chips: {where} has the columns {', '.join(schema.names)}; "
            f"columns.image says which holds the images"
        )
    return name


def read_parquet(
    root: Path, chip: Chip, columns: Mapping[str, Any], bands: Sequence[str]
) -> Picture:
    """The picture of a chip in a row: encoded bytes, {bytes, path} of the hub, or nested lists.

    Raises:
        RoiError: the row holds no image.
    """
    (row,) = chip.at
    where = f"{chip.file.path}: row {row}"
    image = _row(root / chip.file.path, tuple(sorted(columns.items())), row, *chip.file.state)
    image = image.get("bytes") if isinstance(image, dict) else image
    if isinstance(image, bytes):
        return decode_bytes(image, where)
    try:
        return Picture(image_of(np.asarray(image), len(bands), where))
    except ValueError as error:
        raise RoiError(str(error)) from error


def _row(path: Path, columns: tuple[tuple[str, Any], ...], row: int, *state: int) -> Any:
    starts = _starts(path, *state)
    group = bisect.bisect_right(starts, row) - 1
    return _group(path, columns, group, *state)[row - starts[group]].as_py()


@functools.lru_cache(maxsize=256)
def _starts(path: Path, *state: int) -> list[int]:
    """First row of each row group, and the number of rows."""
    held = pq.read_metadata(path)
    sizes = [held.row_group(i).num_rows for i in range(held.num_row_groups)]
    return list(itertools.accumulate(sizes, initial=0))


@functools.lru_cache(maxsize=2)
def _group(path: Path, columns: tuple[tuple[str, Any], ...], group: int, *state: int) -> Any:
    """Images of a row group: a shard's chips are neighbours, so one or two are held."""
    with pq.ParquetFile(path) as file:
        name = _image_column(file.schema_arrow, dict(columns), path.name)
        return file.read_row_group(group, columns=[name])[name]
