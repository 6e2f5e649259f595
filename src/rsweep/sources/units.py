"""Raw values of files as raw values of a sensor: units, rounding, what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.sources.sensors import Sensor

CANONICAL, REFLECTANCE, LINEAR, AMPLITUDE = "canonical", "reflectance", "linear", "amplitude"
"""Units of files: the sensor's own (reflectance x 10000, or dB), reflectance from 0 to 1, and
backscatter as power or as amplitude."""


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
