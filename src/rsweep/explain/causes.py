"""Which knob, data, weights, constant or version makes one node differ from another.

A key holds values, not the knobs that they come from: `cloud_mask` and `mask_threshold` end in one
mapping, a normalisation in its constants. So a cause is found by replay: a knob whose other value
would give exactly what the other node has is the cause. What no knob explains is data, weights, a
constant of the model's card, or the stage's version.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

from rsweep.core.knobs import MODEL, Knob
from rsweep.core.nodes import Node
from rsweep.core.places import PLACES, Places
from rsweep.core.settings import ProfileSettings, by_name, with_knob
from rsweep.explain.chains import plain
from rsweep.explain.leaves import Change, changes
from rsweep.models.registry import find_card
from rsweep.plan.nodes import UNKNOWN
from rsweep.plan.profiles import knobs_of, resolve
from rsweep.stages.registry import STAGES

Kind = Literal["knob", "data", "weights", "card constant", "stage version", "input"]

DATA = ("source",)
"""Settings of a fetch that identify what its provider holds."""
WEIGHTS = ("weights", "seed", "sha256", "repository", "revision", "file", "url")
"""Settings of an inference that identify weights."""


@dataclass(frozen=True)
class Cause:
    """Why a node differs: what kind of thing, at which stage, from what to what."""

    kind: Kind
    stage: str
    change: Change

    def __str__(self) -> str:
        return f"{self.kind} at {self.stage}: {self.change}"


def chain_causes(
    before: Node, after: Node, settings: ProfileSettings, places: Places = UNKNOWN
) -> list[Cause]:
    """Every cause along two chains of nodes, sources first, each once, where it is first read.

    Of two models, that is the one cause: their settings do not compare.

    Args:
        before: the chain compared with, as a store or a lock tells it.
        after: the chain of a profile.
        settings: the profile's settings.
        places: of the profile's study, which decide whether some settings are read.
    """
    old, new = (_model(node) for node in (before, after))
    if old and new and old != new:
        return [Cause("knob", "infer", Change("model", old, new))]
    found: dict[tuple[str, str], Cause] = {}
    for cause in _chain(before, after, {**settings, PLACES: places}, ""):
        where = "" if cause.kind == "knob" else cause.stage
        found.setdefault((where, cause.change.name), cause)
    return list(found.values())


def _model(node: Node) -> str:
    return next((n.settings["model"] for n in node.upstream() if n.stage == "infer"), "")


def _chain(before: Node, after: Node, settings: dict[str, Any], sensor: str) -> Iterator[Cause]:
    """Causes sources first; a knob that is one is turned back in `settings` for later stages."""
    if before.key == after.key:
        return
    for name, node in after.inputs.items():
        own = sensor if name in STAGES[after.stage].inputs else name  # an input per sensor
        if name in before.inputs:
            yield from _chain(before.inputs[name], node, settings, own)
        else:
            yield Cause("input", after.stage, Change(name, "none", node.stage))
    for name in before.inputs:
        if name not in after.inputs:
            yield Cause("input", after.stage, Change(name, before.inputs[name].stage, "none"))
    yield from node_causes(before, after, settings, sensor)


def node_causes(
    before: Node, after: Node, settings: dict[str, Any], sensor: str
) -> Iterator[Cause]:
    """Causes in a node's own settings and version, beside those that `settings` has turned back."""
    if before.version != after.version:
        change = Change("version", before.version, after.version)
        yield Cause("stage version", after.stage, change)
    turned = cast(ProfileSettings, dict(settings))
    replay = _Replay(after, plain(before.settings), turned, sensor)
    for knob, value in replay.knobs():
        now, settings[knob] = settings.get(knob), value
        yield Cause("knob", after.stage, Change(knob, value, now))
    for change in replay.left:
        yield Cause(_kind(after.stage, change.name), after.stage, change)


def _kind(stage: str, name: str) -> Kind:
    top = name.partition(".")[0]
    if stage == "fetch" and top in DATA:
        return "data"
    if stage == "infer" and top in WEIGHTS:
        return "weights"
    return "card constant"


class _Replay:
    """Turns knobs of a profile until its node's settings are those of another node.

    Attributes:
        left: differences that no knob explains, once `knobs` has ended.
    """

    def __init__(self, node: Node, target: Any, settings: ProfileSettings, sensor: str) -> None:
        self._stage, self._sensor, self._target = STAGES[node.stage], sensor, target
        self._settings = settings
        self.left = changes(target, plain(node.settings))
        with suppress(Exception):  # settings turned back may be none that the stage can read
            now = changes(target, plain(self._stage.reads(self._settings, sensor)))
            self.left = min(self.left, now, key=len)

    def knobs(self) -> Iterator[tuple[str, Any]]:
        """Knobs and the values that explain the other node, those that explain most first."""
        while self.left:
            best = min(self._trials(), key=lambda trial: len(trial[2]), default=None)
            if best is None or len(best[2]) >= len(self.left):
                return
            knob, value, self.left = best
            self._settings = with_knob(self._settings, knob, value)
            yield knob, value

    def _trials(self) -> Iterator[tuple[str, Any, list[Change]]]:
        card = find_card(self._settings["model"])
        for knob in knobs_of(card).values():
            for value in self._candidates(knob):
                with suppress(Exception):  # a combination that is not possible explains nothing
                    given = _with(self._settings, knob.name, value)
                    found = plain(self._stage.reads(given, self._sensor))
                    yield knob.name, value, changes(self._target, found)

    def _candidates(self, knob: Knob) -> list[Any]:
        """Values that a knob may have had: those listed, and those that the other node shows."""
        card = find_card(self._settings["model"])
        named = {
            "variant": card.variants,
            "modality": card.modalities,
            "model": (),
            "normalization": card.normalizations,
        }
        listed = named.get(knob.name) or card.allowed.get(knob.name) or knob.allowed
        raw = [*listed, *knob.words, *((True, False) if knob.kind == "bool" else ())]
        raw += [knob.default] if knob.default is not MODEL else []
        raw += [self._target.get(knob.name), *(change.before for change in self.left)]
        own = by_name(self._settings).get(knob.name)
        raw += self._shifted(own)
        found: dict[str, Any] = {}
        for value in raw:
            with suppress(ValueError, TypeError):
                parsed = None if value is knob.default is None else knob.parse(value)
                found[repr(parsed)] = parsed
        return [v for v in found.values() if v != own]

    def _shifted(self, value: Any) -> list[float]:
        """A number moved by what some setting moved, for settings that are a sum with it."""
        numbers = [(c.before, c.after) for c in self.left if _number(c.before) and _number(c.after)]
        steps = {before - after for before, after in numbers} if _number(value) else set()
        return [value + sign * step for step in sorted(steps) for sign in (1, -1)]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with(settings: ProfileSettings, knob: str, value: Any) -> ProfileSettings:
    """Settings with another value of a knob; of another model, its defaults for the rest."""
    if knob != "model":
        return with_knob(settings, knob, value)
    found, errors = resolve({"model": value, "provider": settings["provider"]}, {})
    if errors:
        raise ValueError(errors)
    kept = {n: v for n, v in settings.items() if n in (*found, PLACES) and n != "model"}
    return cast(ProfileSettings, {**found, **kept})
