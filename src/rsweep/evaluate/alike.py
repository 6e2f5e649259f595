"""How alike profiles' embeddings are: knobs that changed nothing, CKA, shared neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsweep.evaluate.matched import Lattice
from rsweep.evaluate.measures import NEIGHBOURS, ROUNDING, Digest, Traits
from rsweep.evaluate.verdict import DeadKnob, Likeness

SAME_VECTOR = ("output",)
"""Knobs that leave the vector of a ROI alone by their meaning."""

Floats = NDArray[np.float64]


def dead_knobs(
    settings: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    traits: Sequence[Traits],
    digests: Sequence[Digest],
) -> list[DeadKnob]:
    """Knobs that differ between matched profiles whose vectors are equal, or equal to rounding."""
    found: dict[tuple[str, Literal["identical", "rounding"]], list[tuple[str, str, int, int]]] = {}
    for step in Lattice(settings).steps():
        for low, high in step.pairs if step.knob not in SAME_VECTOR else ():
            how = _equal(traits[low], traits[high], digests[low], digests[high])
            if how:
                found.setdefault((step.knob, how), []).append((step.low, step.high, low, high))
    return [
        DeadKnob(
            knob,
            list(dict.fromkeys(v for *values, _, _ in those for v in values)),
            [names[i] for i in sorted({i for *_, low, high in those for i in (low, high)})],
            how,
        )
        for (knob, how), those in found.items()
    ]


def _equal(a: Traits, b: Traits, x: Digest, y: Digest) -> Literal["identical", "rounding"] | None:
    if a.array == b.array:
        return "identical"
    if a.dims != b.dims:
        return None
    known = np.isfinite(x.sketch).all(axis=1)
    if not known.any() or (known != np.isfinite(y.sketch).all(axis=1)).any():
        return None
    apart = np.abs(x.sketch[known] - y.sketch[known]).max()
    size = np.sqrt(np.mean(x.sketch[known] ** 2))
    return "rounding" if apart <= ROUNDING * size else None


def likeness(names: Sequence[str], digests: Sequence[Digest]) -> Likeness | None:
    """Linear CKA and shared nearest neighbours of all pairs, on the ROIs that all have."""
    rois = set.intersection(*(set(d.rois.tolist()) for d in digests)) if digests else set()
    if len(rois) < 4:
        return None
    grams = np.stack([_of(digest, rois) for digest in digests])
    return Likeness(list(names), _cka(grams), _neighbours(grams))


def _of(digest: Digest, rois: set[int]) -> Floats:
    rows = np.flatnonzero(np.isin(digest.rois, sorted(rois)))
    return digest.gram[np.ix_(rows, rows)]


def _cka(grams: Floats) -> list[list[float]]:
    """Linear CKA (Kornblith et al. 2019, arXiv 1905.00414, equation 1 with linear kernels)."""
    centred = grams - grams.mean(axis=1, keepdims=True)
    centred = centred - centred.mean(axis=2, keepdims=True)
    flat = centred.reshape(len(grams), -1)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)
    return _matrix(flat @ flat.T)


def _neighbours(grams: Floats) -> list[list[float]]:
    """Share of each ROI's nearest neighbours (Euclidean) that two profiles agree on."""
    square = np.einsum("pii->pi", grams)
    distance = square[:, :, None] + square[:, None] - 2 * grams
    size = grams.shape[1]
    distance[:, np.arange(size), np.arange(size)] = np.inf
    count = min(NEIGHBOURS, size - 1)
    nearest = np.argsort(distance, axis=2, kind="stable")[:, :, :count]
    chosen = np.zeros(grams.shape, np.float32)
    np.put_along_axis(chosen, nearest, 1, axis=2)
    flat = chosen.reshape(len(grams), -1)
    return _matrix(flat @ flat.T / (count * size))


def _matrix(values: NDArray[Any]) -> list[list[float]]:
    return [[round(float(v), 4) for v in row] for row in values]
