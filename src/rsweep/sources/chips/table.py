"""The ROI table of a data set of chips: a row each, with its place, label and split."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from rsweep.core.errors import RoiError, SourceError
from rsweep.core.knobs import parse_date
from rsweep.sources.chips.chip import Chip
from rsweep.sources.chips.index import Index, Options, open_index
from rsweep.sources.chips.places import MADE_UP, centre_of, made_up_places

COLUMNS = ("id", "lon", "lat", "buffer_m", "label", "split", "place", "start", "end")


@dataclass(frozen=True)
class ChipTable:
    """Rows of a ROI table, of which columns that say nothing of any chip are left out."""

    columns: Sequence[str]
    rows: Sequence[dict[str, Any]]

    def text(self) -> str:
        """The table as CSV."""
        out = io.StringIO()
        writer = csv.DictWriter(out, self.columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return out.getvalue()

    def counts(self, column: str) -> Counter[str]:
        """How many chips have each value of a column, of those that have one."""
        return Counter(str(row[column]) for row in self.rows if column in row)


def chip_table(options: Options, scale_m: float) -> ChipTable:
    """The ROI table of the chips that options describe, in the order of their files.

    Raises:
        SourceError: a chip cannot be read, or what its data set says of it makes no sense.
    """
    index = open_index(options)
    made_up = made_up_places(index.chips)
    chips = sorted(index.chips.values(), key=lambda chip: (chip.file.path, chip.at, chip.id))
    rows = [_row(index, chip, options, scale_m, made_up[chip.id]) for chip in chips]
    held = {name for row in rows for name in row}
    return ChipTable([name for name in COLUMNS if name in held], rows)


def _row(
    index: Index, chip: Chip, options: Options, scale_m: float, made_up: tuple[float, float]
) -> dict[str, Any]:
    try:
        picture = index.read(chip)
    except RoiError as error:
        raise SourceError(f"chips: {chip.id}: {error}") from error
    _, height, width = picture.values.shape
    centre = None if options["georeference"] == "ignore" else centre_of(picture)
    told = dict(chip.says)
    given = (told.pop("lon", None), told.pop("lat", None))
    if centre is None and None not in given:
        centre = given
    place = {} if centre else {"place": MADE_UP}
    lon, lat = centre or made_up
    return {
        "id": chip.id,
        "lon": lon,
        "lat": lat,
        "buffer_m": max(height, width) * scale_m / 2,
        **place,
        **_window(chip.id, told.pop("date", None)),
        **told,
    }


def _window(chip: str, day: Any) -> dict[str, str]:
    """The one day of a chip of which the date is known."""
    if day is None:
        return {}
    try:
        first = date.fromisoformat(parse_date(day))
    except ValueError as error:
        raise SourceError(f"chips: {chip}: its date {error}") from None
    return {"start": first.isoformat(), "end": (first + timedelta(days=1)).isoformat()}
