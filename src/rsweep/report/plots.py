"""The page's charts, as inline SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rsweep.evaluate.design import Design
from rsweep.evaluate.verdict import Curve, Interval
from rsweep.report.svg import Axis, Frame, Html, axis_of, log_axis, tag

LINES = 8
"""Colours and dashes that can be told apart; more are not drawn in colours of their own."""
MOST_NUMBERS = 40
"""Points whose numbers fit into a chart."""
BAR_PX = 24
MAP_UNITS = 1000


@dataclass(frozen=True)
class Point:
    """A profile in the chart of cost and quality: its number on the page and what it is."""

    number: int
    label: str
    cost: float
    quality: Interval
    kind: str
    leads: bool


def interval_bar(axis: Axis, found: Interval, band: float, kind: str, words: str) -> Html:
    """One estimate on a line: what is within `band` of nothing is shaded."""
    x = [f"{100 * axis.at(v):.2f}%" for v in (-band, band, 0.0, found.low, found.high, found.value)]
    middle, width = BAR_PX // 2, 100 * (axis.at(band) - axis.at(-band))
    return tag(
        "svg",
        tag("rect", x=x[0], y=0, width=f"{width:.2f}%", height=BAR_PX, class_="band"),
        tag("line", x1=x[2], x2=x[2], y1=0, y2=BAR_PX, class_="zero"),
        tag("line", x1=x[3], x2=x[4], y1=middle, y2=middle, class_="span"),
        tag("circle", cx=x[5], cy=middle, r=5, class_="dot"),
        class_=f"bar {kind}",
        width="100%",
        height=BAR_PX,
        role="img",
        aria_label=words,
    )


def bar_axis(axis: Axis) -> Html:
    """The numbers above a list of `interval_bar`s."""
    marks = [
        tag(
            "text",
            f"{value:+g}" if value else "0",
            x=f"{100 * axis.at(value):.2f}%",
            y=12,
            text_anchor="middle",
        )
        for value in axis.ticks()
    ]
    return tag("svg", *marks, class_="bar scale", width="100%", height=16, aria_hidden="true")


def scatter(points: Sequence[Point], metric: str, limits: tuple[float | None, float]) -> Html:
    """Quality over cost per 1,000 ROIs, with the line of those that no cheaper one beats."""
    ends = [e for p in points for e in (p.quality.low, p.quality.high)]
    frame = Frame(log_axis([p.cost for p in points]), axis_of(ends, *limits), height=400)
    numbered = _numbered(frame, points)
    marks = [*_front(frame, points), *(_mark(frame, p, p in numbered, len(points)) for p in points)]
    title = f"{metric} of each profile against its seconds for 1,000 ROIs"
    return frame.draw(title, "seconds for 1,000 ROIs (logarithmic)", metric, *marks)


def _mark(frame: Frame, point: Point, numbered: bool, count: int) -> Html:
    """A point; of many, those that do not lead have no interval, which would hide the others."""
    x, y = frame.x(point.cost), frame.y(point.quality.value)
    shown = [
        tag("title", f"{point.number}. {point.label}"),
        tag("circle", cx=x, cy=y, r=6 if point.leads else 5, class_="dot"),
    ]
    if count <= MOST_NUMBERS or point.leads:
        low, high = frame.y(point.quality.low), frame.y(point.quality.high)
        shown.insert(1, tag("line", x1=x, x2=x, y1=low, y2=high, class_="thin"))
    if numbered:
        shown.append(tag("text", point.number, x=x, y=float(y) - 9, dx=5))
    return tag("g", *shown, class_=point.kind)


def _numbered(frame: Frame, points: Sequence[Point]) -> list[Point]:
    """Points whose numbers have room, those that lead first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (not p.leads, p.number)):
        wanted = point.leads or len(points) <= MOST_NUMBERS
        if wanted and not any(_near(frame, point, other) for other in found):
            found.append(point)
    return found


def _near(frame: Frame, a: Point, b: Point) -> bool:
    across = abs(frame.across.at(a.cost) - frame.across.at(b.cost)) < 0.05
    return across and abs(frame.up.at(a.quality.value) - frame.up.at(b.quality.value)) < 0.05


def front_of(points: Sequence[Point]) -> list[Point]:
    """Points that no point of the same cost or less reaches, cheapest first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.quality.value)):
        if not found or point.quality.value > found[-1].quality.value:
            found.append(point)
    return found


def _front(frame: Frame, points: Sequence[Point]) -> list[Html]:
    front, marks = front_of(points), []
    for a, b in itertools.pairwise(front):
        x1, x2 = frame.x(a.cost), frame.x(b.cost)
        y1, y2 = frame.y(a.quality.value), frame.y(b.quality.value)
        marks.append(tag("line", x1=x1, x2=x2, y1=y1, y2=y1, class_="front"))
        marks.append(tag("line", x1=x2, x2=x2, y1=y1, y2=y2, class_="front"))
    return marks


def curves(found: Sequence[Curve], metric: str, limits: tuple[float | None, float]) -> Html:
    """Quality over training labels per class, a line for each profile."""
    known = [q for curve in found for q in curve.quality]
    frame = Frame(log_axis([n for c in found for n in c.labels]), axis_of(known, *limits))
    marks = []
    for place, curve in enumerate(found):
        spots = list(zip(curve.labels, curve.quality, strict=True))
        lines = [
            tag("line", x1=frame.x(a), y1=frame.y(p), x2=frame.x(b), y2=frame.y(q))
            for (a, p), (b, q) in itertools.pairwise(spots)
        ]
        dots = [tag("circle", cx=frame.x(a), cy=frame.y(p), r=4) for a, p in spots]
        marks.append(
            tag("g", tag("title", curve.profile), *lines, *dots, class_=f"line c{place % LINES}")
        )
    return frame.draw(f"{metric} by training labels", "training labels per class", metric, *marks)


@dataclass(frozen=True)
class FoldMap:
    """The map of folds, how wide it is on the ground, and its folds with their ROIs."""

    chart: Html
    width_km: float
    folds: Sequence[tuple[int, int]]


def fold_map(design: Design) -> FoldMap | None:
    """Centres of ROIs coloured by their fold of the first drawing; blocks are outlined."""
    spots = {i: place for i, place in enumerate(design.lonlat) if place is not None}
    if not spots or not design.folds:
        return None
    ground = _flat({i: (p[0], p[1]) for i, p in spots.items()})
    wide = max((x for x, _ in ground.values()), default=0.0) or 1.0
    tall = max((y for _, y in ground.values()), default=0.0)
    size = max(wide, tall / 1.2)
    placed = {
        i: (round(MAP_UNITS * x / size), round(MAP_UNITS * y / size))
        for i, (x, y) in ground.items()
    }
    names = sorted(set(design.folds[0]))
    members = {f: [i for i in placed if design.folds[0][i] == f] for f in names}
    marks = [
        *(_outlines(design, placed) if design.cv == "spatial" else ()),
        *(_dots([placed[i] for i in members[f]], f) for f in names),
    ]
    height = max(round(MAP_UNITS * tall / size), 40)
    box = f"-20 -20 {round(MAP_UNITS * wide / size) + 40} {height + 40}"
    chart = tag(
        "svg",
        *marks,
        class_="map",
        viewBox=box,
        role="img",
        aria_label=f"Map of {len(placed)} ROIs in {len(names)} folds",
    )
    return FoldMap(chart, wide, [(f, len(members[f])) for f in names if members[f]])


def _flat(spots: dict[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Degrees to kilometres from the north-west corner; across the antimeridian where need be."""
    lons = [lon for lon, _ in spots.values()]
    turn = max(lons) - min(lons) > 180
    turned = {i: ((lon + 360) % 360 if turn else lon, lat) for i, (lon, lat) in spots.items()}
    west, north = min(p[0] for p in turned.values()), max(p[1] for p in turned.values())
    middle = sum(p[1] for p in turned.values()) / len(turned)
    km = 111.32
    return {
        i: ((lon - west) * km * max(math.cos(math.radians(middle)), 0.05), (north - lat) * km)
        for i, (lon, lat) in turned.items()
    }


def _dots(spots: Sequence[tuple[int, int]], fold: int) -> Html:
    path = "".join(f"M{x} {y}h0" for x, y in spots)
    kind = f"fold c{fold % LINES}" if fold >= 0 else "fold never"
    return tag("path", d=path, class_=kind)


def _outlines(design: Design, placed: dict[int, tuple[int, int]]) -> list[Html]:
    blocks: dict[int, list[tuple[int, int]]] = {}
    for i, spot in placed.items():
        if design.blocks[i] >= 0:
            blocks.setdefault(design.blocks[i], []).append(spot)
    marks = []
    for spots in blocks.values():
        (left, right), (top, foot) = ((min(v), max(v)) for v in zip(*spots, strict=True))
        marks.append(
            tag(
                "rect",
                x=left - 12,
                y=top - 12,
                width=right - left + 24,
                height=foot - top + 24,
                rx=8,
                class_="block",
            )
        )
    return marks
