"""Tokens to one vector, each weighted by the valid ground of the ROI that it covers."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Weights = NDArray[np.float64]


def coverage(
    polygon: BaseGeometry, x0: float, y0: float, cell_m: float, rows: int, cols: int
) -> Weights:
    """Share of each of rows x cols cells that a polygon covers, from the top-left corner x0, y0."""
    left = x0 + np.arange(cols) * cell_m
    top = y0 - np.arange(rows) * cell_m
    cells = shapely.box(left[None], top[:, None] - cell_m, left[None] + cell_m, top[:, None])
    shapely.prepare(polygon)
    areas: Weights = shapely.area(shapely.intersection(cells, polygon))
    return areas / cell_m**2


def pool(tokens: NDArray[np.float32], weights: Weights, how: str) -> NDArray[np.float32]:
    """One vector of tokens [..., D] with a weight each; NaN if every weight is zero.

    A token of no weight is not read, so it may be NaN.

    "stats" is the minimum, maximum, mean and standard deviation, in that order.
    """
    flat, weight = tokens.reshape(-1, tokens.shape[-1]).astype(np.float64), weights.ravel()
    flat, weight = flat[weight > 0], weight[weight > 0]
    if not len(flat):
        return np.full(tokens.shape[-1] * (4 if how == "stats" else 1), np.nan, np.float32)
    mean = weight @ flat / weight.sum()
    if how == "mean":
        return np.asarray(mean, np.float32)
    if how == "max":
        return np.asarray(flat.max(axis=0), np.float32)
    deviation = np.sqrt(weight @ (flat - mean) ** 2 / weight.sum())
    found = np.concatenate([flat.min(axis=0), flat.max(axis=0), mean, deviation])
    return found.astype(np.float32)
