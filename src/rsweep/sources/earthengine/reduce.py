"""Composites made on the server, for studies too large to fetch every scene.

The rules are those of the local composite, on the same values: the pixels that `pixels.bands_of`
would send are masked and reduced there instead of here. A pixel of a scene counts if the mask rule
calls it clear and every band has data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.errors import SourceError
from rsweep.grid import Grid
from rsweep.sources.earthengine.collections import Collection, Layer
from rsweep.sources.earthengine.pixels import Part, bands_of, fetch, image_id
from rsweep.sources.earthengine.source import EarthEngine
from rsweep.sources.protocol import Scene

METHODS = ("median", "mean", "mosaic")


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
    source: EarthEngine, frames: Sequence[Sequence[Scene]], grid: Grid, method: str,
    rule: Mapping[str, Any] | None = None,
) -> Iterator[Frame]:  # fmt: skip
    """Each frame's scenes reduced to one image, a request per frame (more above 48 MiB).

    Args:
        source: where the scenes come from.
        frames: scenes of each frame; for `mosaic`, the first that counts wins.
        grid: where.
        method: median, mean or mosaic; radar is averaged as linear power.
        rule: constants of a cloud-mask rule as `composite.rules` makes them; None: no mask.

    Raises:
        SourceError: an unknown method, or a rule whose layer cannot be used on the server.
        RoiError, TransientError: as `EarthEngine.read`.
    """
    if method not in METHODS:
        raise SourceError(f"composite {method!r} is not made on the server; {', '.join(METHODS)}")
    layer = _layer(source.collection, rule)
    source.client.connect()
    for scenes in frames:
        yield _frame(source, scenes, grid, method, rule or {}, layer)


def _layer(collection: Collection, rule: Mapping[str, Any] | None) -> Layer | None:
    if not rule or not rule["layer"]:
        return None
    for layer in collection.layers:
        if layer.name == rule["layer"] and not layer.classes:
            return layer
    usable = [layer.name for layer in collection.layers if not layer.classes]
    raise SourceError(
        f"cloud mask {rule['layer']!r} cannot be applied on the server to {collection.sensor}; "
        f"it can there: {', '.join([*usable, 'none'])}. Fetch scenes instead (granularity: scene)"
    )


def _frame(
    source: EarthEngine, scenes: Sequence[Scene], grid: Grid, method: str,
    rule: Mapping[str, Any], layer: Layer | None,
) -> Frame:  # fmt: skip
    shape = (grid.height, grid.width)
    if not scenes:
        empty = np.full((len(source.bands), *shape), np.nan, np.float32)
        return Frame(empty, np.zeros(shape, np.uint16))
    kept = [_masked(source, scene, rule, layer) for scene in scenes]
    names = tuple(f"b_{band}" for band in source.bands)
    wanted = [Part("", names, "float32"), Part("count", ("count",), "uint16")]
    what = f"the {method} of {len(scenes)} scenes from {scenes[0].id}"
    sent = fetch(source.client, _reduced(kept, method, names), wanted, grid, what)
    values = np.stack([sent[name] for name in names])
    return Frame(_in_unit(source.collection, values, sent["count"]), sent["count"])


def _masked(source: EarthEngine, scene: Scene, rule: Mapping[str, Any], layer: Layer | None) -> Any:
    """A scene's bands in which to average, where it counts."""
    import ee

    collection = source.collection
    names = tuple(f"b_{band}" for band in source.bands)
    image = bands_of(collection, source.bands, scene, Part("", names, collection.kind.dtype))
    known = image.gt(0) if collection.linear else image.neq(collection.fill)
    image = image.updateMask(known.reduce(ee.Reducer.min()))
    if layer is not None:
        image = image.updateMask(_clear(collection, scene, rule, layer))
    if collection.kind.decibel and not collection.linear:
        return ee.Image.constant(10).pow(image.divide(10)).rename(list(names))
    return image


def _clear(collection: Collection, scene: Scene, rule: Mapping[str, Any], layer: Layer) -> Any:
    """1 where the rule calls a scene's pixel clear: the counterpart of `rules.clear_pixels`."""
    import ee

    if not image_id(scene, layer):
        return ee.Image.constant(0)  # a layer that the scene lacks is missing everywhere
    values = bands_of(collection, (), scene, Part(layer.name, ("q",), layer.dtype))
    if "classes" in rule:
        tests = [values.eq(int(value)) for value in rule["classes"]]
        kept = tests[0]
        for test in tests[1:]:
            kept = kept.Or(test)
        return kept
    threshold = float(rule["threshold"])
    passes = values.gte(threshold) if rule["clear_above"] else values.lt(threshold)
    return passes.And(values.neq(layer.missing))


def _reduced(images: Sequence[Any], method: str, names: Sequence[str]) -> Any:
    import ee

    # mosaic puts the last image on top.
    series = ee.ImageCollection.fromImages(list(reversed(images)))
    values = {"median": series.median, "mean": series.mean, "mosaic": series.mosaic}[method]()
    count = series.select([names[0]], ["count"]).count().rename(["count"])
    values = values.select(list(names)).unmask(0, False).toFloat()
    return values.addBands(count.unmask(0, False).toUint16())


def _in_unit(
    collection: Collection, values: NDArray[Any], count: NDArray[Any]
) -> NDArray[np.float32]:
    known = np.where(count > 0, values, np.nan)
    if collection.kind.decibel:
        return np.asarray(10 * np.log10(known), np.float32)
    return np.asarray(collection.gain * known + collection.offset, np.float32)
