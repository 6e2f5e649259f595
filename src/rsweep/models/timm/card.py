"""Cards of timm's networks, made from the table that `generate.py` writes."""

from __future__ import annotations

import functools
from typing import Any

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import (
    Checkpoint,
    ModelCard,
    Normalization,
    SensorInput,
    TokenGroup,
    Variant,
    multiple_of,
)
from rsweep.models.envelope import Envelope
from rsweep.models.layers import chosen
from rsweep.models.timm.table import Entry, Tag, find, load, norm

RGB = ("B4", "B3", "B2")
S2_OTHERS = ("B1", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
S1_CLIP = (-30.0, 0.0)
TRUE_COLOUR = 3000.0
"""Reflectance x 10000 that the usual true-colour rendering of Sentinel-2 shows as white."""


@functools.cache
def card_for(name: str) -> ModelCard:
    """The card of `timm:<name>`: an architecture, or `architecture.tag` for other weights.

    Raises:
        ValueError: timm has no such network; the text has the nearest names.
    """
    entry, tag = find(name)
    size = tag.size if tag and tag.size else entry.size
    return ModelCard(
        id=f"timm:{name}",
        title=f"{entry.name} (timm)",
        paper=f"https://huggingface.co/{tag.repository}" if tag else "none: no published weights",
        modalities={
            "s2": (SensorInput("s2", RGB, bands_free=True),),
            "s1": (SensorInput("s1", ("VV", "VH"), bands_free=True),),
        },
        normalizations=_normalizations(tag.norm if tag else entry.norm),
        variants={"default": _variant(entry, tag)},
        defaults=_defaults(entry, tag, size),
        allowed=_allowed(entry),
        groups=functools.partial(_groups, entry),
        own_layers=lambda settings: tuple(str(n + 1) for n in range(len(entry.strides))),
        check=functools.partial(_check, entry),
        vectors=("cls", "model") if entry.cls else ("model",),
        weights=("pretrained", "random") if tag else ("random",),
        licence_code="Apache-2.0 (timm)",
        licence_weights=tag.licence if tag else "none: no published weights",
        pretraining=_pretraining(name, tag),
        envelope=_envelope(tag, size),
        notes=_notes(entry),
    )


def _variant(entry: Entry, tag: Tag | None) -> Variant:
    checkpoint = Checkpoint(tag.repository, tag.file) if tag else None
    depth = len(entry.strides)
    return Variant(entry.width, depth, entry.heads, entry.parameters_m, checkpoint)


def _defaults(entry: Entry, tag: Tag | None, size: int) -> dict[str, Any]:
    found = {
        "image_size": size,
        "resample": tag.interpolation if tag else entry.interpolation,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
    }
    return found | ({"patch_size": entry.strides[0]} if entry.tokens else {})


def _allowed(entry: Entry) -> dict[str, tuple[Any, ...]]:
    patch = {"patch_size": (entry.strides[0],)} if entry.tokens else {}
    return patch | ({"image_size": (entry.size,)} if entry.fixed else {})


def _groups(entry: Entry, settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    """One map for a transformer; one per chosen stage, each with its stride, for a pyramid."""
    if entry.tokens:
        return (TokenGroup("patches", entry.strides[0]),)
    stages = chosen(settings["layer"], len(entry.strides))
    return tuple(TokenGroup(f"stage{n}", entry.strides[n - 1]) for n in stages)


def _check(entry: Entry, settings: ProfileSettings) -> list[tuple[str, str]]:
    try:
        layers = chosen(settings["layer"], len(entry.strides))
    except ValueError:
        return []  # found for every model alike
    errors = []
    if not entry.tokens and len(set(layers)) < len(layers):
        errors.append(("layer", f"is {settings['layer']!r}, which names a stage twice"))
    if settings["output"] == "pooled" and settings["pooling"] == "model":
        errors += _check_end(entry, layers)
    if entry.sized and not entry.fixed:
        errors += multiple_of(
            "image_size", settings["image_size"], max(entry.strides), "the network's stride"
        )
    return errors


def _check_end(entry: Entry, layers: tuple[int, ...]) -> list[tuple[str, str]]:
    if len(entry.strides) in layers:
        return []
    return [
        (
            "pooling",
            "is 'model', the network's own output, which it reaches only if `layer` "
            f"has its last (last, or {len(entry.strides)})",
        )
    ]


def _normalizations(index: int) -> dict[str, dict[str, Normalization]]:
    mean, std = norm(index)
    whole = "0..1 for reflectance 0..1, then the mean and standard deviation that timm publishes"
    bright = "0..1 for reflectance 0..0.3 (the usual true colour), then timm's constants"
    others = "; their average for bands that are not red, green or blue"
    plain, none = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
    decibel = "-30..0 dB onto 0..1: this project's"
    radar = _s1(mean, std, f"{decibel}, then the average of timm's constants")
    return {
        "stretch": {"s2": _s2(mean, std, TRUE_COLOUR, bright + others), "s1": radar},
        "model": {"s2": _s2(mean, std, 10000.0, whole + others), "s1": radar},
        "unit": {
            "s2": _s2(none, plain, 10000.0, "0..1 for reflectance 0..1: this project's"),
            "s1": _s1(none, plain, decibel),
        },
    }


def _s2(
    mean: tuple[float, ...], std: tuple[float, ...], white: float, source: str
) -> Normalization:
    average = (sum(mean) / len(mean), sum(std) / len(std))
    stats = dict(zip(RGB, zip(mean, std, strict=True), strict=True))
    return Normalization(
        stats=stats | dict.fromkeys(S2_OTHERS, average),
        clip=(0.0, white),
        gain=1 / white,
        source=source,
    )


def _s1(mean: tuple[float, ...], std: tuple[float, ...], source: str) -> Normalization:
    low, high = S1_CLIP
    gain = 1 / (high - low)
    shifted = (sum(mean) / len(mean) + low * gain, sum(std) / len(std))
    return Normalization(
        stats=dict.fromkeys(("VV", "VH"), shifted), clip=S1_CLIP, gain=gain, source=source
    )


def _pretraining(name: str, tag: Tag | None) -> str:
    if tag is None:
        return "none"
    return f"as the tag says: {tag.repository.partition('.')[2] or name}"


def _envelope(tag: Tag | None, size: int) -> Envelope:
    if tag is None:
        return Envelope()
    seen = "maxar" if "sat493m" in tag.repository else "photographs"
    return Envelope(
        f"{tag.repository}: the input size that timm records, and what its name says",
        levels={seen: ()},
        image_px=(size, size),
        frames=(1, 1),
    )


def _notes(entry: Entry) -> str:
    notes = [f"Described by timm {load()['timm']}."]
    if entry.tokens:
        notes.append("`layer` counts its blocks.")
    else:
        strides = ", ".join(map(str, entry.strides))
        notes.append(
            f"`layer` counts its stages, whose tokens are {strides} px: several chosen "
            "are token groups of their own."
        )
    notes.append(
        "Published weights are for red, green and blue: for another number of bands timm "
        "repeats the input convolution over them and scales it by 3 / bands."
    )
    if entry.fixed:
        notes.append(f"Only {entry.size} px: its weights fit no other size.")
    elif entry.sized:
        notes.append("For other image sizes timm resamples its position tables on loading.")
    return " ".join(notes)
