"""Charts of a sweep: cost and quality over its knobs, and quality against cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from rsweep.core.durations import format_duration
from rsweep.report.layout import Facet
from rsweep.report.ranking import METRIC_NAMES, PROBE_NAMES, score

CELL_W, CELL_H, LEAST_W = 1.15, 0.62, 7.0
"""Inches: of a cell, and of the narrowest figure, whose title must fit."""
PER_LINE = 3
WIDE = 30
"""A range of values wider than this factor is coloured and drawn in logarithms."""
BAR = "#0072B2"
LIGHT, DARK = "white", "black"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Measure:
    """What a chart shows of a profile.

    Attributes:
        title: in words, with its unit.
        value: the number of a profile's row; None if it has none.
        label: the number in words.
        better: "low" or "high": of several profiles in a cell the better one is shown.
        span: the least range of colours, so that a difference of nothing looks like nothing.
    """

    title: str
    value: Callable[[Row], float | None]
    label: Callable[[Row], str]
    better: str
    span: float = 0.0


def cost_measure() -> Measure:
    """Seconds of all stages, and of inference."""
    return Measure(
        "Cost: seconds of all five stages, as if run alone (in brackets: of inference)",
        lambda row: float(row["seconds"]),
        lambda row: f"{format_duration(row['seconds'])}\n({format_duration(row['infer_seconds'])})",
        "low",
    )


def quality_measure(probe: str, metric: str) -> Measure:
    """A probe's metric, of the predictions of all folds together."""

    def label(row: Row) -> str:
        found = score(row, probe, metric)
        return "" if found is None else f"{found:.2f}"

    title = f"Quality: {METRIC_NAMES[metric]} of {PROBE_NAMES[probe]}"
    return Measure(title, lambda row: score(row, probe, metric), label, "high", 0.1)


def draw_sweep(
    facets: Sequence[Facet], rows: Mapping[str, Row], measures: Sequence[Measure]
) -> Figure:
    """Heat maps (or bars, where one knob varies): a row of them for each measure."""
    lines = [facets[i : i + PER_LINE] for i in range(0, len(facets), PER_LINE)]
    plan = [(measure, line) for measure in measures for line in lines]
    heights = [max(_height(facet) for facet in line) for _, line in plan]
    width = max(sum(_width(facet) for facet in line) for line in lines) + 1.4
    figure = Figure(figsize=(max(width, LEAST_W), sum(heights)), layout="constrained")
    bands = figure.subfigures(len(plan), 1, squeeze=False, height_ratios=heights, hspace=0.04)
    for band, (measure, line) in zip(bands[:, 0], plan, strict=True):
        band.suptitle(measure.title, fontsize=10, fontweight="bold", x=0.01, ha="left")
        axes = band.subplots(1, len(line), squeeze=False, width_ratios=[_width(f) for f in line])
        _draw_band(band, axes[0], line, rows, measure)
    return figure


def _draw_band(
    band: Any,
    axes: Sequence[Axes],
    facets: Sequence[Facet],
    rows: Mapping[str, Row],
    measure: Measure,
) -> None:
    found = [v for row in rows.values() if (v := measure.value(row)) is not None]
    colours = _colours(found, measure)
    for ax, facet in zip(axes, facets, strict=True):
        ax.set_title(facet.title, fontsize=10, loc="left")
        if facet.rows:
            _draw_heat(ax, facet, rows, measure, colours)
        else:
            _draw_bars(ax, facet, rows, measure)
    if any(facet.rows for facet in facets) and found:
        bar = band.colorbar(colours, ax=list(axes), shrink=0.8, pad=0.02)
        bar.ax.tick_params(labelsize=8)


def _width(facet: Facet) -> float:
    labels = max((len(v) for v in facet.values(0)), default=0) if facet.rows else 0
    if facet.rows:
        return CELL_W * len(facet.values(1)) + 0.075 * labels + 0.9
    longest = max((len(v) for v in facet.values(1)), default=0)
    return 3.6 + 0.07 * min(longest, 60)


def _height(facet: Facet) -> float:
    if facet.rows:
        longest = max(len(v) for v in facet.values(1))
        return CELL_H * len(facet.values(0)) + 1.15 + (0.06 * longest if longest > 10 else 0)
    return 0.3 * len(facet.values(1)) + 1.2


def _colours(found: Sequence[float], measure: Measure) -> ScalarMappable:
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    low = min(low, high - (measure.span or 0.2 * abs(high) or 1.0))
    wide = low > 0 and high / low > WIDE
    # Both maps can be told apart by the colour-blind and in grey; dark is what one wants least.
    name = "cividis_r" if measure.better == "low" else "cividis"
    return ScalarMappable((LogNorm if wide else Normalize)(low, high), colormaps[name])


def _shown(
    names: Sequence[str], rows: Mapping[str, Row], measure: Measure
) -> tuple[float | None, str]:
    """The value and label of a cell: those of its best profile, and how many there are."""
    known = [rows[n] for n in names if n in rows and measure.value(rows[n]) is not None]
    if not known:
        return None, ""
    pick = min if measure.better == "low" else max
    chosen = pick(known, key=lambda row: measure.value(row) or 0.0)
    word = "lowest" if measure.better == "low" else "highest"
    many = f"\n{word} of {len(known)}" if len(known) > 1 else ""
    return measure.value(chosen), measure.label(chosen) + many


def _draw_heat(
    ax: Axes, facet: Facet, rows: Mapping[str, Row], measure: Measure, colours: ScalarMappable
) -> None:
    down, across = facet.values(0), facet.values(1)
    ax.set_facecolor("#f2f2f2")
    image = np.full((len(down), len(across)), np.nan)
    for (row, column), names in facet.cells.items():
        i, j = down.index(row), across.index(column)
        value, label = _shown(names, rows, measure)
        if value is None:
            continue
        image[i, j] = value
        ax.text(
            j,
            i,
            label,
            ha="center",
            va="center",
            fontsize=8,
            linespacing=1.1,
            color=_ink(colours, value),
        )
    ax.imshow(colours.to_rgba(np.ma.masked_invalid(image)), aspect="auto")
    tilted = max(map(len, across)) > 10
    ax.set_xticks(
        range(len(across)),
        across,
        fontsize=8,
        rotation=30 if tilted else 0,
        ha="right" if tilted else "center",
    )
    ax.set_yticks(range(len(down)), down, fontsize=8)
    ax.set_xlabel(facet.columns or "", fontsize=9)
    ax.set_ylabel(facet.rows or "", fontsize=9)
    ax.tick_params(length=0)
    _grid_lines(ax, image.shape)


def _grid_lines(ax: Axes, shape: tuple[int, ...]) -> None:
    ax.set_xticks(np.arange(shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(shape[0] + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _ink(colours: ScalarMappable, value: float) -> str:
    red, green, blue, _ = colours.to_rgba(np.array([value]))[0]
    return DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else LIGHT


def _draw_bars(ax: Axes, facet: Facet, rows: Mapping[str, Row], measure: Measure) -> None:
    values = facet.values(1)
    shown = [_shown(facet.cells["", value], rows, measure) for value in values]
    lengths = [value or 0.0 for value, _ in shown]
    ax.barh(range(len(values)), lengths, color=BAR, height=0.62)
    for place, (length, (_, label)) in enumerate(zip(lengths, shown, strict=True)):
        ax.annotate(
            label.replace("\n", " "),
            (max(length, 0), place),
            (4, 0),
            fontsize=8,
            textcoords="offset points",
            va="center",
        )
    ax.set_yticks(
        range(len(values)), [v if len(v) <= 60 else f"{v[:57]}…" for v in values], fontsize=8
    )
    ax.set_ylabel(facet.columns or "", fontsize=9)
    ax.tick_params(axis="x", labelsize=8)
    ax.invert_yaxis()
    ax.margins(x=0.35)
    ax.set_xlim(left=min(0.0, *lengths) if lengths else 0)
    ax.spines[["top", "right"]].set_visible(False)
