"""How a sweep is laid out in a chart: which knobs are its axes, and which cell is whose."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsweep.plan.study import Study

MOST_VALUES = 12
"""An axis with more values than this is not read as an axis."""

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Facet:
    """One chart of a sweep.

    Attributes:
        title: what its profiles have in common, if there are several charts.
        rows, columns: the knobs on its axes; None where nothing varies.
        cells: (row value, column value) -> names of the profiles there.
    """

    title: str
    rows: str | None
    columns: str | None
    cells: Mapping[tuple[str, str], list[str]]

    def values(self, axis: int) -> list[str]:
        """Values along an axis (0: rows), in their natural order."""
        return sorted({cell[axis] for cell in self.cells}, key=_natural)


def lay_out(study: Study) -> list[Facet]:
    """Charts of a sweep: one, if two knobs tell all profiles apart; else one for each model."""
    profiles = {p.name: p.settings for p in study.profiles}
    whole = _facet("", profiles)
    models = {name: str(settings["model"]) for name, settings in profiles.items()}
    if len(whole.cells) == len(profiles) or len(set(models.values())) == 1:
        return [whole]
    return [
        _facet(model, {n: s for n, s in profiles.items() if models[n] == model})
        for model in dict.fromkeys(models.values())
    ]


def varying(profiles: Mapping[str, Settings]) -> list[str]:
    """Knobs that differ among profiles, without those that another one decides."""
    names = list(dict.fromkeys(name for settings in profiles.values() for name in settings))
    found: dict[tuple[int, ...], str] = {}
    for name in sorted(names, key=lambda n: n != "model"):
        values = [text(settings.get(name)) for settings in profiles.values()]
        order = list(dict.fromkeys(values))
        if len(order) > 1:  # two knobs that vary as one are one axis
            found.setdefault(tuple(order.index(v) for v in values), name)
    return [name for name in names if name in found.values()]


def text(value: Any) -> str:
    """A value as an axis shows it."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _facet(title: str, profiles: Mapping[str, Settings]) -> Facet:
    knobs = varying(profiles)
    alone = [knob for knob in knobs if _count(profiles, knob) == len(profiles)]
    if alone:
        sole = "model" if "model" in alone else alone[0]
        return Facet(title, None, sole, _cells(profiles, None, sole))
    pairs: list[tuple[str, str]] = list(itertools.combinations(knobs, 2))
    narrow = [pair for pair in pairs if all(_count(profiles, k) <= MOST_VALUES for k in pair)]
    if narrow:
        rows, columns = max(narrow, key=lambda pair: len(_cells(profiles, *pair)))
        if _count(profiles, rows) > _count(profiles, columns):
            rows, columns = columns, rows
        return Facet(title, rows, columns, _cells(profiles, rows, columns))
    knob = max(knobs, key=lambda k: _count(profiles, k)) if knobs else None
    return Facet(title, None, knob, _cells(profiles, None, knob))


def _count(profiles: Mapping[str, Settings], knob: str) -> int:
    return len({text(settings.get(knob)) for settings in profiles.values()})


def _cells(
    profiles: Mapping[str, Settings], rows: str | None, columns: str | None
) -> dict[tuple[str, str], list[str]]:
    cells: dict[tuple[str, str], list[str]] = {}
    for name, settings in profiles.items():
        row = text(settings.get(rows)) if rows else ""
        column = text(settings.get(columns)) if columns else name
        cells.setdefault((row, column), []).append(name)
    return cells


def _natural(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


def by_name(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Rows of the sweep table by profile, without the skipped."""
    return {row["profile"]: row for row in rows if row["status"] == "ok"}
