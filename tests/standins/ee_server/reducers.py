"""Reductions of a collection to an image, and of the bands of an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ee_server.graph import ALGORITHMS, algorithm
from ee_server.values import Band, Grid, Image, Unsupported

Reduce = Callable[[np.ndarray, np.ndarray], Band]


def _reducer(reduce: Reduce, dtype: str | None) -> Callable:
    """dtype None: that of the first image."""

    def run(_ev, collection, **_other):
        images = collection.images
        if not images:
            return Image({}, lambda grid: {})
        names = [b for b in images[0].bands if all(b in image.bands for image in images)]
        types = {b: np.dtype(dtype) if dtype else images[0].bands[b] for b in names}

        def px(grid: Grid) -> dict[str, Band]:
            pixels = [image.px(grid) for image in images]
            out = {}
            for name in names:
                values, valid = (np.stack([p[name][k] for p in pixels]) for k in (0, 1))
                reduced, known = reduce(values, valid)
                out[name] = reduced.astype(types[name]), known
            return out

        return Image(types, px)

    return run


def _skipping(statistic: Callable) -> Reduce:
    """A statistic of the valid values alone."""

    def reduce(values: np.ndarray, valid: np.ndarray) -> Band:
        known = valid.any(0)
        out = np.zeros(known.shape)
        if known.any():
            data = np.where(valid, values.astype("f8"), np.nan)
            out[known] = statistic(data[:, known], axis=0)
        return out, known

    return reduce


def _on_top(values: np.ndarray, valid: np.ndarray) -> Band:
    """The last image is on top."""
    out = np.zeros_like(values[0])
    for layer, known in zip(values, valid, strict=True):
        out = np.where(known, layer, out)
    return out, valid.any(0)


ALGORITHMS["reduce.median"] = _reducer(_skipping(np.nanmedian), "float64")
ALGORITHMS["reduce.mean"] = _reducer(_skipping(np.nanmean), "float64")
ALGORITHMS["reduce.sum"] = _reducer(_skipping(np.nansum), "float64")
ALGORITHMS["reduce.min"] = _reducer(_skipping(np.nanmin), None)
ALGORITHMS["reduce.max"] = _reducer(_skipping(np.nanmax), None)
ALGORITHMS["reduce.count"] = _reducer(
    lambda values, valid: (valid.sum(0), np.ones(valid.shape[1:], bool)), "int32"
)
ALGORITHMS["ImageCollection.mosaic"] = _reducer(_on_top, None)


@algorithm("Reducer.min")
def _min(_ev, numInputs=1):
    return "min", np.min


@algorithm("Reducer.max")
def _max(_ev, numInputs=1):
    return "max", np.max


@algorithm("Reducer.mean")
def _mean(_ev):
    return "mean", np.mean


@algorithm("Image.reduce")
def _reduce_bands(_ev, image, reducer):
    if not image.bands:
        raise Unsupported("reduce of an image without bands")
    name, function = reducer

    def px(grid: Grid) -> dict[str, Band]:
        bands = image.px(grid).values()
        valid = np.logical_and.reduce([m for _, m in bands])
        return {name: (function(np.stack([v for v, _ in bands]), axis=0), valid)}

    kind = np.result_type(*image.bands.values())
    return image.computed(bands={name: kind}, px=px)
