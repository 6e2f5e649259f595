"""The ROI table of a study on chips."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rsweep.core.errors import StudyError
from rsweep.core.knobs import Problem

if TYPE_CHECKING:
    from rsweep.sources.chips.table import ChipTable

ABOUT = "write the ROI table of a study on chips: ids, places, labels and splits of its data set"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file with `provider: chips` in its base")
    parser.add_argument("--force", action="store_true", help="replace a table that says otherwise")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.files import replacing
    from rsweep.plan.chips import table_of_study
    from rsweep.plan.config import read_config

    config = read_config(given.study)
    path = Path(str(config.get("rois") or ""))
    if path.suffix.lower() != ".csv":
        what = f"is {str(path)!r}; expected the name of the .csv that is to be written"
        raise StudyError([Problem(f"{given.study}: rois", what)])
    table = table_of_study(config, given.study)
    text = table.text()
    if path.exists() and path.read_text(encoding="utf-8") != text and not given.force:
        what = "is there and differs from the data set; --force replaces it, edits and all"
        raise StudyError([Problem(str(path), what)])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print("\n".join(_said(path, table)))
    return 0


def _said(path: Path, table: ChipTable) -> list[str]:
    said = [f"{path}: {len(table.rows)} chips"]
    labels = _listed(table.counts("label"))
    said.append(f"labels: {labels or 'none; `columns` or folders say them'}")
    said.append(f"splits: {_listed(table.counts('split')) or 'none; see chips.splits'}")
    if made_up := sum(table.counts("place").values()):
        said.append(f"places: of {made_up} chips not known, and made up")
    return said


def _listed(counts: Mapping[str, int], most: int = 12) -> str:
    shown = [f"{name} {count}" for name, count in sorted(counts.items())]
    more = [f"and {len(shown) - most} more"] if len(shown) > most else []
    return ", ".join([*shown[:most], *more])
