"""Whether a study that ran to its end has what it was for."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from rsweep.core.errors import RsweepError

MOST_SHOWN = 10
MOST_TEXT = 300


def write_complete(table: Path, max_failed: float, path: Path) -> None:
    """Say that a study is complete, from its sweep table.

    Args:
        table: sweep.csv.
        max_failed: largest share of a profile's ROIs that may lack an embedding.
        path: the file that says so.

    Raises:
        RsweepError: a profile has no embedding, or lacks more than that; names them with reasons.
    """
    from rsweep.core.files import write_json  # HDF5, which the summary of a run does without

    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] in ("ok", "given")]
    short = [row for row in rows if lacks_embeddings(row, max_failed)]
    if short:
        raise RsweepError(_explained(short, len(rows), max_failed))
    failed = {row["profile"]: int(row["rois_failed"]) for row in rows if row["rois_failed"] != "0"}
    write_json(path, {"profiles": len(rows), "failed_rois": failed})


def lacks_embeddings(row: Mapping[str, str], max_failed: float) -> bool:
    """True if a row of the table has no embedding, or more failures than the study allows."""
    rois, failed = int(row["rois"]), int(row["rois_failed"])
    return failed == rois or failed > max_failed * rois


def failures(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """A line for rows of the table that lack embeddings for the same reasons."""
    alike: dict[str, list[str]] = {}
    for row in rows:
        reason = textwrap.shorten(row["reason"], MOST_TEXT, placeholder=" …")
        what = f"{row['rois_failed']} of {row['rois']} ROIs have no embedding: {reason}"
        alike.setdefault(what, []).append(row["profile"])
    lines = [
        f"{names[0]}{f' and {len(names) - 1} more profiles' if names[1:] else ''}: {what}"
        for what, names in alike.items()
    ]
    hidden = len(lines) - MOST_SHOWN
    return lines[:MOST_SHOWN] + ([f"and {hidden} more lines like these"] if hidden > 0 else [])


def _explained(short: list[dict[str, str]], profiles: int, max_failed: float) -> str:
    text = "\n".join(f"  {line}" for line in failures(short))
    return (
        f"{len(short)} of {profiles} profiles lack too many embeddings (max_failed: "
        f"{max_failed:g}); results are written all the same\n{text}"
    )
