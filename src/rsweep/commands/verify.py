"""Whether results are what their lock says."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rsweep.commands.output import answer

if TYPE_CHECKING:
    from rsweep.verify.rows import Row

ABOUT = "compare results, stage files and keys with study.lock.json; make a part of them again"
MOST = 40
"""Lines of what is not identical."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("results", type=Path, help="a folder of results, such as results/demo")
    parser.add_argument("--study", type=Path, help="the study file, where the lock lacks its paths")
    parser.add_argument("--store", type=Path, help="the store, if not where the study says")
    parser.add_argument(
        "--sample",
        type=share,
        default=0.0,
        metavar="5%",
        help="make this part of the results again from scratch",
    )
    parser.add_argument("--all", action="store_true", help="make everything again from scratch")
    parser.add_argument("--seed", type=int, default=0, help="of the random part")


def share(text: str) -> float:
    """A part of a whole: `5%` or `0.05`.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    try:
        found = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a part such as 5% or 0.05")
    return found


def run(given: argparse.Namespace) -> int:
    """Run the command; 0 if all is identical or within tolerance, 1 if something is not."""
    from rsweep.verify.study import verify

    part = 1.0 if given.all else given.sample
    rows = list(verify(given.results, given.study, given.store, part, given.seed))
    answer(given.json, [asdict(row) for row in rows], _lines(rows))
    return 1 if any(row.failed for row in rows) else 0


def _lines(rows: list[Row]) -> Iterable[str]:
    from rsweep.verify.rows import counts

    for kind, found in counts(rows).items():
        yield f"{kind:<11} " + ", ".join(f"{n} {status}" for status, n in found.items())
    other = [row for row in rows if row.status != "identical" and row.detail]
    for row in other[:MOST]:
        yield f"{row.status}: {row.kind} {row.name}: {row.detail}"
    if len(other) > MOST:
        yield f"and {len(other) - MOST} more (--json has all)"
    failed = sum(row.failed for row in rows)
    yield f"{failed} things are not what the lock says" if failed else "verified: nothing differs"
