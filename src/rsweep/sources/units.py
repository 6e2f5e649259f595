"""Raw values of files as raw values of a sensor: units, rounding, what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.sensors import Sensor

CANONICAL, REFLECTANCE, LINEAR, AMPLITUDE = "canonical", "reflectance", "linear", "amplitude"
"""Units of files: the sensor's own (reflectance x 10000, or dB), reflectance from 0 to 1, and
backscatter as power or as amplitude."""


def linear(decibel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power from dB."""
    power: NDArray[np.float32] = np.power(np.float32(10), decibel / np.float32(10))
    return power


def decibel(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """dB from power; not finite where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: NDArray[np.float32] = np.float32(10) * np.log10(power)
    return result


@dataclass(frozen=True)
class PowerScale:
    """How raw values that are no power become power, and come back."""

    to_power: Callable[[NDArray[Any]], NDArray[Any]]
    from_power: Callable[[NDArray[Any]], NDArray[Any]]


def power_scale(sensor: Sensor, unit: str, gain: float) -> PowerScale | None:
    """The scale of a radar file in dB or in amplitude; None where raw values may be averaged.

    Offsets in dB are factors of power, and factors of amplitude are factors of power: neither
    changes an average. A gain of dB is a power of power, so it is taken in.
    """
    if not sensor.decibel or unit == LINEAR:
        return None
    if unit == AMPLITUDE:
        return PowerScale(np.square, _quietly(np.sqrt))
    return PowerScale(
        lambda raw: np.power(10.0, gain * raw / 10),
        _quietly(lambda power: 10 * np.log10(power.astype(np.float64)) / gain),
    )


def _quietly(function: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[..., NDArray[Any]]:
    """The function without warnings of what is no power: its result is not finite."""

    def called(power: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return function(power)

    return called


def to_sensor(
    values: NDArray[Any],
    valid: NDArray[np.bool_],
    sensor: Sensor,
    unit: str = CANONICAL,
    gain: float = 1.0,
    offset: float = 0.0,
) -> NDArray[Any]:
    """Values of any type as raw values of a sensor, its nodata where not valid; same shape.

    Integer sensors round, and clip to what their type holds beside nodata. With unit "linear" or
    "amplitude" the values become decibels: `gain` before the logarithm, `offset` after.
    """
    if (unit, gain, offset) != (CANONICAL, 1.0, 0.0) or values.dtype.kind == "f":
        values = _converted(values.astype(np.float64), unit, gain, offset)
        valid = valid & np.isfinite(values)
    dtype = np.dtype(sensor.dtype)
    if dtype.kind == "f":
        return np.where(valid, values, sensor.nodata).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    # The type's nodata is its lowest value or lies below every value that means something.
    low = max(low, int(sensor.nodata) + 1)
    clipped = np.clip(np.where(valid, values, low), low, high)
    return np.where(valid, np.rint(clipped), sensor.nodata).astype(dtype)


def _converted(
    values: NDArray[np.float64], unit: str, gain: float, offset: float
) -> NDArray[np.float64]:
    if unit not in (LINEAR, AMPLITUDE):
        scale = 1.0 if unit == CANONICAL else 10_000.0
        return (gain * values + offset) * scale
    factor = 10.0 if unit == LINEAR else 20.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return factor * np.log10(gain * values) + offset
