"""Quality against cost, a point for each profile, its name where there is room beside the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rsweep.report.charts import WIDE
from rsweep.report.ranking import METRIC_NAMES

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's, which the colour-blind tell apart; shapes tell models apart besides."""
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_NAMED = 24
LINE = 0.19
"""Height of a line of names, in inches."""
PLOT_W = 4.2

LEADER = {
    "arrowstyle": "-",
    "relpos": (0, 0.5),
    "color": "#bbbbbb",
    "linewidth": 0.6,
    "shrinkA": 1,
    "shrinkB": 4,
}
"""The line from a name to its point."""

Row = Mapping[str, Any]


def draw_scatter(rows: Sequence[Row], metric: str) -> Figure:
    """The frontier (none is both cheaper and better) is a line; bars are 95 % intervals."""
    rows = [row for row in rows if isinstance(row.get("quality"), float)]
    named = min(len(rows), MOST_NAMED)
    longest = min(max((len(str(row["profile"])) for row in rows), default=0), 60)
    margin = 0.075 * longest + 0.35
    height, width = max(3.2, LINE * named + 1.1), PLOT_W + margin + 0.75
    figure = Figure(figsize=(width, height + 0.6))
    total = figure.get_figheight()
    box = (0.7 / width, 0.85 / total, PLOT_W / width, (height - 0.65) / total)
    if rows:
        _draw_points(figure.add_axes(box), rows, metric)
        _legend(figure, rows)
    return figure


def _draw_points(ax: Axes, rows: Sequence[Row], metric: str) -> None:
    models = _models(rows)
    for row in rows:
        style = models.index(row["model"]) % len(COLOURS)
        ends = [[row["quality"] - row["quality_low"]], [row["quality_high"] - row["quality"]]]
        ax.errorbar(
            row["seconds"],
            row["quality"],
            ends,
            color=COLOURS[style],
            marker=SHAPES[style],
            markersize=6,
            elinewidth=0.8,
            alpha=0.9,
            linestyle="none",
        )
    points = np.array([(row["seconds"], row["quality"]) for row in rows])
    edge = frontier(points)
    ax.step(points[edge, 0], points[edge, 1], where="post", color="#777777", linewidth=1, zorder=0)
    _axes(ax, points, metric)
    named = list(range(len(points))) if len(points) <= MOST_NAMED else edge[:MOST_NAMED]
    _names(ax, points[named], [str(rows[i]["profile"]) for i in named])


def frontier(points: np.ndarray[Any, Any]) -> list[int]:
    """Points that no other is both cheaper and better than, from cheap to dear."""
    order = sorted(range(len(points)), key=lambda i: (points[i, 0], -points[i, 1]))
    kept: list[int] = []
    for i in order:
        if not kept or points[i, 1] > points[kept[-1], 1]:
            kept.append(i)
    return kept


def _axes(ax: Axes, points: np.ndarray[Any, Any], metric: str) -> None:
    low, high = points[:, 0].min(), points[:, 0].max()
    if low > 0 and high / low > WIDE:
        ax.set_xscale("log")
    ax.set_xlabel("seconds of all five stages, as if run alone", fontsize=9)
    ax.set_ylabel(METRIC_NAMES[metric], fontsize=9)
    ax.set_title(
        "mean of the probes (bars: 95 % interval of each by itself)",
        fontsize=10,
        loc="left",
        fontweight="bold",
    )
    ax.tick_params(labelsize=8)
    ax.grid(color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.margins(x=0.06)
    ax.spines[["top", "right"]].set_visible(False)


def _names(ax: Axes, points: np.ndarray[Any, Any], names: Sequence[str]) -> None:
    """Names in a column right of the plot, each joined to its point, none over another."""
    inches = ax.get_window_extent().height / ax.figure.dpi
    to_axes = ax.transData + ax.transAxes.inverted()
    wanted = to_axes.transform(points)[:, 1]
    order = sorted(range(len(names)), key=lambda i: (wanted[i], -points[i, 0]))
    heights = spread([wanted[i] for i in order], LINE / inches)
    for i, y in zip(order, heights, strict=True):
        name = names[i] if len(names[i]) <= 60 else f"{names[i][:40]}…{names[i][-18:]}"
        ax.annotate(
            name,
            points[i],
            (1.06, y),
            textcoords="axes fraction",
            fontsize=7.5,
            va="center",
            annotation_clip=False,
            arrowprops=LEADER,
        )


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Heights in ascending order, at least `gap` apart, near those wanted.

    Heights that come too near are spaced evenly about their common mean, over and over. All are
    within 0..1 if there is room, else about its middle.
    """
    groups: list[tuple[float, int]] = []  # mean wanted height, members
    for height in wanted:
        groups.append((height, 1))
        while len(groups) > 1 and _touch(groups[-2], groups[-1], gap):
            (a, n), (b, m) = groups[-2:]
            groups[-2:] = [((a * n + b * m) / (n + m), n + m)]
    found = [mean + gap * (i - (n - 1) / 2) for mean, n in groups for i in range(n)]
    if gap * (len(found) - 1) > 1:
        return [height - (found[0] + found[-1] - 1) / 2 for height in found]
    low, high = -gap, 1 + gap
    for i, height in enumerate(found):
        found[i] = low = max(height, low + gap)
    for i in range(len(found) - 1, -1, -1):
        found[i] = high = min(found[i], high - gap)
    return found


def _touch(below: tuple[float, int], above: tuple[float, int], gap: float) -> bool:
    return above[0] - gap * (above[1] - 1) / 2 - below[0] - gap * (below[1] - 1) / 2 < gap


def _models(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in rows))


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=COLOURS[i % len(COLOURS)],
            marker=SHAPES[i % len(SHAPES)],
            linestyle="none",
            label=model,
        )
        for i, model in enumerate(_models(rows))
    ]
    handles.append(Line2D([], [], color="#777777", linewidth=1, label="none cheaper and better"))
    figure.legend(
        handles=handles,
        loc="lower left",
        ncols=min(len(handles), 5),
        fontsize=8,
        frameon=False,
        bbox_to_anchor=(0.02, 0.0),
    )
