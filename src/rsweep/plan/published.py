"""Published numbers that a study is to give again: a CSV, checked when a run is planned."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rsweep.core.errors import RsweepError
from rsweep.core.knobs import Problem, nearest

NEEDED = ("what", "profile", "measure", "published", "tolerance", "source")
OPTIONAL = ("minus",)
SEPARATOR = ";"
"""Between profiles whose mean a number is."""


@dataclass(frozen=True)
class Published:
    """One published number, and what of a study it is compared with.

    Attributes:
        what: it, in words; unique in its file.
        profiles: names in the sweep table; of several the mean is taken.
        minus: profiles whose mean is taken off, for a published difference; empty for none.
        measure: a column of the sweep table, such as `linear_accuracy`.
        value: as published, in the unit of that column.
        tolerance: the largest difference that counts as the same.
        source: where it stands.
    """

    what: str
    profiles: tuple[str, ...]
    minus: tuple[str, ...]
    measure: str
    value: float
    tolerance: float
    source: str


def read_published(path: Path) -> list[Published]:
    """The numbers in a file, in its order.

    Raises:
        RsweepError: it is not there, lacks a column, or a row does not say what it must; names the
            row.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RsweepError(f"{path} cannot be read: {error}") from None
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
    if missing or unknown or not rows:
        raise RsweepError(
            f"{path}: expected rows with the columns {', '.join(NEEDED)} and at most "
            f"{', '.join(OPTIONAL)}; it has {len(rows)} rows of "
            f"{', '.join(columns) or 'nothing'}"
        )
    found = [_row(row, f"{path}, row {number}") for number, row in enumerate(rows, start=1)]
    names = [each.what for each in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise RsweepError(f"{path}: two rows are called {twice[0]!r}")
    return found


def _row(row: Mapping[str, str], where: str) -> Published:
    text = {name: (row.get(name) or "").strip() for name in (*NEEDED, *OPTIONAL)}
    empty = [name for name in NEEDED if not text[name]]
    if empty:
        raise RsweepError(f"{where}: {empty[0]} is empty")
    value, tolerance = (
        _number(text[name], f"{where}: {name}") for name in ("published", "tolerance")
    )
    if tolerance < 0:
        raise RsweepError(f"{where}: tolerance is {tolerance:g}; expected a number from 0")
    return Published(
        text["what"],
        _names(text["profile"]),
        _names(text["minus"]),
        text["measure"],
        value,
        tolerance,
        text["source"],
    )


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RsweepError(f"{where} is {text!r}; expected a number")
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(SEPARATOR) if name.strip())


def published_problems(path: str | None, names: Collection[str], where: str) -> Iterator[Problem]:
    """What is wrong with a study's `published`: its file, or profiles that the study lacks."""
    if path is None:
        return
    place = f"{where}: published"
    try:
        found = read_published(Path(path))
    except RsweepError as error:
        yield Problem(place, str(error))
        return
    for each in found:
        for name in (*each.profiles, *each.minus):
            if name not in names:
                yield Problem(
                    place,
                    f"{path}: {each.what!r} is of profile {name!r}, which the "
                    f"study lacks{nearest(name, names)}",
                )
