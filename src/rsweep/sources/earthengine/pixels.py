"""Pixels of scenes on a grid: expressions, requests, and putting the answers together."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.sources.earthengine.charges import Asked, Kind
from rsweep.sources.earthengine.client import Client, TooLarge
from rsweep.sources.earthengine.collections import Collection, Layer
from rsweep.sources.earthengine.quality import to_scene_classes
from rsweep.sources.earthengine.split import Block, blocks, stacks
from rsweep.sources.protocol import Pixels, Scene

MAX_AVERAGED = 65_535
"""Pixels that the service averages into one at the most; above, it starts from its pyramid."""
_CASTS = {"uint8": "toUint8", "uint16": "toUint16", "int16": "toInt16", "float32": "toFloat"}


@dataclass(frozen=True)
class Part:
    """Bands of one scene that are sent in one type.

    Attributes:
        layer: which of the scene's arrays they fill: "" its bands, else a quality layer.
        names: their names in the request.
        dtype: the type sent.
    """

    layer: str
    names: tuple[str, ...]
    dtype: str

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel as the service counts them, with a mask byte for each value."""
        return len(self.names) * (np.dtype(self.dtype).itemsize + 1)


def parts(collection: Collection, bands: Sequence[str], scene: Scene, prefix: str) -> list[Part]:
    """What is fetched of a scene: its bands, and the quality layers that it has."""
    names = tuple(f"{prefix}_{band}" for band in bands)
    layers = [
        Part(layer.name, (f"{prefix}_{layer.name}",), layer.dtype)
        for layer in collection.layers
        if image_id(scene, layer)
    ]
    return [Part("", names, collection.kind.dtype), *layers]


def image_id(scene: Scene, layer: Layer) -> str:
    """The image that holds a scene's quality layer; "" where there is none."""
    if layer.asset is None:
        return scene.id
    pin: Mapping[str, str] = scene.properties.get("quality", {}).get(layer.name, {})
    return pin.get("id", "")


def read_stack(
    client: Client,
    collection: Collection,
    bands: Sequence[str],
    scenes: Sequence[Scene],
    grid: Grid,
) -> list[Pixels]:
    """Pixels of scenes that are asked for together, in their order.

    Raises:
        RoiError, SourceError, TransientError: as `Client.call`.
    """
    client.connect()
    wanted = [parts(collection, bands, s, f"s{i}") for i, s in enumerate(scenes)]
    flat = [part for group in wanted for part in group]
    image = stack(
        [
            bands_of(collection, bands, s, p, grid.scale_m)
            for s, g in zip(scenes, wanted, strict=True)
            for p in g
        ]
    )
    what = f"{scenes[0].id} and {len(scenes) - 1} more" if len(scenes) > 1 else scenes[0].id
    reads = Reads("scenes", sum(values_read(collection, bands, s, grid.scale_m) for s in scenes))
    values = fetch(client, image, flat, grid, what, reads)
    return [_pixels(collection, bands, values, group, grid) for group in wanted]


@dataclass(frozen=True)
class Reads:
    """What a request makes the service do: its kind, and values that it reads for a pixel sent."""

    kind: Kind
    per_pixel: float


def values_read(
    collection: Collection,
    bands: Sequence[str],
    scene: Scene,
    scale_m: float,
    layers: Sequence[Layer] | None = None,
) -> float:
    """Values that are read of a scene for a pixel of a grid; of averaged bands all that it covers.

    Args:
        layers: quality layers that are read; None: all that the scene has.
    """
    wanted = collection.layers if layers is None else layers
    sizes = [collection.native_m or collection.kind.bands[band].native_m for band in bands]
    sizes += [layer.native_m for layer in wanted if image_id(scene, layer)]
    return sum(max(scale_m / size, 1.0) ** 2 for size in sizes)


def bands_of(
    collection: Collection, bands: Sequence[str], scene: Scene, part: Part, scale_m: float
) -> Any:
    """A part of a scene as an expression: unmasked, in its type, under its names.

    Bands whose pixels become coarser on a grid of `scale_m` are averaged, dB as power (see
    `as_power`); the service would take the nearest pixel of a pyramid of its own.
    """
    import ee

    if part.layer:
        layer = next(layer for layer in collection.layers if layer.name == part.layer)
        image = ee.Image(image_id(scene, layer)).select([layer.band], list(part.names))
        if layer.native_m < scale_m:
            image = _coarser(image, layer, scale_m)
        scaled = image if layer.scale == 1 else image.multiply(layer.scale)
        return _sent(scaled, layer.missing, part.dtype)
    image = _averaged(collection, bands, scene, part, scale_m)
    whole = image
    if collection.server_gain != 1:
        whole = image.multiply(collection.server_gain)
    if np.dtype(part.dtype).kind != "f" and (
        whole is not image or _any_coarser(collection, bands, scale_m)
    ):
        whole = whole.round()
    return _sent(whole, collection.fill, part.dtype)


def as_power(collection: Collection, bands: Sequence[str], scale_m: float) -> bool:
    """True if `bands_of` gives power: of a collection in power, or in dB whose pixels it averages.

    dB are then taken here and not on the server, whose logarithm may differ in the last bit.
    """
    coarser = collection.kind.decibel and _any_coarser(collection, bands, scale_m)
    return collection.linear or coarser


def _any_coarser(collection: Collection, bands: Sequence[str], scale_m: float) -> bool:
    return any(collection.becomes_coarser(band, scale_m) for band in bands)


def _averaged(
    collection: Collection, bands: Sequence[str], scene: Scene, part: Part, scale_m: float
) -> Any:
    """A scene's bands, those that become coarser averaged; radar as power where it is."""
    import ee

    own = collection.assets[scene.id.rpartition("/")[0]]
    image = ee.Image(scene.id).select([own[band] for band in bands], list(part.names))
    if as_power(collection, bands, scale_m) and not collection.linear:
        image = image.multiply(math.log(10) / 10).exp()
    by_pixel: dict[int, list[str]] = {}
    for band, name in zip(bands, part.names, strict=True):
        coarser = collection.becomes_coarser(band, scale_m)
        native_m = collection.native_m or collection.kind.bands[band].native_m
        by_pixel.setdefault(native_m if coarser else 0, []).append(name)
    if set(by_pixel) == {0}:
        return image
    # Bands of different pixels have different projections, and an average is made in one.
    return stack(
        [
            _mean(image.select(names), native_m, scale_m) if native_m else image.select(names)
            for native_m, names in by_pixel.items()
        ]
    )


def _mean(image: Any, native_m: int, scale_m: float) -> Any:
    """An image that is averaged, weighted by area, when it is asked for on a coarser grid."""
    import ee

    inside = min((math.ceil(scale_m / native_m) + 1) ** 2, MAX_AVERAGED)
    return image.reduceResolution(ee.Reducer.mean(), True, inside)


def _coarser(image: Any, layer: Layer, scale_m: float) -> Any:
    if layer.percent:
        return _mean(image, layer.native_m, scale_m)
    # At its own pixel first, so that the nearest is not of a pyramid.
    return image.reproject(image.projection())


def _sent(image: Any, missing: float, dtype: str) -> Any:
    # sameFootprint=False: pixels outside the footprint would stay masked, and how a masked pixel
    # looks in an answer is not documented.
    return getattr(image.unmask(missing, False), _CASTS[dtype])()


def stack(images: Sequence[Any]) -> Any:
    """One image with the bands of all.

    Joined pairwise: a chain would nest as deep as there are images.
    """
    row = list(images)
    while len(row) > 1:
        row = [a.addBands(b) for a, b in zip(row[::2], row[1::2], strict=False)] + row[
            len(row) & ~1 :
        ]
    return row[0]


def fetch(
    client: Client, image: Any, wanted: Sequence[Part], grid: Grid, what: str, reads: Reads
) -> dict[str, NDArray[Any]]:
    """Values of an image's bands on a grid, by name, in as many requests as the limits ask for."""
    out = {
        name: np.empty((grid.height, grid.width), part.dtype)
        for part in wanted
        for name in part.names
    }
    pixel_bytes = sum(part.pixel_bytes for part in wanted)
    for block in blocks(grid.height, grid.width, pixel_bytes):
        for piece, values in _answers(client, image, list(out), grid, block, what, reads):
            for name, array in out.items():
                array[piece.slices] = values[name]
    return out


def _answers(
    client: Client,
    image: Any,
    names: Sequence[str],
    grid: Grid,
    block: Block,
    what: str,
    reads: Reads,
) -> Iterator[tuple[Block, NDArray[Any]]]:
    """A block, or its halves where the service has not the memory for it."""
    request = {
        "expression": image,
        "fileFormat": "NPY",
        "bandIds": list(names),
        "grid": pixel_grid(grid, block),
    }
    asked = Asked(reads.kind, reads.per_pixel * block.height * block.width / 1e6)
    try:
        yield block, client.call(_where(what, grid), lambda: _send(request, block), asked)
        return
    except TooLarge as error:
        reason = str(error)
    try:
        halves = block.halves()
    except ValueError as error:
        raise RoiError(f"Earth Engine refuses {_where(what, grid)}: {reason}; {error}") from error
    client.count(splits=1)
    for half in halves:
        yield from _answers(client, image, names, grid, half, what, reads)


def _send(request: Mapping[str, Any], block: Block) -> NDArray[Any]:
    import ee

    content = ee.data.computePixels(dict(request))
    try:
        values: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ConnectionError(f"the answer is no array: {error}") from error
    if values.shape != (block.height, block.width):
        raise ConnectionError(f"the answer has the shape {values.shape}")
    return values


def pixel_grid(grid: Grid, block: Block) -> dict[str, Any]:
    """A block of a grid as the service describes one."""
    scale = grid.scale_m
    left, top = grid.x0 + block.column * scale, grid.y0 - block.row * scale
    affine = {
        "scaleX": scale,
        "shearX": 0,
        "translateX": left,
        "shearY": 0,
        "scaleY": -scale,
        "translateY": top,
    }
    size = {"width": block.width, "height": block.height}
    return {"dimensions": size, "affineTransform": affine, "crsCode": grid.crs}


def _where(what: str, grid: Grid) -> str:
    return f"{what} on {describe(grid)}"


def describe(grid: Grid) -> str:
    """A grid in words, for messages."""
    return (
        f"the grid at {grid.x0:.0f}, {grid.y0:.0f} in {grid.crs} "
        f"({grid.width} x {grid.height} pixels of {grid.scale_m:g} m)"
    )


def _pixels(
    collection: Collection,
    names: Sequence[str],
    values: Mapping[str, NDArray[Any]],
    group: Sequence[Part],
    grid: Grid,
) -> Pixels:
    arrays = {part.layer: part for part in group}
    bands = np.stack([values[name] for name in arrays[""].names])
    quality = {}
    for layer in collection.layers:
        if layer.name in arrays:
            quality[layer.name] = _quality(layer, values[arrays[layer.name].names[0]])
        else:
            quality[layer.name] = np.full((grid.height, grid.width), layer.missing, np.uint8)
    power = as_power(collection, names, grid.scale_m)
    return Pixels(to_sensor(collection, bands, power), quality)


def _quality(layer: Layer, codes: NDArray[Any]) -> NDArray[np.uint8]:
    return to_scene_classes(layer.classes, codes) if layer.classes else codes.astype(np.uint8)


def to_sensor(collection: Collection, bands: NDArray[Any], power: bool) -> NDArray[Any]:
    """Values as sent in the sensor's unit, with its nodata; dB of what is `power`."""
    if power:
        known = np.where(bands > 0, bands, np.float32(np.nan))
        return np.float32(10) * np.log10(known)
    if np.isnan(collection.kind.nodata):
        return np.where(bands == collection.fill, np.float32(np.nan), bands)
    return bands


def together(
    collection: Collection, bands: Sequence[str], scenes: Sequence[Scene], grid: Grid
) -> Iterator[range]:
    """Which scenes are asked for in one request."""
    sizes = [parts(collection, bands, scene, "s") for scene in scenes]
    pixel_bytes = max((sum(p.pixel_bytes for p in group) for group in sizes), default=1)
    count = max((sum(len(p.names) for p in group) for group in sizes), default=1)
    return stacks(len(scenes), pixel_bytes * grid.height * grid.width, count)
