"""What each stage reads: a resolved profile becomes the chain of nodes that it asks for.

This module is the only place where a knob enters a key. A value that a card supplies is hashed as
the value; a knob that a stage does not read under the other settings is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.core.nodes import Node
from rsweep.models.card import ModelCard, Normalization
from rsweep.models.registry import find_card
from rsweep.models.weights_identity import weights_identity
from rsweep.plan.profiles import sensor_bands, tile_size
from rsweep.sources.registry import choose_collection, parse_options, provider_module
from rsweep.sources.sensors import SENSORS
from rsweep.stages.composite.rules import MASK_RULES

Settings = Mapping[str, Any]


def build_nodes(settings: Settings) -> Node:
    """The stitch node of a resolved profile, with all that it depends on.

    Raises:
        ValueError: weights or data named by the profile are not there.
    """
    card = find_card(settings["model"])
    bands = sensor_bands(settings, card)
    composites = {sensor: _composite(settings, card, sensor, bands[sensor]) for sensor in bands}
    prep = Node("prep", _prep(settings, card, bands), composites)
    infer = Node("infer", _infer(settings, card, bands), {"tiles": prep})
    return Node("stitch", _stitch(settings, card), {"tokens": infer, "tiles": prep})


def node_options(settings: Settings, node: Node) -> dict[str, dict[str, Any]]:
    """Node key -> what its job needs beside its settings: a provider's options, the weights."""
    provider = settings["provider"]
    options = parse_options(provider, settings[provider])
    found = {n.key: options for n in node.upstream() if n.stage == "fetch"}
    infer = node.inputs["tokens"]
    return {**found, infer.key: {"weights": settings["weights"]}}


def _composite(s: Settings, card: ModelCard, sensor: str, bands: list[str]) -> Node:
    if SENSORS[sensor].static:  # tiles of one image, of which no two differ where they overlap
        whole = {"composite": "mosaic", "frames": 1}
        return Node("composite", whole, {"scenes": _fetch(s, sensor, bands)})
    settings = _composite_settings(s, card, SENSORS[sensor].decibel)
    if s["fetch_granularity"] == "scene":
        return Node("composite", settings, {"scenes": _fetch(s, sensor, bands)})
    # What becomes of an empty frame is settled here, so it needs no new download.
    made = {name: value for name, value in settings.items() if name != "empty_frame"}
    frames = _frames(s, card.frames_range[1])
    return Node("composite", frames, {"scenes": _fetch(s, sensor, bands, made)})


def _fetch(s: Settings, sensor: str, bands: list[str], composite: Settings | None = None) -> Node:
    provider = s["provider"]
    options = parse_options(provider, s[provider])
    collection = choose_collection(provider, sensor, s["collection"])
    settings = {
        "provider": provider,
        "collection": collection,
        "sensor": sensor,
        "source": provider_module(provider).identity(options, collection),
        "bands": "all" if s["fetch_bands"] == "all" else bands,
        "scale_m": s["scale_m"],
        "context_m": s["context_m"],
    }
    if not SENSORS[sensor].static:
        settings |= {"temporal": s["temporal"], **_chosen_scenes(s, sensor)}
    if composite is not None:
        settings["composite"] = composite
    return Node("fetch", settings)


def _chosen_scenes(s: Settings, sensor: str) -> dict[str, Any]:
    if SENSORS[sensor].decibel:
        return {"orbit": s["orbit"]}
    return {"fetch_cloudy_pct": s["fetch_cloudy_pct"]}


def _composite_settings(s: Settings, card: ModelCard, radar: bool) -> dict[str, Any]:
    settings = {"composite": s["composite"], **_frames(s, card.frames_range[1])}
    if radar:  # which sees through cloud
        return settings
    rules = {
        name: rule.constants(s["mask_threshold"])
        for name, rule in MASK_RULES.items()
        if s["cloud_mask"] in (name, "auto")
    }
    return {**settings, "cloudy_pct": s["cloudy_pct"], "cloud_mask": rules}


def _frames(s: Settings, limit: int) -> dict[str, Any]:
    """How the window becomes frames: one frame is the window, whole or its first step."""
    auto = s["frames"] == "auto" and limit > 1
    frames: dict[str, Any] = {"frames": 1 if s["frames"] == "auto" and not auto else s["frames"]}
    if auto:
        frames["max_frames"] = limit
    if frames["frames"] != 1:
        frames["empty_frame"] = s["empty_frame"]
    if frames["frames"] != 1 or s["frame_policy"] != "equal":
        frames["frame_policy"] = s["frame_policy"]
    return frames


def _prep(s: Settings, card: ModelCard, bands: Mapping[str, list[str]]) -> dict[str, Any]:
    constants = card.normalizations[s["normalization"]]
    settings: dict[str, Any] = {
        "bands": dict(bands),
        "normalization": {n: _normalization(constants[n], bands[n]) for n in bands},
        "input_prep": s["input_prep"],
        "image_size": s["image_size"],
        "edge": s["edge"],
        "min_frames": card.frames_range[0],
    }
    size = tile_size(s)
    if s["input_prep"] != "resize":
        settings |= {"tile_size": size, "stride": size - s["tile_overlap"],
                     "max_tiles": s["max_tiles"]}  # fmt: skip
    if s["input_prep"] != "tile" or size != s["image_size"]:
        settings["resample"] = s["resample"]
    return settings


def _normalization(n: Normalization, bands: list[str]) -> dict[str, Any]:
    if n.kind != "affine":
        return {"kind": n.kind, "clip": n.clip}
    return {
        "kind": n.kind, "clip": n.clip, "gain": n.gain, "truncate": n.truncate,
        "mean": [n.stats[b][0] for b in bands],
        "std": [n.stats[b][1] for b in bands],
        "center": [n.center.get(b, n.stats[b][0]) for b in bands],
    }  # fmt: skip


def _infer(s: Settings, card: ModelCard, bands: Mapping[str, list[str]]) -> dict[str, Any]:
    own = {knob.name: s[knob.name] for knob in card.knobs if knob.stage == "infer"}
    own |= {name: s[name] for name in ("patch_size", "layer", "final_norm") if name in s}
    if s["weights"] == "none":
        own["seed"] = s["seed"]
    return {
        "model": s["model"],
        "variant": s["variant"],
        **weights_identity(s, card),
        "precision": s["precision"],
        "compile": s["compile"],
        "bands": dict(bands),
        "image_size": s["image_size"],
        "constants": card.constants(s),
        **own,
    }


def _stitch(s: Settings, card: ModelCard) -> dict[str, Any]:
    settings = {"output": s["output"], "storage_dtype": s["storage_dtype"]}
    own = {knob.name: s[knob.name] for knob in card.knobs if knob.stage == "stitch"}
    if s["output"] == "pooled":
        settings["pooling"] = s["pooling"]
        if s["pooling"] in ("cls", "model"):
            return settings | own
    if len(card.groups(s)) > 1:
        settings["group_merge"] = s["group_merge"]
    if s["input_prep"] != "resize" and s["tile_overlap"]:
        settings["blend"] = s["blend"]
    return settings | own
