"""Normalisations that a study states itself: data sets are often fed by constants of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rsweep.core.knobs import nearest
from rsweep.core.sensors import SENSORS
from rsweep.models.card import ModelCard, Normalization

SHAPE = "expected a sensor, then a band, then [mean, std]"


def with_constants(card: ModelCard, stated: Mapping[str, Any] | None) -> ModelCard:
    """A card with normalisations that a study states beside its own.

    Args:
        card: of the model.
        stated: name -> sensor -> band -> [mean, std], of values in the sensor's unit: a value x
            becomes (x - mean) / std.

    Raises:
        ValueError: it says something else; the text names the part.
    """
    if not stated:
        return card
    taken = [name for name in stated if name in card.normalizations]
    if taken:
        raise ValueError(f"has {taken[0]!r}, which is {card.id}'s own; give it another name")
    found = {str(name): _sensors(str(name), sensors) for name, sensors in stated.items()}
    return replace(card, normalizations={**card.normalizations, **found})


def _sensors(name: str, sensors: Any) -> dict[str, Normalization]:
    if not isinstance(sensors, Mapping) or not sensors:
        raise ValueError(f"{name} is {sensors!r}; {SHAPE}")
    unknown = [sensor for sensor in sensors if sensor not in SENSORS]
    if unknown:
        raise ValueError(
            f"{name} has {unknown[0]!r}; sensors: {', '.join(SENSORS)}"
            f"{nearest(unknown[0], SENSORS)}"
        )
    return {
        sensor: _constants(f"{name}.{sensor}", sensor, bands) for sensor, bands in sensors.items()
    }


def _constants(where: str, sensor: str, bands: Any) -> Normalization:
    if not isinstance(bands, Mapping) or not bands:
        raise ValueError(f"{where} is {bands!r}; {SHAPE}")
    known = SENSORS[sensor].bands
    unknown = [band for band in bands if band not in known]
    if unknown:
        raise ValueError(
            f"{where} has {unknown[0]!r}; bands: {', '.join(known)}{nearest(unknown[0], known)}"
        )
    stats = {band: _pair(f"{where}.{band}", pair) for band, pair in bands.items()}
    return Normalization(stats, "the study")


def _pair(where: str, pair: Any) -> tuple[float, float]:
    numbers = pair if isinstance(pair, list | tuple) else []
    plain = [float(n) for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)]
    if len(plain) != 2 or not all(map(math.isfinite, plain)) or plain[1] <= 0:
        raise ValueError(f"{where} is {pair!r}; expected [mean, std], and std above 0")
    return plain[0], plain[1]
