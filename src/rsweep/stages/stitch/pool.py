"""Tokens to one vector, each weighted by the valid ground of the ROI that it covers."""

from __future__ import annotations

import itertools

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

BLOCK = 32
"""Side in cells of what is tested for being all inside or all outside before its cells are cut."""

Weights = NDArray[np.float64]
STATS = ("min", "max", "mean", "std")
POOL_BYTES = 128 << 20
"""Memory for tokens in double precision."""


def coverage(
    polygon: BaseGeometry, x0: float, y0: float, cell_m: float, rows: int, cols: int
) -> Weights:
    """Share of each of rows x cols cells that a polygon covers, from the top-left corner x0, y0."""
    left: Weights = x0 + np.arange(cols, dtype=np.float64) * cell_m
    top: Weights = y0 - np.arange(rows, dtype=np.float64) * cell_m
    if polygon.equals(polygon.envelope):  # a box, as around every point: the product of two spans
        west, south, east, north = polygon.bounds
        return np.outer(_overlap(top - cell_m, cell_m, south, north),
                        _overlap(left, cell_m, west, east))  # fmt: skip
    shares = np.zeros((rows, cols))
    shapely.prepare(polygon)
    for row, col in itertools.product(range(0, rows, BLOCK), range(0, cols, BLOCK)):
        at = np.s_[row : row + BLOCK, col : col + BLOCK]
        shares[at] = _block_shares(polygon, left[at[1]], top[at[0]], cell_m)
    return shares


def _block_shares(polygon: BaseGeometry, left: Weights, top: Weights, cell_m: float) -> Weights:
    """Shares of a block of cells, which are cut only if the polygon's edge runs through it."""
    block = shapely.box(left[0], top[-1] - cell_m, left[-1] + cell_m, top[0])
    if not polygon.intersects(block) or polygon.covers(block):
        return np.full((len(top), len(left)), float(polygon.intersects(block)))
    part = polygon.intersection(block)  # has few points, however many the polygon has
    cells = shapely.box(left, top[:, None] - cell_m, left + cell_m, top[:, None])
    shapely.prepare(part)
    shares: Weights = shapely.covers(part, cells).astype(np.float64)
    edge = (shares == 0) & shapely.intersects(part, cells)
    shares[edge] = shapely.area(shapely.intersection(cells[edge], part)) / cell_m**2
    return shares


def _overlap(low: Weights, size: float, start: float, end: float) -> Weights:
    """Share of each span [low, low + size] that lies between start and end."""
    shared = np.minimum(low + size, end) - np.maximum(low, start)
    return np.asarray(np.clip(shared, 0, None) / size)


def pool(tokens: NDArray[np.float32], weights: Weights, how: str) -> NDArray[np.float32]:
    """One vector of tokens [..., D] with a weight each; NaN if every weight is zero.

    A token of no weight is not read, so it may be NaN.

    "stats" is the minimum, maximum, mean and standard deviation, in that order.
    """
    weight, dimensions = weights.ravel(), tokens.shape[-1]
    flat, some = tokens.reshape(-1, dimensions), weight > 0
    step = max(POOL_BYTES // (8 * max(len(flat), 1)), 1)
    parts = [_pool(flat[some, at : at + step].astype(np.float64), weight[some], how)
             for at in range(0, dimensions, step)]  # fmt: skip
    figures = len(STATS) if how == "stats" else 1
    return np.concatenate([part.reshape(figures, -1) for part in parts], axis=1).ravel()


def _pool(flat: Weights, weight: Weights, how: str) -> NDArray[np.float32]:
    """`pool` of a part of the dimensions, [N, d], of tokens that have a weight."""
    if not len(flat):
        return np.full(flat.shape[-1] * (len(STATS) if how == "stats" else 1), np.nan, np.float32)
    mean = weight @ flat / weight.sum()
    if how == "mean":
        return np.asarray(mean, np.float32)
    if how == "max":
        return np.asarray(flat.max(axis=0), np.float32)
    deviation = np.sqrt(weight @ (flat - mean) ** 2 / weight.sum())
    found = np.concatenate([flat.min(axis=0), flat.max(axis=0), mean, deviation])
    return found.astype(np.float32)
