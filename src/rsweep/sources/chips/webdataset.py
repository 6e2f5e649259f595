"""Chips in WebDataset archives: a tar whose members of one name are one chip."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rsweep.core.digests import File
from rsweep.core.errors import RoiError, SourceError
from rsweep.sources.chips.chip import Chip, Picture
from rsweep.sources.chips.columns import row_says
from rsweep.sources.chips.decode import SUFFIXES, decode_bytes
from rsweep.sources.chips.splits import split_of_folders

SUFFIX = ".tar"
LABELS = (".cls", ".txt", ".label")
"""Members that are a label and nothing else."""


def chips_of_tar(root: Path, file: File, columns: Mapping[str, Any]) -> list[Chip]:
    """Chips of one archive, in its order.

    Raises:
        SourceError: it is no tar archive, or what goes with an image cannot be read.
    """
    images: dict[str, tuple[int, int]] = {}
    says: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(root / file.path) as archive:
            for member in archive:
                if member.isfile():
                    _take(archive, member, images, says, columns)
    except (OSError, tarfile.TarError, ValueError) as error:
        raise SourceError(f"chips: {file.path} cannot be read: {error}") from error
    path = PurePosixPath(file.path)
    split = split_of_folders([*path.parts[:-1], *path.stem.replace("-", "_").split("_")])
    told = {"split": split} if split else {}
    return [Chip(key, file, at, {**told, **says.get(key, {})}) for key, at in images.items()]


def _take(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    images: dict[str, tuple[int, int]],
    says: dict[str, dict[str, Any]],
    columns: Mapping[str, Any],
) -> None:
    """An image's place, or what a member says of the image of its name."""
    folder, _, name = member.name.rpartition("/")
    key, _, suffix = name.partition(".")
    key, suffix = PurePosixPath(folder, key).as_posix(), f".{suffix.lower()}"
    if suffix.endswith(SUFFIXES):
        if key in images:
            raise ValueError(f"{key} has several images; expected one")
        images[key] = (member.offset_data, member.size)
        return
    if suffix != ".json" and suffix not in LABELS:
        return
    held = archive.extractfile(member)
    text = held.read().decode() if held else ""
    row = json.loads(text) if suffix == ".json" else {"label": text.strip()}
    if isinstance(row, dict):
        own = row_says(row, columns, member.name)
        own.pop("id", None)  # its name in the archive is its id
        says.setdefault(key, {}).update(own)


def read_tar(root: Path, chip: Chip) -> Picture:
    """The picture of a chip in an archive.

    Raises:
        RoiError: it cannot be read.
    """
    offset, size = chip.at
    try:
        with open(root / chip.file.path, "rb") as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise RoiError(f"{chip.file.path} cannot be read: {error.strerror}") from error
    return decode_bytes(data, f"{chip.file.path}: {chip.id}")
