"""Matched profiles: those that differ in one knob alone, and what follows from them.

The effect of a knob is taken from such pairs only. A mean over all profiles with some value would
mix in whatever else differs between them, and cells that failed or were never asked for.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Settings = Mapping[str, Any]
FEW = 6
"""Up to so many words of a knob are compared each with each; more, each with the first."""


@dataclass(frozen=True)
class Step:
    """A knob's two values and the pairs of profiles (by number) that differ in nothing else."""

    knob: str
    low: str
    high: str
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Change:
    """A step at two values of another knob.

    Attributes:
        step: the step.
        other, at, instead: the other knob and its two values.
        quads: pairs of pairs of profiles, the first where `other` is `at`.
    """

    step: Step
    other: str
    at: str
    instead: str
    quads: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


def value_text(value: Any) -> str:
    """A setting as text: one text per value."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def axes(profiles: Sequence[Settings]) -> dict[str, list[str]]:
    """Knob -> its values in natural order, of knobs that vary; not those that the model decides."""
    names = dict.fromkeys(name for settings in profiles for name in settings)
    models = {value_text(settings.get("model")) for settings in profiles}
    own = sorted(value_text(settings["model"]) for settings in profiles if "model" in settings)
    found = {}
    for name in names:
        by_model: dict[str, set[str]] = {model: set() for model in models}
        for settings in profiles:
            if name in settings:
                by_model[value_text(settings.get("model"))].add(value_text(settings[name]))
        decided = all(len(values) <= 1 for values in by_model.values())
        if not decided:
            found[name] = sorted(set().union(*by_model.values()), key=_natural)
    if len(set(own)) > 1:
        found["model"] = sorted(set(own))
    return found


def _natural(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


class Lattice:
    """Profiles by their place on the axes of a sweep."""

    def __init__(self, profiles: Sequence[Settings]) -> None:
        self.axes = axes(profiles)
        self.places = [
            {k: value_text(settings[k]) for k in self.axes if k in settings}
            for settings in profiles
        ]
        self.at = {frozenset(place.items()): i for i, place in enumerate(self.places)}

    def partner(self, profile: int, **changed: str) -> int | None:
        """The profile that differs in just this, or None if there is none."""
        return self.at.get(frozenset({**self.places[profile], **changed}.items()))

    def steps(self) -> list[Step]:
        """Every step of every knob that some pair shows."""
        found = []
        for knob, values in self.axes.items():
            for low, high in value_pairs(values):
                pairs = self._pairs(knob, low, high)
                if pairs:
                    found.append(Step(knob, low, high, pairs))
        return found

    def _pairs(self, knob: str, low: str, high: str) -> tuple[tuple[int, int], ...]:
        starts = [i for i, place in enumerate(self.places) if place.get(knob) == low]
        ends = [(i, self.partner(i, **{knob: high})) for i in starts]
        return tuple((i, j) for i, j in ends if j is not None)

    def changes(self, step: Step) -> list[Change]:
        """How a step can be compared across the values of each other knob."""
        found = []
        for other, values in self.axes.items():
            for at, instead in value_pairs(values) if other != step.knob else ():
                quads = self._quads(step, other, at, instead)
                if quads:
                    found.append(Change(step, other, at, instead, quads))
        return found

    def _quads(self, step: Step, other: str, at: str, instead: str) -> Any:
        known, found = set(step.pairs), []
        for low, high in step.pairs:
            if self.places[low].get(other) != at:
                continue
            twin = (self.partner(low, **{other: instead}), self.partner(high, **{other: instead}))
            if twin in known:
                found.append(((low, high), twin))
        return tuple(found)


def value_pairs(values: Sequence[str]) -> list[tuple[str, str]]:
    """The steps along an axis: of numbers from each to the next; of words each with each."""
    if all(_natural(value)[0] == 0 for value in values):
        return list(itertools.pairwise(values))
    if len(values) <= FEW:
        return list(itertools.combinations(values, 2))
    return [(values[0], value) for value in values[1:]]
