"""Token maps of tiles to one map of a ROI: arrays in, arrays out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.stages.prep.geometry import Lattice, TokenLattice, blend_window, token_lattice

Values = NDArray[np.float32]
BLOCK_BYTES = 128 << 20
"""Memory for the sums of a map."""


def assemble(maps: Sequence[Values], tiles: Lattice, blend: str) -> Values:
    """Blend the maps [h, w, D] of a lattice's tiles into one [rows, cols, D].

    Weights of a token over the tiles that have it sum to one; under "none" the tile in which the
    token lies most centrally has it alone. A token that is NaN in one tile is another's.
    """
    side = maps[0].shape[0]
    canvas = token_lattice(tiles, side)
    if len(maps) == 1:
        return np.asarray(maps[0], np.float32)
    window = blend_window(side, blend)
    window = np.outer(window, window)
    weights = [np.where(_known(tokens), window, 0) for tokens in maps]
    dimensions = maps[0].shape[2]
    whole = np.empty((canvas.rows, canvas.cols, dimensions), np.float32)
    # Sums are in double precision, of a part of the dimensions at a time: a ROI may be large.
    step = max(BLOCK_BYTES // (8 * canvas.rows * canvas.cols), 1)
    for first in range(0, dimensions, step):
        part = slice(first, first + step)
        whole[..., part] = _blend([m[..., part] for m in maps], weights, canvas, blend)
    return whole


def _blend(
    maps: Sequence[Values], weights: Sequence[NDArray[Any]], canvas: TokenLattice, blend: str
) -> NDArray[np.float64]:
    """The maps of tiles on one canvas, by the weights of their tokens."""
    side = maps[0].shape[0]
    total = np.zeros((canvas.rows, canvas.cols, maps[0].shape[2]), np.float64)
    sums = np.zeros((canvas.rows, canvas.cols), np.float64)
    places = itertools.product(canvas.tile_rows, canvas.tile_cols)
    for (top, left), tokens, weight in zip(places, maps, weights, strict=True):
        at = np.s_[top : top + side, left : left + side]
        if blend == "none":
            better = weight > sums[at]
            total[at][better] = tokens[better]
            sums[at][better] = weight[better]
        else:
            total[at] += np.where(weight[..., None] > 0, tokens, 0) * weight[..., None]
            sums[at] += weight
    if blend != "none":
        total /= np.where(sums > 0, sums, 1)[..., None]
    total[sums == 0] = np.nan
    return total


def _known(tokens: Values) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(tokens).all(axis=-1), bool)


def merge_groups(maps: Sequence[Values], how: str) -> Values:
    """Bring token maps [h, w, D] over the same ground to the finest and merge them.

    Coarser maps are interpolated bilinearly between cell centres, as THOR's own pooling does. The
    mean and the maximum are over the groups that know a cell; a sum, or all of them beside each
    other, need every one.
    """
    if len(maps) == 1:
        return maps[0]
    rows = max(m.shape[0] for m in maps)
    cols = max(m.shape[1] for m in maps)
    same = [upsample(m, rows, cols) for m in maps]
    if how == "concat":
        return np.concatenate(same, axis=-1)
    stack = np.stack(same)
    if how == "max":
        return np.asarray(np.fmax.reduce(stack), np.float32)
    if how == "sum":
        return np.asarray(stack.sum(axis=0, dtype=np.float32), np.float32)
    known = _known(stack)[..., None]
    total = (stack if known.all() else np.where(known, stack, 0)).sum(axis=0, dtype=np.float32)
    with np.errstate(invalid="ignore"):  # of a cell that no group knows
        return np.asarray(total / known.sum(axis=0).astype(np.float32), np.float32)


def upsample(values: Values, rows: int, cols: int) -> Values:
    """Bilinear interpolation of [h, w, D] at the centres of rows x cols cells, between those known.

    A cell is NaN where none of its neighbours is known.
    """
    if values.shape[:2] == (rows, cols):
        return values
    down, across = _interpolation(values.shape[0], rows), _interpolation(values.shape[1], cols)
    known = _known(values)
    present = np.where(known[..., None], values, np.float32(0))
    found: Values = np.einsum("rh,hwd,cw->rcd", down, present, across, optimize=True)
    if not known.all():
        share = (down @ known.astype(np.float32) @ across.T)[..., None]
        found = np.where(share > 0, found / np.where(share > 0, share, 1), np.nan)
    return found.astype(np.float32)


def _interpolation(size: int, wanted: int) -> NDArray[np.float32]:
    """Matrix [wanted, size] of linear interpolation between cell centres, constant at the ends."""
    centre = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    low = np.minimum(np.floor(centre).astype(int), max(size - 2, 0))
    share = (centre - low).astype(np.float32)
    matrix = np.zeros((wanted, size), np.float32)
    matrix[np.arange(wanted), low] = 1 - share
    matrix[np.arange(wanted), np.minimum(low + 1, size - 1)] += share
    return matrix


def block_mean(values: Values, rows: int, cols: int) -> Values:
    """Mean of an image [H, W] over each of rows x cols equal cells."""
    height, width = values.shape
    if height % rows == 0 and width % cols == 0:
        blocks = values.reshape(rows, height // rows, cols, width // cols)
        return np.asarray(blocks.mean(axis=(1, 3)), np.float32)
    return np.asarray(_cell_shares(height, rows) @ values @ _cell_shares(width, cols).T)


def _cell_shares(size: int, cells: int) -> NDArray[np.float32]:
    """Matrix [cells, size]: the share of each pixel in each cell's mean."""
    edges = np.linspace(0, size, cells + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    overlap = np.clip(overlap, 0, None)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True), np.float32)
