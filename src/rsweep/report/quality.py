"""The part of the page that needs labels: the verdict, drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rsweep.evaluate.answer import answer
from rsweep.evaluate.design import Design
from rsweep.evaluate.verdict import (
    Confusion,
    DeadKnob,
    Effect,
    Interaction,
    Interval,
    Likeness,
    Standing,
    Verdict,
)
from rsweep.report.plots import (
    LINES,
    Point,
    bar_axis,
    curves,
    fold_map,
    interval_bar,
    scatter,
)
from rsweep.report.ranking import METRIC_NAMES, PROBE_NAMES
from rsweep.report.svg import Axis, axis_of
from rsweep.report.views import (
    Bar,
    Bars,
    Cell,
    Chart,
    Column,
    Heat,
    HeatRow,
    Legend,
    QualityView,
    Table,
)

Names = Mapping[str, str]

STATUS = {
    "within": "good enough",
    "worse": "worse",
    "undecided": "undecided",
    "not compared": "not compared",
}
RECOMMENDED = "recommended"


def quality_view(verdict: Verdict, design: Design | None, names: Names) -> QualityView:
    """Everything that the page says of quality, with profiles by their short names."""
    told = renamed(verdict, names)
    shown = [s for s in told.standings if s.quality is not None]
    return QualityView(
        answer=answer(told) if told.best else told.answer,
        method=_method(told),
        alerts=told.notes,
        notes=[f"{s.profile}: {s.note}" for s in told.standings if s.note],
        differences=_differences(told, shown),
        cost=_cost(told, shown),
        effects=_effects(told),
        interactions=_interactions(told),
        dead=[_dead(knob) for knob in told.dead_knobs],
        curves=_curves(told),
        blocks=_blocks(told, design),
        confusion=_confusion(told.confusion, _unit(told)) if told.confusion else None,
        measures=_measures(told),
        likeness=_likeness(told.likeness) if told.likeness else None,
    )


DEAD = {"identical": "the same to the bit", "rounding": "the same but for rounding"}


def _dead(found: DeadKnob) -> str:
    profiles = "; ".join(found.profiles)
    return (
        f"{found.knob} ({', '.join(found.values)}) had no effect: the output of {profiles} is "
        f"{DEAD[found.how]}."
    )


def renamed(verdict: Verdict, names: Names) -> Verdict:
    """A verdict in which profiles have other names."""

    def name(profile: str) -> str:
        return names.get(profile, profile)

    confusion, alike = verdict.confusion, verdict.likeness
    return replace(
        verdict,
        recommended=verdict.recommended and name(verdict.recommended),
        best=verdict.best and name(verdict.best),
        standings=[replace(s, profile=name(s.profile)) for s in verdict.standings],
        dead_knobs=[replace(d, profiles=[*map(name, d.profiles)]) for d in verdict.dead_knobs],
        curves=[replace(c, profile=name(c.profile)) for c in verdict.curves],
        curve_reference=name(verdict.curve_reference),
        confusion=confusion and replace(confusion, profile=name(confusion.profile)),
        likeness=alike and replace(alike, profiles=[*map(name, alike.profiles)]),
    )


def limits(metric: str) -> tuple[float | None, float]:
    """The least and the greatest score that is possible; R² has no least."""
    return (None if metric == "r2" else 0.0), 1.0


def possible(interval: Interval, metric: str) -> Interval:
    """An interval without what no score can be."""
    least, most = limits(metric)
    low = interval.low if least is None else max(interval.low, least)
    return Interval(interval.value, low, min(interval.high, most))


def kind_of(standing: Standing, recommended: str | None) -> str:
    """The class by which a profile is drawn."""
    if standing.profile == recommended:
        return RECOMMENDED
    return standing.status.replace(" ", "-")


def status_words(standing: Standing, recommended: str | None) -> str:
    """A profile's status in words."""
    return RECOMMENDED if standing.profile == recommended else STATUS[standing.status]


def _method(verdict: Verdict) -> str:
    classes = ", ".join(f"{name} {count}" for name, count in verdict.classes.items())
    return (
        f"Quality is {METRIC_NAMES[verdict.metric]} of predicting {verdict.label}, mean of the "
        f"probes, from predictions of {_unit(verdict)} that were not trained on: {verdict.cv}. "
        f"Chance is {verdict.chance:.3f}. {_labelled(verdict)}"
        f"{f' ({classes})' if classes else ''}; profiles are compared on the {verdict.compared:,} "
        f"that all of them have. A difference below {verdict.matters:g} does not matter to this "
        f"study. Intervals are 95 % and come from resampling {verdict.blocks:,} blocks; those of "
        f"differences hold for all pairs at once. Whether a profile is good enough is judged by "
        f"comparing each with the best alone, which is surer."
    )


def _unit(verdict: Verdict) -> str:
    return "cells" if verdict.cells else "ROIs"


def _labelled(verdict: Verdict) -> str:
    cells = verdict.cells
    if cells is None:
        return f"{verdict.labelled:,} of {verdict.rois:,} ROIs have a label"
    return (
        f"Labels are those of {cells.raster}, of cells of {cells.size_m:g} m; what a profile says "
        f"of a cell is what its token says that holds the cell's centre, and a pooled vector is "
        f"one token. Of {cells.seen:,} whole cells in the ROIs {cells.unknown:,} have no label, "
        f"{cells.mixed:,} are mixed and {cells.beyond:,} are more than a ROI may have; "
        f"{cells.kept:,} are left"
    )


def _span(interval: Interval) -> str:
    # A difference of nothing has no sign.
    value, low, high = (
        f"{round(v, 3) + 0.0:+.3f}".replace("+0.000", "0")
        for v in (interval.value, interval.low, interval.high)
    )
    return f"{value} ({low} to {high})"


def _axis(intervals: Iterable[Interval], matters: float, limit: float | None) -> Axis:
    ends = [end for i in intervals for end in (i.low, i.high)]
    low, high = (None, None) if limit is None else (-limit, limit)
    return axis_of([*ends, -2 * matters, 2 * matters], low, high)


def _limit(verdict: Verdict) -> float | None:
    return None if verdict.metric == "r2" else 1.0


def _differences(verdict: Verdict, shown: Sequence[Standing]) -> Bars | None:
    found = {
        s.profile: Interval(-s.behind.value, -s.behind.high, -s.behind.low)
        for s in shown
        if s.behind
    }
    if not found:
        return None
    axis = _axis(found.values(), verdict.matters, _limit(verdict))
    rows = []
    for number, standing in enumerate(shown, 1):
        if standing.behind is None:
            continue
        status = status_words(standing, verdict.recommended)
        words = "the best" if standing.profile == verdict.best else _span(found[standing.profile])
        kind = kind_of(standing, verdict.recommended)
        chart = interval_bar(axis, found[standing.profile], verdict.matters, kind, words)
        rows.append(Bar(f"{number}. {standing.profile}", chart, words, status, kind))
    return Bars(bar_axis(axis), rows, _band(verdict))


def _band(verdict: Verdict) -> str:
    return f"Shaded: differences that do not matter, within ±{verdict.matters:g}."


def _cost(verdict: Verdict, shown: Sequence[Standing]) -> Chart | None:
    points = [
        Point(
            number,
            s.profile,
            s.cost.seconds_per_1k_rois,
            possible(s.quality, verdict.metric),
            kind_of(s, verdict.recommended),
            _leads(s, verdict),
        )
        for number, s in enumerate(shown, 1)
        if s.quality and s.cost.seconds_per_1k_rois
    ]
    if not points:
        return None
    metric = METRIC_NAMES[verdict.metric]
    caption = (
        "Each point is a profile, by its number in the list above where there is room; bars are "
        "95 % intervals of its own quality. The line joins profiles that no cheaper one beats, as "
        "measured; how sure that is stands in the table (On the front). Cost is of all five "
        "stages, as if the profile ran alone."
    )
    return Chart(scatter(points, metric, limits(verdict.metric)), caption)


def _leads(standing: Standing, verdict: Verdict) -> bool:
    return standing.profile in (verdict.best, verdict.recommended) or (standing.front or 0) >= 0.5


def _effects(verdict: Verdict) -> Bars | None:
    if not verdict.effects:
        return None
    axis = _axis((e.bought for e in verdict.effects), verdict.matters, _limit(verdict))
    return Bars(
        bar_axis(axis), [_effect(e, axis, verdict) for e in verdict.effects], _band(verdict)
    )


def _effect(effect: Effect, axis: Axis, verdict: Verdict) -> Bar:
    pairs = f"{len(effect.pairs)} matched pair{'s' * (len(effect.pairs) != 1)}"
    depends = f"; depends on {', '.join(effect.depends_on)}" if effect.depends_on else ""
    chart = interval_bar(axis, effect.bought, verdict.matters, "effect", _span(effect.bought))
    costs = "" if effect.cost_ratio is None else f"{cost_ratio(effect.cost_ratio)}; "
    note = f"{costs}{pairs}{depends}"
    return Bar(f"{effect.knob}: {effect.low} → {effect.high}", chart, _span(effect.bought), note)


def cost_ratio(ratio: float) -> str:
    """`costs 2.1 times as much`, `costs 18 % less`."""
    if ratio >= 2:
        return f"costs {ratio:.2g} times as much"
    change = round(100 * (ratio - 1))
    way = "more" if change > 0 else "less"
    return f"costs {abs(change)} % {way}" if change else "costs the same"


def _interactions(verdict: Verdict) -> Bars | None:
    found = sorted(verdict.interactions, key=lambda i: not i.shown)
    if not found:
        return None
    axis = _axis((i.change for i in found), verdict.matters, _limit(verdict))
    return Bars(bar_axis(axis), [_interaction(i, axis, verdict) for i in found], _band(verdict))


def _interaction(found: Interaction, axis: Axis, verdict: Verdict) -> Bar:
    label = (
        f"{found.knob}: {found.low} → {found.high}, where {found.other} is {found.at} "
        f"instead of {found.instead}"
    )
    words = "shown" if found.shown else "not shown"
    chart = interval_bar(axis, found.change, verdict.matters, "effect", _span(found.change))
    return Bar(label, chart, _span(found.change), words)


def _curves(verdict: Verdict) -> Chart | None:
    if not verdict.curves:
        return None
    shown = verdict.curves[:LINES]
    chart = curves(shown, METRIC_NAMES[verdict.metric], limits(verdict.metric))
    left = len(verdict.curves) - len(shown)
    caption = "Quality by the number of training labels per class."
    if verdict.curve_reference:
        caption += f" Reference: {verdict.curve_reference} with all of them."
    if left:
        caption += f" The best {len(shown)} are drawn; verdict.json has {left} more."
    asked = bool(verdict.curve_reference)
    return Chart(
        chart, caption, [Legend(i, _needs(c.profile, c.needed, asked)) for i, c in enumerate(shown)]
    )


def _needs(profile: str, needed: float | None, asked: bool) -> str:
    if not asked:
        return profile
    words = "never as good" if needed is None else f"as good with about {needed:.0f} labels"
    return f"{profile}: {words}"


def _blocks(verdict: Verdict, design: Design | None) -> Chart | None:
    found = fold_map(design) if design else None
    if found is None:
        return None
    caption = (
        f"ROIs by the fold that scores them (first drawing): {verdict.cv}. The map is "
        f"{found.width_km:,.3g} km wide, north is up."
    )
    if design and design.cv == "spatial":
        caption += " Outlines go round the ROIs of one block, which are never split."
    return Chart(found.chart, caption, [_fold(f, n, _unit(verdict)) for f, n in found.folds])


def _fold(fold: int, count: int, unit: str) -> Legend:
    scored = fold >= 0
    name = f"fold {fold + 1}" if scored else "never scored"
    return Legend(fold % LINES if scored else -1, f"{name}: {count:,} {unit}")


def _confusion(found: Confusion, unit: str) -> Heat:
    rows = []
    for name, counts, recall in zip(found.classes, found.counts, found.recall, strict=True):
        total = sum(counts) or 1
        shaded = [(f"{n:,}", round(n / total, 3)) for n in counts]
        rows.append(HeatRow(name, [*shaded, (f"{recall:.0%}", 0.0)]))
    caption = (
        f"{found.profile}, {PROBE_NAMES[found.probe]}: rows are true classes, columns "
        f"predicted ones, numbers are {unit}."
    )
    return Heat(caption, "True class", [*found.classes, "Found"], rows)


def _likeness(found: Likeness) -> Heat:
    """Both measures are symmetric, so each needs only half of the table."""
    rows = []
    for i, name in enumerate(found.profiles):
        values = [
            found.cka[i][j] if j >= i else found.neighbours[i][j]
            for j in range(len(found.profiles))
        ]
        cells = [(f"{value:.2f}", min(max(value, 0.0), 1.0)) for value in values]
        rows.append(HeatRow(f"{i + 1}. {name}", cells))
    caption = (
        "How alike the embeddings of two profiles are, 1 being the same: upper right linear "
        "CKA, lower left the share of nearest neighbours in common."
    )
    return Heat(caption, "Profile", [str(i + 1) for i in range(len(rows))], rows)


def _measures(verdict: Verdict) -> Table | None:
    if not verdict.measures:
        return None
    rows = [
        [
            Cell(m.meaning),
            Cell("not known" if m.correlation is None else f"{m.correlation:+.2f}", m.correlation),
            Cell(str(m.profiles), m.profiles),
        ]
        for m in verdict.measures
    ]
    columns = [
        Column("Measure"),
        Column("Spearman correlation with quality", True),
        Column("Profiles", True),
    ]
    return Table(
        "Measures that need no labels, and how well they follow quality here; nothing is "
        "ranked by them",
        columns,
        rows,
    )
