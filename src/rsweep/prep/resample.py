"""Resizing tiles without letting missing pixels leak into others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


def resize(
    values: NDArray[np.float32], valid: NDArray[np.bool_], size: int, kind: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Resize images to a square, antialiased when shrinking.

    Args:
        values: [N, H, W]; what they hold where not valid does not matter.
        valid: [N, H, W].

    Returns:
        Values [N, size, size], NaN where no valid pixel contributes, and the share of each that is
        valid, 0 to 1.
    """
    weight = valid.astype(np.float32)
    total = _each(np.where(valid, values, 0).astype(np.float32), size, kind)
    share = np.clip(_each(weight, size, kind), 0, 1)
    if valid.all():
        return total, share
    enough = share > 1e-3  # below this a quotient of two filter tails means nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(enough, total / share, np.nan).astype(np.float32), share


def _each(images: NDArray[np.float32], size: int, kind: str) -> NDArray[np.float32]:
    if images.shape[-2:] == (size, size):
        return images
    resized = [Image.fromarray(i, mode="F").resize((size, size), FILTERS[kind]) for i in images]
    return np.stack([np.asarray(i, dtype=np.float32) for i in resized])
