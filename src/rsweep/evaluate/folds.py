"""Folds of a cross-validation: by place, so that neighbours are not each other's answer; or not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

SEED = 0
BLOCKS_PER_FOLD = 4
SAMPLE = 2000
"""Places on which a choice of blocks is judged, so that it stays cheap for many."""

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Fold:
    """Rows to train on and rows to score."""

    train: Indices
    test: Indices


def random_folds(lonlat: NDArray[np.float64], targets: NDArray[Any], count: int) -> list[Fold]:
    """Folds drawn at random, each with about the same share of every class."""
    _check_size(len(targets), count, "ROIs")
    kind = KFold if _numeric(targets) else StratifiedKFold
    splitter = kind(_feasible(targets, count), shuffle=True, random_state=SEED)
    return _folds(splitter, targets, None)


def spatial_folds(lonlat: NDArray[np.float64], targets: NDArray[Any], count: int) -> list[Fold]:
    """Folds that keep every spatial block whole, with like shares of the classes where they can."""
    blocks = spatial_blocks(lonlat, count)
    kind = GroupKFold if _numeric(targets) else StratifiedGroupKFold
    return _folds(kind(count), targets, blocks)


def spatial_blocks(lonlat: NDArray[np.float64], folds: int) -> Indices:
    """The block of each place: clusters of centroids, at least as many as folds.

    Of the numbers of clusters from one to four per fold, that which parts the places most clearly
    (largest silhouette): ROIs drawn in groups are held out by group.

    Raises:
        ValueError: fewer separate places than folds.
    """
    points = _on_sphere(lonlat)
    separate = len(np.unique(points, axis=0))
    _check_size(separate, folds, "separate places")
    most = min(BLOCKS_PER_FOLD * folds, separate)
    found = [
        KMeans(n, n_init=4, random_state=SEED).fit_predict(points) for n in range(folds, most + 1)
    ]
    return np.asarray(max(found, key=lambda blocks: _clearness(points, blocks)), np.intp)


def _clearness(points: NDArray[np.float64], blocks: Indices) -> float:
    if len(np.unique(blocks)) >= min(len(points), SAMPLE):
        return -1.0  # every place a block of its own
    size = SAMPLE if len(points) > SAMPLE else None
    # Rounded, so that the choice does not hang on the last bit of a machine's arithmetic.
    return round(float(silhouette_score(points, blocks, sample_size=size, random_state=SEED)), 6)


def _on_sphere(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in km on a sphere: near is near, across the antimeridian and at high latitude too."""
    lon, lat = np.radians(lonlat).T
    axes = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
    return np.round(6371.0 * np.stack(axes, axis=1), 6)


def _folds(splitter: Any, targets: NDArray[Any], groups: Indices | None) -> list[Fold]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        pairs = list(splitter.split(np.zeros(len(targets)), targets, groups))
    folds = [Fold(train, test) for train, test in pairs if len(test) and _varied(targets[train])]
    if not folds:
        raise ValueError("no fold leaves two labels to train on: labels follow the places, so "
                         "fewer folds or cv: random are needed")  # fmt: skip
    return folds


def _varied(targets: NDArray[Any]) -> bool:
    return len(np.unique(targets)) > 1


def _numeric(targets: NDArray[Any]) -> bool:
    return bool(np.issubdtype(targets.dtype, np.number))


def _feasible(targets: NDArray[Any], count: int) -> int:
    """As many folds as the largest class has members, which stratifying needs."""
    return count if _numeric(targets) else min(count, int(np.unique_counts(targets).counts.max()))


def _check_size(found: int, folds: int, what: str) -> None:
    if found < folds:
        raise ValueError(f"{found} {what} can be probed, too few for {folds} folds")
