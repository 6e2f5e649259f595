"""Folds: whole blocks dealt out so that folds are of like size and like labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STRATA = 5
"""Parts of equal size that numbers are cut into, to be dealt out evenly."""

Indices = NDArray[np.intp]


def strata(targets: NDArray[Any]) -> Indices:
    """The class of each label, or the fifth of the numbers that it falls into."""
    if not np.issubdtype(targets.dtype, np.number):
        return np.asarray(np.unique(targets, return_inverse=True)[1], np.intp)
    inner = np.quantile(targets, np.linspace(0, 1, STRATA + 1)[1:-1])
    return np.asarray(np.searchsorted(inner, targets, side="right"), np.intp)


def deal(blocks: Indices, kinds: Indices, folds: int, rng: np.random.Generator) -> Indices:
    """The fold of each ROI: blocks from the largest, each to the fold that it evens out most.

    Args:
        blocks: [N] block of each ROI, numbered from 0.
        kinds: [N] stratum of each ROI.
        folds: how many; no more than there are blocks.
        rng: settles which of several equal blocks comes first.
    """
    counts = np.zeros((blocks.max() + 1, kinds.max() + 1))
    np.add.at(counts, (blocks, kinds), 1)
    counts = np.column_stack([counts, counts.sum(axis=1)])  # size counts as a kind does
    shares = counts / counts.sum(axis=0)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-shares[order].sum(axis=1), kind="stable")]
    held = np.zeros((folds, counts.shape[1]))
    fold_of = np.zeros(len(counts), np.intp)
    for block in order:
        # What a fold would hold, squared: least where it holds little of the block's kinds.
        growth = ((held + shares[block]) ** 2 - held**2).sum(axis=1)
        fold_of[block] = np.lexsort((rng.random(folds), growth.round(12)))[0]
        held[fold_of[block]] += shares[block]
    return fold_of[blocks]
