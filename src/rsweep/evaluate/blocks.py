"""Spatial blocks: cells of an equal-area lattice, of a stated size or of the labels' own range."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

EARTH_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""
BLOCKS_PER_FOLD = 4
"""Blocks per fold that automatic sizes leave at least: what is resampled must be many."""
SMALLEST_KM = 0.05
SHRINK = 0.85
OFFSETS = 5
"""Places per axis at which the lattice is tried."""
SAMPLE = 1500
"""ROIs on which the range of the labels is judged."""
BINS = 20
NEAREST = 0.001
"""Share of all pairs that are nearer than the first bin of distances."""
LEAST_PAIRS = 30
SILL = 0.95
"""Share of the variance of far pairs from which pairs no longer count as alike."""

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def on_sphere(lonlat: Floats) -> Floats:
    """Points [N, 3] in km: near is near, across the antimeridian and at high latitude too."""
    lon, lat = np.radians(lonlat).T
    axes = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
    return EARTH_KM * np.stack(axes, axis=1)


def blocks_of(lonlat: Floats, size_km: float) -> Indices:
    """The block of each place, numbered from 0.

    Rows of the lattice are `size_km` high and cut into cells about as wide, whatever the latitude;
    it lies where it parts the fewest places from their nearest neighbour.
    """
    near = nearest_other(on_sphere(lonlat))
    shifts = [(i / OFFSETS, j / OFFSETS) for i in range(OFFSETS) for j in range(OFFSETS)]
    found = [_cells(lonlat, size_km, shift) for shift in shifts]
    cut = [int((cells != cells[near]).sum()) for cells in found]
    return found[int(np.argmin(cut))]


def _cells(lonlat: Floats, size_km: float, shift: tuple[float, float]) -> Indices:
    lon, lat = lonlat.T
    row = np.floor(np.radians(lat) * EARTH_KM / size_km + shift[0])
    middle = np.clip((row + 0.5 - shift[0]) * size_km / EARTH_KM, -np.pi / 2, np.pi / 2)
    around = np.maximum(np.round(2 * np.pi * EARTH_KM * np.cos(middle) / size_km), 1)
    column = np.floor((lon + 180) / 360 * around + shift[1]) % around
    cells = np.stack([row, column], axis=1)
    return np.asarray(np.unique(cells, axis=0, return_inverse=True)[1], np.intp).ravel()


def nearest_other(points: Floats) -> Indices:
    """For each point the nearest other one; the point itself where it is alone."""
    from sklearn.neighbors import NearestNeighbors  # slow to import

    if len(points) < 2:
        return np.zeros(len(points), np.intp)
    near = NearestNeighbors(n_neighbors=2).fit(points).kneighbors(points, return_distance=False)
    own = np.arange(len(points))
    return np.asarray(np.where(near[:, 0] == own, near[:, 1], near[:, 0]), np.intp)


def auto_size_km(lonlat: Floats, targets: NDArray[Any], folds: int) -> tuple[float, float]:
    """Side of a block and the labels' range, in km: the range, or less for enough blocks."""
    reach = label_range_km(lonlat, targets)
    places = lonlat[np.sort(np.unique(lonlat, axis=0, return_index=True)[1])]
    wanted = min(BLOCKS_PER_FOLD * folds, len(places))
    size = reach
    while size > SMALLEST_KM and len(np.unique(blocks_of(places, size))) < wanted:
        size *= SHRINK
    return float(f"{size:.3g}"), float(f"{reach:.3g}")


def label_range_km(lonlat: Floats, targets: NDArray[Any]) -> float:
    """Distance up to which labels are alike: where their variogram reaches 95 % of its sill.

    For classes it is the share of pairs that differ, for numbers half the mean squared difference;
    the sill is that of the farther half of all pairs.
    """
    chosen = np.random.default_rng(0).permutation(len(targets))[:SAMPLE]
    points, values = on_sphere(lonlat[chosen]), targets[chosen]
    first, second = np.triu_indices(len(chosen), 1)
    distance = np.linalg.norm(points[first] - points[second], axis=1)
    if np.issubdtype(values.dtype, np.number):
        unlike = (values[first] - values[second]) ** 2 / 2
    else:
        unlike = (values[first] != values[second]).astype(np.float64)
    near, middle = np.quantile(distance, [NEAREST, 0.5])
    edges = np.geomspace(max(near, SMALLEST_KM), max(middle, 2 * SMALLEST_KM), BINS + 1)
    sill = unlike[distance >= edges[-1]].mean()
    for low, high in itertools.pairwise(edges):
        inside = (distance >= low) & (distance < high)
        if inside.sum() >= LEAST_PAIRS and unlike[inside].mean() >= SILL * sill:
            return float(np.sqrt(low * high))
    return float(edges[-1])
