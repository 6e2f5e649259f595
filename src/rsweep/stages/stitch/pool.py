"""Tokens to one vector, each weighted by the valid ground of the ROI that it covers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

BLOCK = 32
"""Side in cells of what is tested for being all inside or all outside before its cells are cut."""

Weights = NDArray[np.float64]
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
        return np.outer(
            _overlap(top - cell_m, cell_m, south, north), _overlap(left, cell_m, west, east)
        )
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
    """One vector of tokens [h, w, D] or [N, D] with a weight each, by a way of `POOLINGS`.

    A token of no weight is not read, so it may be NaN; the vector is NaN if every weight is zero.
    """
    size, summary = POOLINGS[how]
    if how == "centre":
        weights = weights * _about_centre(*weights.shape)
    weight, dimensions = weights.ravel(), tokens.shape[-1]
    flat, some = tokens.reshape(-1, dimensions), weights.ravel() > 0
    if not some.any():
        return np.full(dimensions * size, np.nan, np.float32)
    step = max(POOL_BYTES // (8 * len(flat)), 1)
    parts = [
        summary(flat[some, at : at + step].astype(np.float64), weight[some])
        for at in range(0, dimensions, step)
    ]
    whole = [np.concatenate(figure) for figure in zip(*parts, strict=True)]
    return np.concatenate(whole).astype(np.float32)


def _mean(flat: Weights, weight: Weights) -> Weights:
    return np.asarray(weight @ flat / weight.sum())


def _max(flat: Weights, weight: Weights) -> Weights:
    return np.asarray(flat.max(axis=0))


def _deviation(flat: Weights, weight: Weights) -> Weights:
    return np.asarray(np.sqrt(weight @ (flat - _mean(flat, weight)) ** 2 / weight.sum()))


def _generalized_mean(flat: Weights, weight: Weights) -> Weights:
    """Between mean and maximum, signs kept: root of the mean power, GEM_POWER of each."""
    mean = _mean(np.sign(flat) * np.abs(flat) ** GEM_POWER, weight)
    return np.asarray(np.sign(mean) * np.abs(mean) ** (1 / GEM_POWER))


def _percentiles(flat: Weights, weight: Weights) -> list[Weights]:
    """Percentiles of each dimension; of equal weights they are numpy's, which interpolate."""
    order = np.argsort(flat, axis=0, kind="stable")
    values, shares = np.take_along_axis(flat, order, axis=0), weight[order]
    middle = np.cumsum(shares, axis=0) - shares / 2
    wide = np.maximum(middle[-1] - middle[0], np.finfo(float).tiny)
    places = (middle - middle[0]) / wide
    by_dim = [
        np.interp(np.array(PERCENTILES) / 100, places[:, d], values[:, d])
        for d in range(flat.shape[1])
    ]
    return list(np.array(by_dim).T)


def _about_centre(height: int, width: int) -> Weights:
    """Weights that fall off from the middle as a normal curve, deviation a quarter of a side."""
    sigma = min(height, width) / 4
    y, x = (np.arange(side) - (side - 1) / 2 for side in (height, width))
    return np.asarray(np.exp(-(y[:, None] ** 2 + x[None] ** 2) / (2 * sigma**2)))


GEM_POWER = 3.0
"""As everywhere that generalised-mean pooling is not trained (Radenovic et al. 2018)."""
PERCENTILES = (10, 25, 50, 75, 90)

Summary = Callable[[Weights, Weights], list[Weights]]
POOLINGS: Mapping[str, tuple[int, Summary]] = {
    "mean": (1, lambda flat, weight: [_mean(flat, weight)]),
    "max": (1, lambda flat, weight: [_max(flat, weight)]),
    "stats": (
        4,
        lambda flat, weight: [
            flat.min(axis=0),
            _max(flat, weight),
            _mean(flat, weight),
            _deviation(flat, weight),
        ],
    ),
    "mean_std": (2, lambda flat, weight: [_mean(flat, weight), _deviation(flat, weight)]),
    "mean_max": (2, lambda flat, weight: [_mean(flat, weight), _max(flat, weight)]),
    "gem": (1, lambda flat, weight: [_generalized_mean(flat, weight)]),
    "percentiles": (len(PERCENTILES), _percentiles),
    "centre": (1, lambda flat, weight: [_mean(flat, weight)]),
}
"""How tokens become a vector: times as long as a token, and the parts. Gaussian weights about the
centre, the signed generalised mean and these percentiles are those of the comparison of poolings of
Corley et al. (2026, arXiv 2603.02080)."""
