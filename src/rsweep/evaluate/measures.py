"""Measures of embeddings that need no labels: shown beside the probes, never ranked by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsweep.evaluate.blocks import nearest_other, on_sphere
from rsweep.evaluate.design import Design, rows_of

SAMPLE = 1000
"""ROIs on which the effective rank is measured, the same of every profile."""
KEPT = 128
"""ROIs of which a profile's products are kept, to compare profiles by."""
NEIGHBOURS = 10
SKETCHES = 4
ROUNDING = 1e-4
"""Relative difference of vectors that is taken for rounding."""

Features = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Traits:
    """Measures of one profile.

    Attributes:
        array: digest of the vectors, the same for bit-identical profiles.
        dims: length of a vector.
        rank: effective rank (RankMe); None where fewer than two ROIs have a vector.
        nearness: cosine of ROIs to their nearest neighbour minus that of random pairs.
    """

    array: str
    dims: int
    rank: float | None
    nearness: float | None


@dataclass(frozen=True)
class Digest:
    """What a profile is compared with others by, however long its vectors are.

    Attributes:
        sketch: [N, 4] products of the vectors with random directions; NaN where there is none.
        rois: [n] the ROIs of `gram`: of a fixed choice those that have a vector.
        gram: [n, n] products of the vectors of `rois` after centring.
    """

    sketch: Floats
    rois: NDArray[np.intp]
    gram: Floats


def has_vector(features: Features) -> NDArray[np.bool_]:
    """[N] false where a vector has a NaN."""
    return np.asarray(np.isfinite(features).all(axis=1))


def array_digest(features: Features) -> str:
    """Identity of vectors, to the bit."""
    return hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()[:16]


def traits_of(features: Features, design: Design) -> Traits:
    """The traits of vectors [N, D]; rows with a NaN count as missing."""
    there = has_vector(features)
    some = _order(len(features))
    some = some[there[some]][:SAMPLE]
    return Traits(
        array_digest(features),
        features.shape[1],
        effective_rank(features[some]),
        nearness(features, there, design),
    )


def digest_of(features: Features) -> Digest:
    """The digest of vectors [N, D]."""
    there = has_vector(features)
    kept = np.sort(_order(len(features))[:KEPT])
    kept = kept[there[kept]]
    directions = np.random.default_rng(0).standard_normal((features.shape[1], SKETCHES))
    few = features[kept].astype(np.float64)
    centred = few - few.mean(axis=0) if len(few) else few
    return Digest(features.astype(np.float64) @ directions, kept, centred @ centred.T)


def _order(count: int) -> NDArray[np.intp]:
    return np.random.default_rng(0).permutation(count)


def effective_rank(features: Features) -> float | None:
    """RankMe: the exponential of the entropy of the singular values' shares.

    Of the vectors as they are, as in the paper (Garrido et al. 2023, arXiv 2210.02885, equation 1).
    """
    if len(features) < 2:
        return None
    wide = features.astype(np.float64)
    product = wide @ wide.T if wide.shape[0] < wide.shape[1] else wide.T @ wide
    singular = np.sqrt(np.clip(np.linalg.eigvalsh(product), 0, None))
    if not singular.sum() > 0:
        return 0.0
    shares = singular / singular.sum() + 1e-7
    return round(float(np.exp(-(shares * np.log(shares)).sum())), 3)


def nearness(features: Features, there: NDArray[np.bool_], design: Design) -> float | None:
    """Mean cosine of ROIs to the ROI nearest to them, less that of random pairs."""
    placed = np.array([place is not None for place in design.lonlat])
    rows = np.flatnonzero(there & placed)
    if len(rows) < 3:
        return None
    near = nearest_other(on_sphere(rows_of(design.lonlat, rows)))
    values = features[rows] - features[rows].mean(axis=0)
    values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    far = np.random.default_rng(0).permutation(len(rows))
    by_pair = (values * (values[near] - values[far])).sum(axis=1)
    return round(float(by_pair.mean()), 4)
