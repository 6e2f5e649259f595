"""What a study gave beside what was published, row by row."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsweep.core.errors import RsweepError
from rsweep.core.files import replacing
from rsweep.plan.published import Published, read_published

COLUMNS = (
    "what",
    "profile",
    "minus",
    "measure",
    "published",
    "regenerated",
    "difference",
    "tolerance",
    "status",
    "reason",
    "source",
)

Sweep = Mapping[str, Mapping[str, str]]
"""Profile -> its row of sweep.csv."""


@dataclass(frozen=True)
class Regenerated:
    """A published number and what a study gave for it.

    Attributes:
        published: it.
        value: the study's; None where it has none.
        reason: why the study has none.
    """

    published: Published
    value: float | None
    reason: str = ""

    @property
    def passed(self) -> bool:
        """True if the two differ by no more than the tolerance, but for rounding of the text."""
        if self.value is None:
            return False
        off = abs(self.value - self.published.value)
        return off <= self.published.tolerance + 1e-9

    @property
    def status(self) -> str:
        """In a word."""
        return "pass" if self.passed else "fail"


def regenerate(published: Sequence[Published], sweep: Sweep) -> list[Regenerated]:
    """Each published number beside what a sweep table says."""
    return [_regenerated(each, sweep) for each in published]


def _regenerated(each: Published, sweep: Sweep) -> Regenerated:
    try:
        value = _mean(each.profiles, each.measure, sweep)
        if each.minus:
            value -= _mean(each.minus, each.measure, sweep)
    except RsweepError as error:
        return Regenerated(each, None, str(error))
    return Regenerated(each, value)


def _mean(profiles: Sequence[str], measure: str, sweep: Sweep) -> float:
    return math.fsum(_value(name, measure, sweep) for name in profiles) / len(profiles)


def _value(profile: str, measure: str, sweep: Sweep) -> float:
    row = sweep.get(profile)
    if row is None:
        raise RsweepError(f"no profile {profile}")
    if measure not in row:
        raise RsweepError(f"the sweep table has no column {measure}")
    try:
        return float(row[measure])
    except ValueError:
        raise RsweepError(f"{profile} has no {measure}") from None


def write_regenerated(published: Path, table: Path, out: Path) -> None:
    """Write the comparison of a study's sweep table with a file of published numbers."""
    with table.open(newline="") as file:
        sweep = {row["profile"]: row for row in csv.DictReader(file)}
    rows = regenerate(read_published(published), sweep)
    with replacing(out) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_cells(row) for row in rows)


def _cells(row: Regenerated) -> list[str]:
    told, known = row.published, row.value is not None
    value = f"{row.value:.6g}" if known else ""
    off = f"{row.value - told.value:.6g}" if row.value is not None else ""
    return [
        told.what,
        "; ".join(told.profiles),
        "; ".join(told.minus),
        told.measure,
        f"{told.value:g}",
        value,
        off,
        f"{told.tolerance:g}",
        row.status,
        row.reason,
        told.source,
    ]


def read_regenerated(path: Path) -> list[dict[str, str]]:
    """The rows that `write_regenerated` wrote."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def require_passed(path: Path) -> None:
    """Refuse a comparison in which a row failed.

    Raises:
        RsweepError: one did; the text has every row that failed.
    """
    rows = read_regenerated(path)
    failed = [row for row in rows if row["status"] != "pass"]
    if failed:
        lines = "\n".join(f"  {regenerated_line(row)}" for row in failed)
        raise RsweepError(
            f"{len(failed)} of {len(rows)} published numbers did not come out again "
            f"({path})\n{lines}"
        )


def regenerated_line(row: Mapping[str, str]) -> str:
    """`fail: mean, AlphaEarth: published 0.811 ± 0.01, regenerated 0.64 (-0.171)`."""
    told = f"published {row['published']} ± {row['tolerance']}"
    now = f"regenerated {row['regenerated']} ({float(row['difference'] or 0):+.3g})"
    return f"{row['status']}: {row['what']}: {told}, {row['reason'] or now}"
