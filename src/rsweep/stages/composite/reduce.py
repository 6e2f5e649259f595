"""Reducing scenes to one image: arrays in, arrays out. NaN is a missing value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


def median(values: Values) -> Values:
    """Median of [S, …] over the values present; the mean of the middle two of an even count.

    Sorted by hand because numpy's nanmedian walks pixel by pixel. NaN sorts last.
    """
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    low = np.maximum((count - 1) // 2, 0)[None]
    high = np.minimum(count // 2, values.shape[0] - 1)[None]
    middle = np.take_along_axis(ordered, low, 0) + np.take_along_axis(ordered, high, 0)
    return np.where(count > 0, middle[0] / 2, np.nan).astype(np.float32)


def mean(values: Values) -> Values:
    """Mean of [S, …] over the values present; summed in order of size, so order-independent."""
    ordered = np.sort(values, axis=0).astype(np.float64)
    count = np.isfinite(ordered).sum(axis=0)
    total = np.nansum(ordered, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan).astype(np.float32)


def mosaic(values: Values) -> Values:
    """The last value present of [S, …], scenes from oldest to newest."""
    result = np.full(values.shape[1:], np.nan, np.float32)
    for scene in values:
        result = np.where(np.isfinite(scene), scene, result)
    return result


METHODS = {"median": median, "mean": mean, "mosaic": mosaic, "least_cloudy": mosaic}
"""least_cloudy is given one scene, so that the last present is that scene's."""
