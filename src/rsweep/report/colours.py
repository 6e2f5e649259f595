"""Colours of pictures: principal components of grids as red, green and blue, and true colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsweep.core.sensors import Sensor

Floats = NDArray[np.floating]

SAMPLE = 20_000
"""Cells of all ROIs together from which components are found, so that memory stays flat."""
STRETCH = (2, 98)
GAMMA = 0.75
"""Lightens reflectance, in which forest and water are near black beside bare ground."""
PRIMARIES_UM = (0.66, 0.56, 0.48)
"""Wavelengths of red, green and blue; a band further than this from one is not of its colour."""
FAR_UM = 0.06


@dataclass(frozen=True)
class Components:
    """Three axes of a profile's embedding space and the range of each that is shown."""

    mean: Floats
    axes: Floats
    low: Floats
    high: Floats

    def colour(self, grid: Floats) -> Floats:
        """A grid [D, h, w] as RGBA [h, w, 4]; a missing cell is transparent."""
        cells = np.moveaxis(grid, 0, -1).astype(np.float64)
        return _opaque(stretched((cells - self.mean) @ self.axes, self.low, self.high))


def sample_cells(grids: Iterable[Floats], count: int) -> Floats:
    """Cells [n, D] of `count` grids, evenly from each, without missing ones."""
    most = max(SAMPLE // max(count, 1), 4)
    parts = []
    for grid in grids:
        cells = grid.reshape(len(grid), -1).T
        cells = cells[np.isfinite(cells).all(axis=1)]
        parts.append(cells[:: max(1, -(-len(cells) // most))])
    return np.concatenate(parts).astype(np.float64)


def find_components(cells: Floats) -> Components:
    """The three principal components of cells [n, D].

    A component's sign is arbitrary: here its largest loading is positive, so that a picture is the
    same each time.
    """
    mean = cells.mean(axis=0)
    centred = cells - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :3]
    axes = np.pad(axes, ((0, 0), (0, 3 - axes.shape[1])))
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    axes = axes * np.where(largest < 0, -1, 1)
    low, high = np.percentile(centred @ axes, STRETCH, axis=0)
    return Components(mean, axes, low, high)


def scores(found: Components, cells: Floats) -> Floats:
    """Cells [n, D] along the components [n, 3], each in units of its shown range."""
    span = np.where(found.high > found.low, found.high - found.low, 1.0)
    return np.asarray((cells - found.mean) @ found.axes / span)


def aligned(found: Components, cells: Floats, wanted: Floats) -> Components:
    """Components turned so that cells [n, D] come as near as they can to `wanted` [n, 3].

    The turn keeps distances (orthogonal Procrustes), so colours of profiles compare: they differ
    where the profiles tell other places apart, not because a component changed its sign or place.
    """
    both = np.isfinite(cells).all(axis=1) & np.isfinite(wanted).all(axis=1)
    if both.sum() < 4:
        return found
    own = scores(found, cells[both])
    left, _, right = np.linalg.svd((own - own.mean(axis=0)).T @ wanted[both])
    span = np.where(found.high > found.low, found.high - found.low, 1.0)
    axes = found.axes / span @ left @ right
    low, high = np.percentile((cells[both] - found.mean) @ axes, STRETCH, axis=0)
    return Components(found.mean, axes, low, high)


def stretched(values: Floats, low: Floats, high: Floats) -> Floats:
    """Values mapped onto 0..1 between low and high, per last axis."""
    span = np.where(high > low, high - low, 1.0)
    return np.clip((values - low) / span, 0, 1)


def true_colour(images: Sequence[Floats], bands: Sequence[str], sensor: Sensor) -> list[Floats]:
    """Images [C, H, W] of several ROIs as RGBA, stretched alike so that they compare."""
    layers = [_layers(image, bands, sensor) for image in images]
    flat = np.concatenate([layer.reshape(-1, 3) for layer in layers])
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return [_opaque(layer) for layer in layers]
    low, high = np.percentile(flat, STRETCH, axis=0)
    gamma = 1.0 if sensor.decibel else GAMMA
    return [_opaque(stretched(layer, low, high) ** gamma) for layer in layers]


def _layers(image: Floats, bands: Sequence[str], sensor: Sensor) -> Floats:
    if sensor.decibel and {"VV", "VH"} <= set(bands):
        vv, vh = image[bands.index("VV")], image[bands.index("VH")]
        return np.stack([vv, vh, vv - vh], axis=-1)
    chosen = [bands.index(band) for band in rgb_bands(bands, sensor)]
    return np.moveaxis(image[chosen], 0, -1)


def rgb_bands(bands: Sequence[str], sensor: Sensor) -> list[str]:
    """The bands nearest to red, green and blue; thrice the first where those are not there."""
    waves: Mapping[str, float] = {b: sensor.bands[b].wavelength_um for b in bands}
    nearest = [min(waves, key=lambda b: abs(waves[b] - colour)) for colour in PRIMARIES_UM]
    near = [abs(waves[b] - c) <= FAR_UM for b, c in zip(nearest, PRIMARIES_UM, strict=True)]
    return nearest if all(near) and len(set(nearest)) == 3 else [bands[0]] * 3


def _opaque(rgb: Floats) -> Floats:
    """RGBA of RGB; transparent where a value is missing."""
    alpha = np.isfinite(rgb).all(axis=-1, keepdims=True)
    return np.concatenate([np.where(alpha, rgb, 0.0), alpha], axis=-1)
