"""What there is to say of a model, as JSON: the one account that describe and the docs print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from rsweep.core.errors import RsweepError
from rsweep.core.knobs import MODEL, Knob
from rsweep.core.sensors import SENSORS
from rsweep.core.settings import ProfileSettings, by_name, with_knob
from rsweep.models.card import ModelCard, Normalization, SensorInput
from rsweep.models.registry import find_card
from rsweep.plan.catalogue import allowed_values, defaults, providers, shared_knobs
from rsweep.plan.profiles import check
from rsweep.report import words
from rsweep.stages.stitch.spec import TOKEN_POOLINGS

Facts = dict[str, Any]

SIDE_INPUTS: Mapping[str, str] = {
    "day_of_year": "day of the year of each frame",
    "month": "month of each frame",
    "year": "year of each frame",
    "lonlat": "longitude and latitude of the tile's centre",
    "gsd": "metres per pixel of the input, after any resizing",
    "wavelengths": "wavelength of each band",
    "orbit": "orbit direction of each radar frame",
    "valid": "which pixels are there",
}
VECTORS: Mapping[str, str] = {
    "cls": "its class token",
    "model": "its own pooled output",
}
NEEDS_NO_OPTIONS = ("synthetic", "earthengine", "stac")
LIMITED = ("image_size", "patch_size", "frames", "scale_m")
"""Shared knobs whose values a model may limit."""
PIXELS = (1, 2, 5, 10, 15, 20, 30, 60, 100)


def find_model(model: str) -> ModelCard:
    """The card of a model.

    Raises:
        RsweepError: there is no such model; the text names the nearest.
    """
    try:
        return find_card(model)
    except ValueError as error:
        raise RsweepError(f"model {error}") from None


def card_facts(card: ModelCard) -> Facts:
    """All that a card says, with what follows from it for the default settings."""
    preset = defaults(card)
    return {
        "id": card.id,
        "title": card.title,
        "paper": card.paper,
        "modalities": {name: _modality(name, card, preset) for name in card.modalities},
        "normalizations": {
            name: {sensor: _normalization(n) for sensor, n in constants.items()}
            for name, constants in card.normalizations.items()
        },
        "variants": {name: asdict(variant) for name, variant in card.variants.items()},
        "weights": list(card.weights),
        "knobs": _knobs(card, preset),
        "constraints": constraints(card),
        "frames": {
            "least": card.frames_range[0],
            "most": card.frames_range[1],
            "default": preset["frames"],
            "policy": preset["frame_policy"],
        },
        "input": {k: preset[k] for k in ("modality", "image_size", "scale_m", "frames")},
        "side_inputs": {name: SIDE_INPUTS.get(name, name) for name in card.side_inputs},
        "token_groups": {
            name: token_groups(card, {**preset, "modality": name}) for name in card.modalities
        },
        "vectors": {name: VECTORS.get(name, name) for name in card.vectors},
        "layers": list(card.layers(preset)),
        "licence": {"code": card.licence_code, "weights": card.licence_weights},
        "pretraining": card.pretraining,
        "envelope": asdict(card.envelope),
        "notes": card.notes,
    }


def token_groups(card: ModelCard, settings: ProfileSettings) -> list[Facts]:
    """The token maps of one tile: pixels per token, tokens per side."""
    side = settings["image_size"]
    return [
        {"name": group.name, "patch_px": group.patch_px, "side": side // group.patch_px}
        for group in card.groups(settings)
    ]


def _modality(name: str, card: ModelCard, preset: ProfileSettings) -> Facts:
    settings = with_knob(preset, "modality", name)
    fit = [
        n
        for n in card.normalizations
        if "normalization" not in dict(_problems(card, {**settings, "normalization": n}))
    ]
    sensors = [_sensor(needed) for needed in card.modalities[name]]
    return {"sensors": sensors, "normalizations": fit, "providers": providers(card, name)}


def _sensor(needed: SensorInput) -> Facts:
    sensor = SENSORS[needed.sensor]
    return {
        "sensor": needed.sensor,
        "unit": sensor.unit,
        "bands": list(needed.bands),
        "bands_free": needed.bands_free,
    }


def _normalization(n: Normalization) -> Facts:
    return {
        "kind": n.kind,
        "clip": list(n.clip) if n.clip else None,
        "gain": n.gain,
        "truncate": n.truncate,
        "eight_bit": n.eight_bit,
        "white": dict(n.white),
        "mean": {band: mean for band, (mean, _) in n.stats.items()},
        "std": {band: std for band, (_, std) in n.stats.items()},
        "missing": {band: n.center[band] for band in n.stats if band in n.center},
        "source": n.source,
    }


def _knobs(card: ModelCard, preset: ProfileSettings) -> Facts:
    own, shared = card.knobs, shared_knobs(card)
    return {
        "own": [_knob(knob, card, preset) for knob in own],
        "shared": [_knob(knob, card, preset) for knob in shared],
    }


def _knob(knob: Knob, card: ModelCard, preset: ProfileSettings) -> Facts:
    """A knob as it is for one model; `depends` says if other models have other values."""
    facts = {**words.knob_facts(knob), "stage": knob.stage}
    facts["depends"] = knob.default is MODEL or knob.name in {*card.defaults, *card.allowed}
    facts["default"] = by_name(preset).get(knob.name)
    facts["allowed"] = list(allowed_values(knob.name, card)) or facts["allowed"]
    if knob.name == "bands":
        facts["default"] = [b for n in card.modalities[preset["modality"]] for b in n.bands]
    if knob.name == "frames":
        facts["minimum"], facts["maximum"] = card.frames_range
    if knob.name == "pooling":
        facts["allowed"] = [*TOKEN_POOLINGS, *card.vectors]
    return facts


def constraints(card: ModelCard) -> list[Facts]:
    """What the card's check allows, found by asking it: one knob at a time from the defaults."""
    preset = defaults(card)
    values, found = by_name(preset), []
    for name in (*LIMITED, *(k.name for k in card.knobs if k.kind == "int")):
        if name not in values:
            continue
        usual = card.frames_range[1] if values[name] == "auto" else _whole(preset, name)
        tried = list(_candidates(name, card, preset))
        passed = [value for value in tried if not _refusal(card, preset, name, value)]
        if len(passed) < len(tried):
            refused = next(v for v in sorted(set(tried) - set(passed), key=_near(usual)))
            found.append(
                {
                    "knob": name,
                    "takes": _summary(passed, tried),
                    "example": _refusal(card, preset, name, refused),
                }
            )
    return found


def _whole(preset: ProfileSettings, name: str) -> int:
    return int(float(str(by_name(preset)[name])))


def _near(default: float) -> Any:
    # Above the default first: below it a message often has no lower neighbour to offer.
    return lambda value: (abs(value - default), -value)


def _candidates(name: str, card: ModelCard, preset: ProfileSettings) -> Iterable[int]:
    if name == "scale_m":
        return PIXELS
    if name == "frames":
        return range(1, card.frames_range[1] + 2)
    limits = {k.name: (k.minimum, k.maximum) for k in card.knobs}
    low, high = limits.get(name, (1, None))
    usual = _whole(preset, name)
    most = 2 * usual if name == "image_size" else max(64, 2 * usual)
    return range(int(low or 1), min(most, int(high or most)) + 1)


def _refusal(card: ModelCard, preset: ProfileSettings, name: str, value: int) -> str:
    allowed = card.allowed.get(name)
    if allowed and value not in allowed:
        return f"{name} is {value}; {card.id} takes: {', '.join(map(str, allowed))}"
    errors = _problems(card, with_knob(preset, name, value))
    return " ".join(errors[0]) if errors else ""


def _problems(card: ModelCard, settings: ProfileSettings) -> list[tuple[str, str]]:
    """What a check says of settings, wherever the scenes come from."""
    served = [p for p in providers(card, settings["modality"]) if p in NEEDS_NO_OPTIONS]
    return check({**settings, "provider": (served or NEEDS_NO_OPTIONS)[0]}, card)


def _summary(passed: list[int], tried: list[int]) -> str:
    """`multiples of 16`, `2 to 24`, or the values themselves."""
    if not passed:
        return "none"
    step, first, last = passed[0], passed[0], passed[-1]
    if step > 1 and len(passed) > 1 and passed == [v for v in tried if v % step == 0]:
        multiples = f"multiples of {step}"
        return multiples if last + step > tried[-1] else f"{multiples} up to {last}"
    if len(passed) > 2 and passed == list(range(first, last + 1)):
        return f"{first} or more" if last == tried[-1] else f"{first} to {last}"
    return ", ".join(map(str, passed))
