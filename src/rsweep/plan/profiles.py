"""Profiles: a combination of settings, resolved to a value for every knob that the model has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from rsweep.core.knobs import MODEL, Knob, Option, nearest, parse_date
from rsweep.core.nodes import Node
from rsweep.core.sensors import SENSORS
from rsweep.core.settings import ProfileSettings, provider_options
from rsweep.models import layers
from rsweep.models.card import ModelCard, Normalization
from rsweep.models.constants import with_constants
from rsweep.models.registry import find_card
from rsweep.plan.table import CORE
from rsweep.sources.registry import (
    SCENE_SHARE,
    check_options,
    choose_collection,
    find_provider,
    parse_options,
)
from rsweep.stages.bands import sensor_bands
from rsweep.stages.composite.rules import MASK_RULES
from rsweep.stages.prep.tiling import has_tiles, native_limit, tile_size, token_step, why_not_shared
from rsweep.stages.stitch.spec import TOKEN_POOLINGS

Errors = list[tuple[str, str]]
"""(knob, what is wrong with its value)"""


TRAINING_FREE = ("none",)
"""`weights` of a card whose features are drawn from the seed and come in no blocks."""


@dataclass(frozen=True)
class Profile:
    """One cell of a sweep: its name, every setting, and the stitch node that it asks for."""

    name: str
    settings: ProfileSettings
    node: Node

    def keys(self) -> dict[str, str]:
        """Stage -> key; several joined by + where a stage runs once per sensor."""
        found: dict[str, list[str]] = {}
        for node in self.node.upstream():
            found.setdefault(node.stage, []).append(node.key)
        return {stage: "+".join(keys) for stage, keys in found.items()}


def knobs_of(card: ModelCard) -> dict[str, Knob]:
    """The knobs that a model has: the table's, less those that mean nothing to it, and its own."""
    absent = set() if "patch_size" in card.defaults else {"patch_size"}
    if card.weights == TRAINING_FREE:
        absent |= {"layer", "final_norm"}
    table = {name: knob for name, knob in CORE.items() if name not in absent}
    return table | {knob.name: knob for knob in card.knobs}


def resolve(own: Mapping[str, Any], base: Mapping[str, Any]) -> tuple[ProfileSettings, Errors]:
    """Every setting of a profile, canonical, and everything wrong with it.

    Args:
        own: what the profile itself sets; a knob that the model lacks is an error.
        base: the study's baseline; a knob that the model lacks is left out, since a sweep may
            run over several models.
    """
    raw = {**base, **own}
    try:
        card = find_card(CORE["model"].parse(raw.get("model") or CORE["model"].default))
    except ValueError as error:
        return {}, [("model", str(error))]
    try:
        card = with_constants(card, CORE["constants"].parse(raw.get("constants") or {}))
    except ValueError as error:
        return {}, [("constants", str(error))]
    if card.weights == TRAINING_FREE and "weights" not in own:
        raw.pop("weights", None)
    knobs = knobs_of(card)
    errors = [(name, _unknown(name, card, knobs)) for name in own if name not in knobs]
    values: dict[str, Any] = {}
    for name, knob in knobs.items():
        try:
            values[name] = _value(knob, raw.get(name), card)
        except ValueError as error:
            errors.append((name, str(error)))
    settings = cast(ProfileSettings, values)  # the names are those of the table of knobs
    if errors:
        return settings, errors
    if raw.get("normalization") is None:
        settings["normalization"] = _fitting_normalization(settings, card)
    return settings, check(settings, card)


def _fitting_normalization(settings: ProfileSettings, card: ModelCard) -> str:
    """The first with constants for every band that the model is fed and that its card's check
    takes for them, else the first.
    """
    chosen = sensor_bands(settings, card)
    fit = [
        name
        for name, constants in card.normalizations.items()
        if not _bands_without_constants(constants, chosen)
        and "normalization" not in dict(card.check({**settings, "normalization": name}))
    ]
    return [*fit, *card.normalizations][0]


def _unknown(name: str, card: ModelCard, knobs: Mapping[str, Knob]) -> str:
    if name in CORE:
        return f"is not a knob of {card.id}"
    return f"is not a knob; {card.id} has: {', '.join(knobs)}{nearest(name, knobs)}"


def _value(knob: Knob, raw: Any, card: ModelCard) -> Any:
    if raw is None:
        return _default(knob, card)
    value = knob.parse(raw)
    if knob.name == "temporal":
        return window(value)
    if knob.name == "weights":
        return _weights(value, card)
    allowed = _allowed(knob.name, card)
    if allowed and value not in allowed:
        options = ", ".join(str(v) for v in allowed)
        raise ValueError(f"is {value!r}; {card.id} takes: {options}{nearest(value, allowed)}")
    return value


def _weights(value: str, card: ModelCard) -> str:
    """Words that a card lists, or where weights lie; without training all weights are random."""
    if value == "random" and card.weights == TRAINING_FREE:
        return card.weights[0]
    elsewhere = value not in ("none", "random", "pretrained") and card.weights != TRAINING_FREE
    if elsewhere or value in card.weights:
        return value
    options = ", ".join(card.weights)
    files = "" if card.weights == TRAINING_FREE else ", a file, or a URL"
    raise ValueError(f"is {value!r}; {card.id} takes: {options}{files}")


def _allowed(name: str, card: ModelCard) -> tuple[Any, ...]:
    own = {
        "variant": tuple(card.variants),
        "modality": tuple(card.modalities),
        "normalization": tuple(card.normalizations),
    }
    return own.get(name) or tuple(card.allowed.get(name, ()))


def _default(knob: Knob, card: ModelCard) -> Any:
    if knob.name in card.defaults:
        return knob.parse(card.defaults[knob.name])
    if knob.default is not MODEL:
        return None if knob.default is None else knob.parse(knob.default)
    if knob.name == "weights":
        return card.weights[0]
    if knob.name == "bands":
        return None
    first = _allowed(knob.name, card)
    return first[0] if first else knob.parse(knob.otherwise)


def check(settings: ProfileSettings, card: ModelCard) -> Errors:
    """What is wrong with a combination of values that are each allowed."""
    errors: Errors = []
    for test in (
        _check_bands,
        _check_normalization,
        _check_frames,
        _check_layer,
        _check_pooling,
        _check_source,
        _check_own_grid,
        _check_granularity,
    ):
        errors += test(settings, card)
    errors += card.check(settings)
    return errors or [
        *_check_least_cloudy(settings, card),
        *_check_native(settings, card),
        *_check_lattice(settings, card),
        *_check_tiles(settings, card),
    ]


YEAR = Option("year", "int", None, "calendar year", minimum=1970, maximum=9998)


def window(temporal: Mapping[str, Any]) -> dict[str, str]:
    """Canonical window {start, end} of a `temporal` setting; {year: 2022} is that year's.

    Raises:
        ValueError: it is neither, or start is not before end.
    """
    if set(temporal) == {"year"}:
        year = YEAR.parse(temporal["year"])
        return {"start": f"{year:04d}-01-01", "end": f"{year + 1:04d}-01-01"}
    if set(temporal) != {"start", "end"}:
        has = ", ".join(map(str, temporal)) or "nothing"
        raise ValueError(f"has {has}; expected start and end, or year")
    days = {}
    for name in ("start", "end"):
        try:
            days[name] = parse_date(temporal[name])
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    if days["start"] >= days["end"]:
        raise ValueError("start {start} is not before end {end} (exclusive)".format(**days))
    return days


def _check_bands(settings: ProfileSettings, card: ModelCard) -> Errors:
    needed = card.modalities[settings["modality"]]
    known = [band for n in needed for band in SENSORS[n.sensor].bands]
    unknown = [b for b in settings["bands"] or () if b not in known]
    if unknown:
        return [
            (
                "bands",
                f"has {unknown[0]!r}, which {settings['modality']} lacks; it has: "
                f"{', '.join(known)}{nearest(unknown[0], known)}",
            )
        ]
    chosen = sensor_bands(settings, card)
    return [
        ("bands", f"is {','.join(chosen[n.sensor])}; {card.id} reads {','.join(n.bands)}")
        for n in needed
        if not n.bands_free and chosen[n.sensor] != list(n.bands)
    ]


def _check_normalization(settings: ProfileSettings, card: ModelCard) -> Errors:
    name = settings["normalization"]
    chosen = sensor_bands(settings, card)
    bare = _bands_without_constants(card.normalizations[name], chosen)
    if not bare:
        return []
    fit = [
        n
        for n, constants in card.normalizations.items()
        if not _bands_without_constants(constants, chosen)
    ]
    what = f"is {name!r}, which has no constants for {', '.join(bare)}"
    return [("normalization", f"{what}; allowed: {', '.join(fit) or 'none'}")]


def _bands_without_constants(
    constants: Mapping[str, Normalization], chosen: Mapping[str, list[str]]
) -> list[str]:
    """Sensors and bands for which a normalisation has no constants."""
    bare = [sensor for sensor in chosen if sensor not in constants]
    return bare + [
        band
        for sensor, bands in chosen.items()
        if sensor in constants and constants[sensor].kind == "affine"
        for band in bands
        if band not in constants[sensor].stats
    ]


def _check_frames(settings: ProfileSettings, card: ModelCard) -> Errors:
    low, high = card.frames_range
    frames = settings["frames"]
    if frames == "auto" or low <= frames <= high:
        return []
    span = str(low) if low == high else f"{low} to {high}"
    return [("frames", f"is {frames}; {card.id} takes {span}")]


def _check_layer(settings: ProfileSettings, card: ModelCard) -> Errors:
    if "layer" not in settings:
        return []
    try:
        layers.chosen(settings["layer"], len(card.layers(settings)))
    except ValueError as error:
        return [("layer", str(error))]
    return []


def _check_pooling(settings: ProfileSettings, card: ModelCard) -> Errors:
    pooling = settings["pooling"]
    if settings["output"] != "pooled" or pooling in TOKEN_POOLINGS:
        return []
    if pooling in card.vectors:
        return []
    options = (*TOKEN_POOLINGS, *card.vectors)
    return [("pooling", f"is {pooling!r}; {card.id} gives: {', '.join(options)}")]


def _check_source(settings: ProfileSettings, card: ModelCard) -> Errors:
    provider, served = settings["provider"], find_provider(settings["provider"]).collections
    try:
        parse_options(provider, provider_options(settings))
    except ValueError as error:
        return [(provider, str(error))]
    problems = check_options(provider, provider_options(settings))
    errors: Errors = [(provider, str(problem)) for problem in problems]
    for sensor in sensor_bands(settings, card):
        try:
            choose_collection(provider, sensor, settings["collection"])
        except ValueError as error:
            errors.append(("collection" if sensor in served else "provider", str(error)))
    return errors


def _check_own_grid(settings: ProfileSettings, card: ModelCard) -> Errors:
    """What asks for more than an image that is a ROI by itself: frames, or surroundings."""
    provider = settings["provider"]
    if not find_provider(provider).own_grid:
        return []
    frames = settings["frames"]
    around = {"context_m": settings["context_m"], "least_side_m": settings["least_side_m"]}
    errors = [
        (name, f"is {metres:g}; {provider} has nothing around its images; allowed: 0")
        for name, metres in around.items()
        if metres
    ]
    if frames not in (1, "auto"):
        errors.append(("frames", f"is {frames}; {provider} has one image of each ROI; allowed: 1"))
    return errors


def _check_least_cloudy(settings: ProfileSettings, card: ModelCard) -> Errors:
    """`least_cloudy` has nothing to go by without a mask or the cloud share of scenes."""
    if settings["composite"] != "least_cloudy":
        return []
    others = "allowed: median, mean, mosaic"
    sensors = [sensor for sensor in sensor_bands(settings, card) if SENSORS[sensor].sees_clouds]
    if not sensors:
        return [
            (
                "composite",
                f"is 'least_cloudy', and clouds do not hide what the model is fed; {others}",
            )
        ]
    usable = {SCENE_SHARE, *(MASK_RULES if settings["cloud_mask"] != "none" else ())}
    return [
        (
            "composite",
            f"is 'least_cloudy', and this source tells nothing of clouds in {sensor} "
            f"scenes; {others}",
        )
        for sensor in sensors
        if not usable & set(_clouds_told(settings, sensor))
    ]


def _clouds_told(settings: ProfileSettings, sensor: str) -> tuple[str, ...]:
    provider = settings["provider"]
    options = parse_options(provider, provider_options(settings))
    collection = choose_collection(provider, sensor, settings["collection"])
    return find_provider(provider).cloud_layers(options, collection)


def _check_granularity(settings: ProfileSettings, card: ModelCard) -> Errors:
    if settings["fetch_granularity"] == "scene":
        return []
    provider, method = settings["provider"], settings["composite"]
    made = find_provider(provider).composites
    if not made:
        return [
            ("fetch_granularity", f"is 'composite', which {provider} does not make; allowed: scene")
        ]
    if settings["mask_dilation"]:
        return [
            (
                "mask_dilation",
                f"is {settings['mask_dilation']}; {provider} dilates no mask; "
                "allowed with fetch_granularity composite: 0",
            )
        ]
    if method in made:
        return []
    return [
        (
            "composite",
            f"is {method!r}; with fetch_granularity composite {provider} makes: {', '.join(made)}",
        )
    ]


def _check_native(settings: ProfileSettings, card: ModelCard) -> Errors:
    if settings["input_prep"] != "native" or native_limit(settings, card):
        return []
    return [
        (
            "input_prep",
            f"is 'native'; {card.id} takes inputs of one size only, or none up to "
            f"native_max_px ({settings['native_max_px']}); allowed: resize, tile, "
            "auto",
        )
    ]


def _check_lattice(settings: ProfileSettings, card: ModelCard) -> Errors:
    why = why_not_shared(settings) if settings["lattice"] == "shared" else ""
    return [("lattice", f"is 'shared', but {why}; allowed: auto, roi")] if why else []


def _check_tiles(settings: ProfileSettings, card: ModelCard) -> Errors:
    if settings["input_prep"] == "native" and not has_tiles(settings):
        return []
    image = settings["image_size"]
    for token in (group.patch_px for group in card.groups(settings)):
        if image % token:
            return [("image_size", f"is {image}, not a multiple of the token ({token} px)")]
    if not has_tiles(settings) or not settings["tile_overlap"]:
        return []
    size, overlap = tile_size(settings), settings["tile_overlap"]
    if overlap >= size:
        return [("tile_overlap", f"is {overlap}; it must be below tile_size ({size})")]
    step = token_step(settings, card)
    if (size - overlap) % step == 0:
        return []
    fit = (o for o in range(size) if (size - o) % step == 0)
    closest = sorted(sorted({*fit, 0}, key=lambda o: abs(o - overlap))[:2])
    return [
        (
            "tile_overlap",
            f"is {overlap}, so tiles {size - overlap} px apart do not meet on "
            f"whole tokens ({float(step):g} px); nearest: "
            f"{', '.join(map(str, closest))}",
        )
    ]
