"""Published numbers beside regenerated ones, drawn: a figure, and a part of the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rsweep.core.files import replacing
from rsweep.report.views import Cell, Column, PublishedView, Table
from rsweep.results.published import read_regenerated

if TYPE_CHECKING:  # the page shows a figure that is there
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, str]

COLOURS = {"pass": "#2a6f97", "fail": "#b3261e"}
MARKS = {"pass": "o", "fail": "X"}
ROW_IN = 0.32


def write_published_figure(table: Path, out: Path) -> None:
    """Draw a comparison as SVG: a line per number, and axes of its own for every measure."""
    import matplotlib

    figure = draw_published(read_regenerated(table))
    with matplotlib.rc_context({"svg.hashsalt": "rsweep"}), replacing(out) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def draw_published(rows: Sequence[Row]) -> Figure:
    """Each published number with its tolerance as a bar, and what came out as a mark."""
    from matplotlib.figure import Figure

    by_measure: dict[tuple[str, bool], list[Row]] = {}
    for row in rows:
        by_measure.setdefault((row["measure"], bool(row["minus"])), []).append(row)
    heights = [ROW_IN * len(each) + 0.9 for each in by_measure.values()]
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, ((measure, differs), each) in zip(axes, by_measure.items(), strict=True):
        _draw_measure(ax, each)
        ax.set_xlabel(f"difference of {measure}" if differs else measure, fontsize=9)
    return figure


def _draw_measure(ax: Axes, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        ax.errorbar(
            float(row["published"]),
            place,
            xerr=float(row["tolerance"]),
            fmt="|",
            color="#8a8a8a",
            capsize=3,
            markersize=12,
            linewidth=1.5,
        )
        if row["regenerated"]:
            ax.plot(
                float(row["regenerated"]),
                place,
                MARKS[row["status"]],
                markersize=7,
                color=COLOURS[row["status"]],
            )
    ax.set_yticks(
        range(len(rows)), [f"{row['what']} ({row['status']})" for row in rows], fontsize=9
    )
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="x", labelsize=8)


def published_view(folder: Path) -> PublishedView | None:
    """The page's part on published numbers; None where a study compares with none."""
    table = folder / "published.csv"
    if not table.is_file():
        return None
    rows = read_regenerated(table)
    failed = sum(row["status"] != "pass" for row in rows)
    words = (
        f"{len(rows) - failed} of {len(rows)} published numbers came out again within their "
        "tolerance."
    )
    drawn = base64.b64encode((folder / "published.svg").read_bytes()).decode()
    return PublishedView(words, bool(failed), drawn, _table(rows))


def _table(rows: Sequence[Row]) -> Table:
    columns = [
        Column("Number"),
        Column("Published", True),
        Column("Tolerance", True),
        Column("Regenerated", True),
        Column("Difference", True),
        Column("Result"),
        Column("Measure"),
        Column("Source"),
    ]
    return Table(
        "Published numbers beside regenerated ones", columns, [_cells(row) for row in rows]
    )


def _cells(row: Row) -> list[Cell]:
    status = Cell(row["status"], kind="" if row["status"] == "pass" else "bad", note=row["reason"])
    numbers = [
        _number(row[name]) for name in ("published", "tolerance", "regenerated", "difference")
    ]
    return [
        Cell(row["what"]),
        *numbers,
        status,
        Cell(row["measure"], code=True),
        Cell(row["source"], kind="soft"),
    ]


def _number(text: str) -> Cell:
    return Cell(f"{float(text):.4g}", float(text)) if text else Cell("")
