"""Composites made on the server, for studies too large to fetch every scene.

The rules are those of the local composite, on the same values: what `pixels.bands_of` would send is
masked and reduced there instead of here. Each band is reduced over the scenes in which it has data
and the pixel is clear; a scene counts where any band does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import SourceError
from rsweep.core.grid import Grid
from rsweep.core.records import MaskRecord
from rsweep.sources.earthengine import COMPOSITES as METHODS
from rsweep.sources.earthengine.client import Client
from rsweep.sources.earthengine.collections import NAN_FILL, Collection, Layer
from rsweep.sources.earthengine.pixels import (
    Part,
    Reads,
    as_power,
    bands_of,
    fetch,
    image_id,
    values_read,
)
from rsweep.sources.protocol import Scene

COUNT = Part("count", ("count",), "uint16")


@dataclass(frozen=True)
class Asked:
    """What is asked of which service: a collection's bands, in order, by a session."""

    client: Client
    collection: Collection
    bands: tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """A reduced frame.

    Attributes:
        values: [C, H, W] in the sensor's unit, NaN where no scene counts.
        count: [H, W] scenes that count.
    """

    values: NDArray[np.float32]
    count: NDArray[np.uint16]


def composite_frames(
    source: Asked,
    frames: Sequence[Sequence[Scene]],
    grid: Grid,
    method: str,
    rules: Mapping[str, MaskRecord],
) -> Iterator[Frame]:
    """Each frame's scenes reduced to one image, a request per frame (more above 48 MiB).

    Args:
        source: of which service and collection the scenes are.
        frames: scenes of each frame, oldest first; `mosaic` keeps the last that has data.
        grid: where.
        method: median, mean or mosaic; radar is averaged as linear power.
        rules: cloud-mask rule -> constants, as the settings of a composite hold them; the first of
            them whose layer the collection has is used. Radar is not masked.

    Raises:
        SourceError: an unknown method, or no rule whose layer can be used on the server.
        RoiError, TransientError: as `EarthEngine.read`.
    """
    if method not in METHODS:
        raise SourceError(f"composite {method!r} is not made on the server; {', '.join(METHODS)}")
    mask = _mask(source.collection, rules)
    source.client.connect()
    for scenes in frames:
        yield _frame(source, scenes, grid, method, mask)


@dataclass(frozen=True)
class Mask:
    """A rule's constants and the layer that it reads."""

    layer: Layer
    constants: MaskRecord


def _mask(collection: Collection, rules: Mapping[str, MaskRecord]) -> Mask | None:
    if collection.kind.decibel:
        return None
    usable = {layer.name: layer for layer in collection.layers if not layer.classes}
    for name in rules:
        wanted = str(rules[name]["layer"])
        if not wanted:
            return None
        if wanted in usable:
            return Mask(usable[wanted], rules[name])
        if wanted in collection.quality_layers:
            break  # the local composite would use it: another rule would be another composite
    raise SourceError(
        f"none of the cloud masks {', '.join(rules)} can be applied on the server to "
        f"{collection.sensor}; it can there: {', '.join([*usable, 'none'])}. Fetch scenes instead"
    )


def _frame(
    source: Asked, scenes: Sequence[Scene], grid: Grid, method: str, mask: Mask | None
) -> Frame:
    shape = (grid.height, grid.width)
    if not scenes:
        empty = np.full((len(source.bands), *shape), np.nan, np.float32)
        return Frame(empty, np.zeros(shape, np.uint16))
    names = tuple(f"b_{band}" for band in source.bands)
    kept = [_masked(source, scene, names, mask, grid.scale_m) for scene in scenes]
    wanted = [Part("", names, "float32"), COUNT]
    what = f"the {method} of {len(scenes)} scenes from {scenes[0].id}"
    layers = [mask.layer] if mask else []
    reads = Reads(
        "composite",
        sum(
            values_read(source.collection, source.bands, scene, grid.scale_m, layers)
            for scene in scenes
        ),
    )
    sent = fetch(source.client, _reduced(kept, method, names), wanted, grid, what, reads)
    values = np.stack([sent[name] for name in names])
    values = np.where(values == np.float32(NAN_FILL), np.nan, values)
    return Frame(_in_unit(source.collection, values), sent["count"])


def _masked(
    source: Asked, scene: Scene, names: Sequence[str], mask: Mask | None, scale_m: float
) -> Any:
    """A scene's bands, each where it has data and the pixel is clear; radar as power."""
    import ee

    collection = source.collection
    part = Part("", tuple(names), collection.kind.dtype)
    image = bands_of(collection, source.bands, scene, part, scale_m)
    power = as_power(collection, source.bands, scale_m)
    image = image.updateMask(image.gt(0) if power else image.neq(collection.fill))
    if mask is not None:
        image = image.updateMask(_clear(collection, scene, mask, scale_m))
    if collection.kind.decibel and not power:
        return ee.Image.constant(10).pow(image.divide(10)).rename(list(names))
    return image


def _clear(collection: Collection, scene: Scene, mask: Mask, scale_m: float) -> Any:
    """1 where a pixel is clear: the counterpart of `composite.rules.clear_pixels`."""
    import ee

    layer, rule = mask.layer, mask.constants
    if not image_id(scene, layer):
        return ee.Image.constant(0)  # a layer that the scene lacks is missing everywhere
    values = bands_of(collection, (), scene, Part(layer.name, ("q",), layer.dtype), scale_m)
    if "classes" in rule:
        return functools.reduce(
            lambda one, other: one.Or(other), [values.eq(int(c)) for c in rule["classes"]]
        )
    threshold = float(rule["threshold"])
    passes = values.gte(threshold) if rule["clear_above"] else values.lt(threshold)
    return passes.And(values.neq(layer.missing))


def _reduced(images: Sequence[Any], method: str, names: Sequence[str]) -> Any:
    """The frame's bands, and the number of scenes in which any band has data."""
    import ee

    series = ee.ImageCollection.fromImages(list(images))  # mosaic puts the last on top
    values = {"median": series.median, "mean": series.mean, "mosaic": series.mosaic}[method]()
    seen = [i.mask().gt(0).reduce(ee.Reducer.max()).rename(["count"]) for i in images]
    count = ee.ImageCollection.fromImages(seen).sum().select(["count"]).unmask(0, False)
    values = values.select(list(names)).unmask(NAN_FILL, False)
    return values.toFloat().addBands(count.toUint16())


def _in_unit(collection: Collection, values: NDArray[Any]) -> NDArray[np.float32]:
    if collection.kind.decibel:
        return np.asarray(10 * np.log10(values), np.float32)
    return np.asarray(collection.gain * values + collection.offset, np.float32)
