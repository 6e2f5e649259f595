"""Embeddings of others beside a study's profiles."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rsweep.commands.output import answer

if TYPE_CHECKING:
    from rsweep.evaluate.given import Given

ABOUT = "judge embeddings that others computed beside a study's profiles, on the same folds"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("results", type=Path, help="a folder of results, such as results/demo")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="NAME=FILE",
        help="Parquet, GeoParquet or NPZ with ids of the ROI table",
    )


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.errors import RsweepError
    from rsweep.evaluate.given import compare_given
    from rsweep.plan.evaluation import read_evaluate
    from rsweep.results.lock import read_whole

    lock = given.results / "study.lock.json"
    options, _ = read_evaluate(read_whole(lock)["config"].get("evaluate"), (), str(lock))
    if not options:
        raise RsweepError(f"{lock}: the study has no `evaluate`, so there is nothing to compare by")
    files = dict(_named(text) for text in given.files)
    found = compare_given(given.results, options, files)
    answer(given.json, [asdict(each) for each in found], _lines(found))
    return 0


def _named(text: str) -> tuple[str, Path]:
    from rsweep.core.errors import RsweepError

    name, _, path = text.partition("=")
    if not name or not path:
        raise RsweepError(f"{text!r}: expected NAME=FILE, such as alphaearth=aef.parquet")
    return name, Path(path)


def _lines(found: list[Given]) -> Iterator[str]:
    yield "quality [95 %]          behind the study's best profile [95 %, all pairs]"
    for each in found:
        lost = f", {each.lost} labelled ROIs without a vector" if each.lost else ""
        what = each.name if each.own else f"{each.name} (given{lost})"
        if each.quality is None or each.behind is None:
            yield f"not compared: {what} has too few of the ROIs"
            continue
        q, b = each.quality, each.behind
        quality = f"{q.value:.3f} [{q.low:.3f}, {q.high:.3f}]"
        yield f"{quality}   {b.value:+.3f} [{b.low:+.3f}, {b.high:+.3f}]   {what}"
