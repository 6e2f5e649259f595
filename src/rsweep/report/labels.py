"""Short names of profiles: the settings that tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rsweep.report.layout import text, varying

Settings = Mapping[str, Any]

SEPARATOR = " · "

BARE = ("model", "output", "input_prep")
"""Knobs whose values say by themselves what they are."""


MOST_SETTINGS = 4
"""In a name in full; where more settings vary, it has those that are unusual."""


def short_names(profiles: Mapping[str, Settings]) -> dict[str, str]:
    """Profile -> its model and the settings that vary among profiles of that model.

    Where many settings vary, a name leaves out those that most profiles have alike. Random weights
    are always said. Two profiles never get the same name: the full name is added where settings
    leave it open.
    """
    models = {str(settings["model"]) for settings in profiles.values()}
    found = {}
    for model in models:
        own = {n: s for n, s in profiles.items() if str(s["model"]) == model}
        knobs = [knob for knob in varying(own) if knob not in ("model", "weights")]
        usual = _usual(own, knobs)
        for name, settings in own.items():
            values = {knob: settings.get(knob) for knob in knobs}
            parts = [_part(k, v) for k, v in values.items() if text(v) != usual.get(k)]
            head = [model] if len(models) > 1 or not parts else []
            found[name] = SEPARATOR.join([*head, *parts, *_weights(settings, own)])
    counts = Counter(found.values())
    return {n: found[n] if counts[found[n]] == 1 else f"{found[n]} ({n})" for n in profiles}


def _usual(profiles: Mapping[str, Settings], knobs: Sequence[str]) -> dict[str, str]:
    """Knob -> the value that more than half of the profiles have; none where few knobs vary."""
    if len(knobs) <= MOST_SETTINGS:
        return {}
    counts = {knob: Counter(text(p.get(knob)) for p in profiles.values()) for knob in knobs}
    common = {knob: count.most_common(1)[0] for knob, count in counts.items()}
    return {knob: value for knob, (value, n) in common.items() if 2 * n > len(profiles)}


def _weights(settings: Settings, others: Mapping[str, Settings]) -> list[str]:
    """What a name says of weights: that they are random, or which they are where that varies."""
    kinds = {text(other.get("weights")) for other in others.values()}
    own = text(settings.get("weights"))
    return [f"{own} weights"] if own == "random" or len(kinds) > 1 else []


def _part(knob: str, value: Any) -> str:
    if isinstance(value, Mapping) and {"start", "end"} <= set(value):
        return f"{value['start']} to {value['end']}"
    return text(value) if knob in BARE else f"{knob} {text(value)}"
