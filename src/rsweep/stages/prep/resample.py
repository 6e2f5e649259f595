"""Resizing tiles without letting missing pixels leak into others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsweep.sources.units import decibel, linear

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}

LEAST = 1e-3
"""Share below which what is left of a pixel is the tail of a filter, and means nothing."""
ROUNDING = 1e-5
"""What the weights of a filter may miss one by."""


def resize(
    values: NDArray[np.float32], valid: NDArray[np.bool_], size: int, kind: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Resize images to a square, antialiased when shrinking.

    Beside missing pixels the bicubic filter, whose weights may be negative, gives way to the
    bilinear one: a mean of what is left must not leave its range.

    Args:
        values: [N, H, W]; what they hold where not valid does not matter.
        valid: [N, H, W].

    Returns:
        Values [N, size, size], NaN where no valid pixel contributes, and the share of each that is
        valid, 0 to 1.
    """
    if valid.all():
        return _each(values, size, kind), np.ones((len(values), size, size), np.float32)
    known, weight = np.where(valid, values, 0).astype(np.float32), valid.astype(np.float32)
    mean = "bilinear" if kind == "bicubic" else kind
    share = np.clip(_each(weight, size, mean), 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(share > LEAST, _each(known, size, mean) / share, np.nan)
    if kind != mean:
        total = _each(weight, size, kind)
        whole = (np.abs(total - 1) < ROUNDING) & (share > 1 - ROUNDING)
        found = np.where(whole, _each(known, size, kind) / np.where(whole, total, 1), found)
    return found.astype(np.float32), share


def resize_decibel(
    values: NDArray[np.float32], valid: NDArray[np.bool_], size: int, kind: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """As `resize`, of dB, which are averaged as power.

    The bicubic filter gives way to the bilinear one: its negative weights can make power negative.
    """
    if values.shape[-2:] == (size, size):
        return resize(values, valid, size, kind)
    mean = "bilinear" if kind == "bicubic" else kind
    power, share = resize(linear(values), valid, size, mean)
    return decibel(power), share


def _each(images: NDArray[np.float32], size: int, kind: str) -> NDArray[np.float32]:
    if images.shape[-2:] == (size, size):
        return images
    resized = [Image.fromarray(i, mode="F").resize((size, size), FILTERS[kind]) for i in images]
    return np.stack([np.asarray(i, dtype=np.float32) for i in resized])
