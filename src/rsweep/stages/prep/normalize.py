"""Raw values to what a network was trained on, by the constants in a stage's settings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsweep.stages.prep.spec import NormalizationRecord


def normalize(
    values: NDArray[np.float32], valid: NDArray[np.bool_], constants: NormalizationRecord
) -> NDArray[np.float32]:
    """Normalise one tile; a missing pixel becomes the band's centre, which is no extreme.

    Args:
        values: [T, C, H, W] in the sensor's unit.
        valid: [T, H, W].
        constants: as `models.card.Normalization` resolved for C bands.

    Returns:
        [T, C, H, W], finite everywhere.
    """
    if constants["clip"] is not None:
        low, high = constants["clip"]
        values = np.clip(values, low, high)
    if constants["kind"] == "tile_zscore":
        return _tile_zscore(values, valid)
    mean, std, center = (
        np.asarray(own, np.float32)[:, None, None]
        for own in (constants["mean"], constants["std"], constants["center"])
    )
    scaled = _scaled(values, constants)
    scaled = np.where(valid[:, None], scaled, center)
    result: NDArray[np.float32] = (scaled - mean) / std
    if constants.get("eight_bit"):
        result = np.floor(np.clip(result, 0, 1) * np.float32(255)) / np.float32(255)
    return result


def _scaled(values: NDArray[np.float32], constants: NormalizationRecord) -> NDArray[np.float32]:
    """Raw values in the units of the constants' mean."""
    if "white" in constants:
        white = np.asarray(constants["white"], np.float32)[:, None, None]
        bright: NDArray[np.float32] = np.clip(values * np.float32(255) / white, 0, 255)
        return np.floor(bright)
    scaled: NDArray[np.float32] = values * np.float32(constants["gain"])
    return np.floor(scaled) if constants["truncate"] else scaled


def _tile_zscore(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each band by the mean and deviation of its own valid pixels over the tile's frames."""
    there = np.broadcast_to(valid[:, None], values.shape)
    axes, count = (0, 2, 3), max(int(valid.sum()), 1)
    known = np.where(there, values, 0).astype(np.float64)
    centred = np.where(there, known - known.sum(axis=axes, keepdims=True) / count, 0)
    std = np.sqrt((centred**2).sum(axis=axes, keepdims=True) / count)
    result: NDArray[np.float32] = (centred / np.maximum(std, 1e-6)).astype(np.float32)
    return result
