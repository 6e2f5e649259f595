"""ROIs as columns: a table of a million rows in seconds, and a Roi made when it is asked for."""

from __future__ import annotations

import csv
import functools
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import overload

from rsweep.core.knobs import parse_date
from rsweep.core.roi import BOX, POINT, WINDOW, Roi, check_place

ROWS = 50_000
"""Read at a time, so that the text of a large table is never in memory as a whole."""
Texts = list[str | None]


class Columns(Sequence[Roi]):
    """ROIs of one kind of shape, of which each is made when it is asked for.

    Attributes:
        kind: "point" or "box".
        numbers: name -> the numbers of its shape.
        texts: other columns, `id`, `start` and `end` among them; None where a table says nothing.
    """

    def __init__(
        self, kind: str, numbers: Mapping[str, array[float]], texts: Mapping[str, Texts]
    ) -> None:
        self.kind, self.numbers, self.texts = kind, numbers, texts
        self._labels = [name for name in texts if name not in ("id", *WINDOW)]

    @property
    def ids(self) -> list[str]:
        """Their names, in order."""
        return [str(name) for name in self.texts["id"]]

    def __len__(self) -> int:
        return len(self.texts["id"])

    @overload
    def __getitem__(self, at: int) -> Roi: ...
    @overload
    def __getitem__(self, at: slice) -> Columns: ...
    def __getitem__(self, at: int | slice) -> Roi | Columns:
        if isinstance(at, slice):
            numbers = {name: column[at] for name, column in self.numbers.items()}
            return Columns(self.kind, numbers, {name: c[at] for name, c in self.texts.items()})
        texts = self.texts
        shape = {"type": self.kind, **{name: column[at] for name, column in self.numbers.items()}}
        labels = {name: value for name in self._labels if (value := texts[name][at]) is not None}
        return Roi(str(texts["id"][at]), shape, texts["start"][at], texts["end"][at], labels)

    def __iter__(self) -> Iterator[Roi]:
        return (self[i] for i in range(len(self)))


def read_columns(path: Path) -> Columns | None:
    """A CSV table of points or boxes; None of one in which anything is wrong or unusual.

    What is wrong, and where, is then for the reader of rows to say, which is slower.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            names = next(rows)
            columns = _collect(rows, len(names))
        return _understood(dict(zip(names, columns, strict=True)), names)
    except (OSError, ValueError, StopIteration, csv.Error):
        return None


def _collect(rows: Iterator[list[str]], width: int) -> list[Texts]:
    """Columns of stripped text, None where there is none; equal texts are one object."""
    columns: list[Texts] = [[] for _ in range(width)]
    known: dict[str, str | None] = {"": None}
    while block := [row for row in islice(rows, ROWS) if row]:
        if any(len(row) != width for row in block):
            raise ValueError("a row has another number of values than there are columns")
        for column, values in zip(columns, zip(*block, strict=True), strict=True):
            texts = (text.strip() for text in values)
            column += [known.setdefault(text, text) for text in texts]
    return columns


def _understood(columns: dict[str, Texts], names: list[str]) -> Columns:
    """Columns as ROIs have them.

    Raises:
        ValueError: they are not those of places that are all right.
    """
    shapes = [kind for kind in (POINT, BOX) if set(kind) <= set(names)]
    if len(shapes) != 1 or len(set(names)) < len(names) or "geometry" in names:
        raise ValueError("not one kind of shape")
    ids = columns.get("id", [])
    if not ids or None in ids or len(set(ids)) < len(ids):
        raise ValueError("an id is missing, or there twice")
    texts = {name: columns[name] for name in names if name not in (*shapes[0], *WINDOW)}
    start, end = (_dates(columns.get(name), len(ids)) for name in WINDOW)
    _check_windows(start, end)
    numbers = {name: _numbers(columns.pop(name)) for name in shapes[0]}
    _check_shapes(numbers)
    kind = "point" if shapes[0] == POINT else "box"
    return Columns(kind, numbers, {**texts, "start": start, "end": end})


def _numbers(texts: Texts) -> array[float]:
    try:
        found = array("d", map(float, texts))  # type: ignore[arg-type]  # None is refused
    except TypeError:
        raise ValueError("a number is missing") from None
    if not all(map(math.isfinite, found)):
        raise ValueError("a number is not finite")
    return array("d", (number + 0.0 for number in found))  # which makes -0.0 the 0.0 that it is


def _dates(texts: Texts | None, count: int) -> Texts:
    @functools.cache
    def parsed(text: str | None) -> str | None:
        return None if text is None else parse_date(text)

    return [None] * count if texts is None else [parsed(text) for text in texts]


def _check_windows(start: Texts, end: Texts) -> None:
    for one, other in set(zip(start, end, strict=True)):
        if (one is None) != (other is None) or (one and other and one >= other):
            raise ValueError("a window is not one")


def _check_shapes(numbers: Mapping[str, array[float]]) -> None:
    places = [("lon", "lat")] if "lon" in numbers else [("minlon", "minlat"), ("maxlon", "maxlat")]
    for lon, lat in places:
        for corner in (min, max):
            check_place(corner(numbers[lon]), corner(numbers[lat]))
    if "buffer_m" in numbers:
        if min(numbers["buffer_m"]) <= 0:
            raise ValueError("a buffer_m is not above 0")
        return
    columns = (numbers[name] for name in BOX)
    if any(s >= n or w == e for w, s, e, n in zip(*columns, strict=True)):
        raise ValueError("a box is empty")
