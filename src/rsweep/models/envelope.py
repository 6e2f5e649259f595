"""What a model was trained on, and where a profile leaves it.

A profile outside this envelope runs like any other: the result is marked, not refused. What is not
known is left out, and nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from rsweep.core.settings import ProfileSettings

Range = tuple[float | None, float | None]
"""Least and most, both included; None at an end that is not known."""

Departures = list[tuple[str, str]]
"""(knob, how its value leaves the envelope)"""


@dataclass(frozen=True)
class Envelope:
    """What a model was trained on, as published. A field at its default is not known.

    Attributes:
        source: where all this was published.
        levels: sensor -> processing levels, as collections name theirs ("L1C", "L2A", "GRD",
            "RTC", …), none where only the sensor is known. A sensor of no provider may be named.
        pixel_m: sensor -> metres on the ground per pixel of the network's input.
        image_px: side of the network's input in pixels.
        image_m: side of the network's input on the ground in metres.
        patch_px: side of a token in pixels.
        frames: frames of one input.
        window_days: days from the first to the last frame.
        normalizations: names of the card's normalisations that it was trained with.
        radiometry: units and range of the values before that.
        regions: where on Earth.
    """

    source: str = ""
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pixel_m: Mapping[str, Range] = field(default_factory=dict)
    image_px: Range | None = None
    image_m: Range | None = None
    patch_px: Range | None = None
    frames: Range | None = None
    window_days: Range | None = None
    normalizations: tuple[str, ...] = ()
    radiometry: str = ""
    regions: str = ""


def departures(
    settings: ProfileSettings, envelope: Envelope, levels: Mapping[str, str], frames: int | None
) -> Departures:
    """Every knob of a resolved profile whose value leaves the envelope, each with a short reason.

    Args:
        settings: the profile's.
        envelope: its model's.
        levels: sensor -> processing level of what the profile reads; "" where it is not known.
        frames: frames of an input; None where they depend on the ROI.
    """
    return [
        *_image(settings, envelope),
        *_outside("patch_size", settings.get("patch_size"), envelope.patch_px, "px"),
        *_pixels(settings, envelope, list(levels)),
        *_outside("frames", frames, envelope.frames, "frames"),
        *_window(settings, envelope),
        *_normalization(settings, envelope),
        *_levels(envelope, levels),
    ]


def _image(s: Mapping[str, Any], e: Envelope) -> Departures:
    """Side of the input; a native one is each ROI's own."""
    if s["input_prep"] == "native":
        return []
    return _outside("image_size", s["image_size"], e.image_px, "px")


def _pixels(s: Mapping[str, Any], e: Envelope, sensors: Sequence[str]) -> Departures:
    """Metres per pixel and per image; a ROI resized as a whole has neither until it is known."""
    if s["input_prep"] == "resize":
        return []
    native = s["input_prep"] == "native"
    side = float(s["scale_m"] * (s["tile_size"] or s["image_size"]))
    pixel = float(s["scale_m"]) if native else side / s["image_size"]
    knob = "scale_m" if pixel == s["scale_m"] else "tile_size"
    found: Departures = []
    for sensor in sensors:
        what = f"{pixel:g} m per pixel of {sensor}"
        found += _outside(knob, pixel, e.pixel_m.get(sensor), "m", what)
    if native:
        return found
    return found + _outside("image_size", side, e.image_m, "m", f"{side:g} m on the ground")


def _window(s: Mapping[str, Any], e: Envelope) -> Departures:
    if s["temporal"] is None:
        return []
    start, end = (date.fromisoformat(s["temporal"][name]) for name in ("start", "end"))
    days = (end - start).days
    return _outside("temporal", days, e.window_days, "days", f"{days} days")


def _normalization(s: Mapping[str, Any], e: Envelope) -> Departures:
    if not e.normalizations or s["normalization"] in e.normalizations:
        return []
    names = " or ".join(e.normalizations)
    return [("normalization", f"{s['normalization']}: trained with {names}")]


def _levels(e: Envelope, levels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for sensor, level in levels.items():
        known = e.levels.get(sensor, ())
        if e.levels and sensor not in e.levels:
            yield "modality", f"{sensor}: trained on {', '.join(e.levels)}"
        elif level and known and level not in known:
            yield "collection", f"{sensor} {level}: trained on {' and '.join(known)}"


def _outside(
    knob: str, value: float | None, allowed: Range | None, unit: str, what: str | None = None
) -> Departures:
    if value is None or allowed is None:
        return []
    low, high = allowed
    if (low is None or value >= low) and (high is None or value <= high):
        return []
    return [(knob, f"{what or format(value, 'g')}: trained on {range_text(allowed)} {unit}")]


def range_text(limits: Range) -> str:
    """ "10 to 30", "at most 96", "at least 4", or "10" where both ends are the same."""
    low, high = limits
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
