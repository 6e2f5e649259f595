"""Facts of models and knobs in words, as describe and the docs both write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.core.knobs import MODEL, Setting
from rsweep.models.envelope import range_text

Facts = Mapping[str, Any]


def number(value: float) -> str:
    """A number with as many digits as say something: 0.17662, 1395.34, 10000."""
    return f"{value:.6g}" if abs(value) < 1000 else f"{value:.2f}".rstrip("0").rstrip(".")


def formula(n: Facts) -> str:
    """How a normalisation makes network input of raw values."""
    steps = []
    if n["clip"]:
        steps.append(f"clip to {n['clip'][0]:g}..{n['clip'][1]:g}")
    if n["kind"] == "tile_zscore":
        return ", ".join([*steps, "then (x - mean) / std of each tile and band"])
    if n["white"]:
        steps.append(f"8-bit with {_whites(n['white'])} as 255")
    if n["gain"] != 1.0:
        inverse = 1 / n["gain"]
        whole = abs(inverse - round(inverse)) < 1e-9 and inverse > 1
        steps.append(f"divide by {inverse:g}" if whole else f"times {n['gain']:.6g}")
    if n["truncate"]:
        steps.append("round down")
    if any(n["mean"].values()) or any(std != 1 for std in n["std"].values()):
        steps.append("(x - mean) / std")
    if n["eight_bit"]:
        steps.append("clip to 0..1, round down to 1/255")
    return ", ".join(steps) or "as it is"


def _whites(white: Facts) -> str:
    """`3558 (B4 B3 B2), 8160 (B5 …)`: which raw value is white in which bands."""
    bands: dict[float, list[str]] = {}
    for band, value in white.items():
        bands.setdefault(value, []).append(band)
    return ", ".join(f"{number(value)} ({' '.join(names)})" for value, names in bands.items())


def constants(n: Facts) -> list[str]:
    """`B4 0.214 / 0.259`: mean and standard deviation by band, and what a missing pixel is."""
    if n["kind"] == "tile_zscore":
        return [f"for {', '.join(n['mean'])}"]
    bands: dict[str, list[str]] = {}
    for band, mean in n["mean"].items():
        text = f"{number(mean)} / {number(n['std'][band])}"
        if band in n["missing"]:
            text += f", missing pixels {number(n['missing'][band])}"
        bands.setdefault(text, []).append(band)
    shared = [f"{' '.join(names)}: {text}" for text, names in bands.items() if len(names) > 1]
    return shared + [f"{names[0]} {text}" for text, names in bands.items() if len(names) == 1]


def value_text(value: Any) -> str:
    """A value as a study file has it."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) if value != {} else "none"


def allowed_text(knob: Facts) -> str:
    """What a knob takes: its values, or kind and bounds."""
    unit = f" {knob['unit']}" if knob["unit"] else ""
    bounded = knob["minimum"] is not None or knob["maximum"] is not None
    if knob["allowed"] and not bounded:
        return ", ".join(map(str, knob["allowed"]))
    if bounded:
        low = "" if knob["minimum"] is None else f"{knob['minimum']:,.10g}"
        high = " or more" if knob["maximum"] is None else f" to {knob['maximum']:,.10g}"
        if knob["minimum"] == knob["maximum"]:
            high = ""
        return " or ".join([f"{low}{high}{unit}", *map(str, knob["allowed"])])
    return KINDS[knob["kind"]] + unit


KINDS: Mapping[str, str] = {
    "int": "whole number",
    "float": "number",
    "str": "word",
    "bool": "true, false",
    "names": "list of names",
    "mapping": "mapping",
}


def knob_facts(knob: Setting) -> dict[str, Any]:
    """A knob of the table as JSON."""
    default = "the model's" if knob.default is MODEL else knob.default
    return {
        "name": knob.name,
        "kind": knob.kind,
        "default": default,
        "allowed": [*knob.allowed, *knob.words],
        "minimum": knob.minimum,
        "maximum": knob.maximum,
        "unit": knob.unit,
        "meaning": knob.meaning,
    }


def tokens_text(groups: list[dict[str, Any]]) -> str:
    """`36x36 + 18x18`: tokens of a tile by group."""
    return " + ".join(f"{group['side']}x{group['side']}" for group in groups)


def checkpoint_text(checkpoint: Facts | None) -> str:
    """Where published weights are."""
    if not checkpoint:
        return "none"
    where = checkpoint["url"] or f"{checkpoint['repository']}/{checkpoint['file']}"
    at = checkpoint["revision"][:12]
    if at == "main":
        at += " (not pinned: what it was when fetched is recorded)"
    revision = "" if checkpoint["url"] else f" at {at}"
    digest = f", sha256 {checkpoint['sha256']}" if checkpoint["sha256"] else ""
    return where + revision + digest


def frames_text(facts: Facts) -> str:
    """How many frames a model reads, and by default."""
    frames = facts["frames"]
    if frames["most"] == 1:
        return "1: a single image"
    span = f"{frames['least']} to {frames['most']}"
    return f"{span}; default {frames['default']}, cut by frame_policy {frames['policy']}"


def envelope_lines(envelope: Facts) -> list[tuple[str, str]]:
    """What a model was trained on: (what, in words), of what is known."""
    sensors = [
        f"{name} {' and '.join(levels)}".strip() for name, levels in envelope["levels"].items()
    ]
    pixels = [f"{range_text(limits)} m ({name})" for name, limits in envelope["pixel_m"].items()]
    ranges = [
        (what, f"{range_text(envelope[name])} {unit}")
        for what, name, unit in RANGES
        if envelope[name] is not None
    ]
    texts = [
        ("sensors", ", ".join(sensors)),
        ("pixel on the ground", ", ".join(pixels)),
        *ranges,
        ("normalization", ", ".join(envelope["normalizations"])),
    ]
    texts += [(name, envelope[name]) for name in ("radiometry", "regions", "source")]
    return [(what, text) for what, text in texts if text]


RANGES = (
    ("image", "image_px", "px"),
    ("image on the ground", "image_m", "m"),
    ("patch", "patch_px", "px"),
    ("frames", "frames", "frames"),
    ("window", "window_days", "days"),
)
"""What is said of an envelope's ranges: (in words, field, unit)."""


def providers_text(facts: Facts) -> str:
    """Where scenes of each modality can come from."""
    found: dict[str, list[str]] = {}
    for name, modality in facts["modalities"].items():
        found.setdefault(", ".join(modality["providers"]) or "none", []).append(name)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in found.items())


def input_text(facts: Facts) -> str:
    """The default input of a model in a line: `s2, 10 bands, 256 px, 32 frames`."""
    given = facts["input"]
    bands = sum(len(s["bands"]) for s in facts["modalities"][given["modality"]]["sensors"])
    frames = {1: "", "auto": ", frames auto"}.get(given["frames"], f", {given['frames']} frames")
    return f"{given['modality']}, {bands} bands, {given['image_size']} px{frames}"
