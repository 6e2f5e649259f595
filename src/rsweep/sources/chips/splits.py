"""Which split a chip is in: by a file that lists names, by a folder, or by a word of a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rsweep.core.errors import SourceError

NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What data sets call their splits, and what `cv: column` calls them."""


def split_named(word: Any) -> str:
    """A split by the word that `cv: column` reads; other words stay."""
    return NAMES.get(str(word).strip().lower(), str(word).strip())


def split_of_folders(parts: Iterable[str]) -> str | None:
    """The split that one of some folders is called after, if any."""
    return next((NAMES[part.lower()] for part in parts if part.lower() in NAMES), None)


def listed_splits(splits: Mapping[str, Any], root: Path) -> dict[str, str]:
    """Name of a chip, as lists have it without folder and suffix -> its split.

    Args:
        splits: split -> a text file of names, one a line, from the data set's folder or here.
        root: the data set's folder.

    Raises:
        SourceError: a list cannot be read, or one chip is in two.
    """
    found: dict[str, str] = {}
    for word, file in splits.items():
        split = split_named(word)
        for name in _names(_path_of(str(file), root)):
            if found.setdefault(name, split) != split:
                raise SourceError(
                    f"chips: {name} is listed in the splits {found[name]} and "
                    f"{split}; each chip is in one"
                )
    return found


def _path_of(file: str, root: Path) -> Path:
    inside = root / file
    return inside if inside.is_file() else Path(file)


def _names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"chips: the list of a split {path} cannot be read: {error}") from None
    return [PurePosixPath(line).stem for line in lines]
