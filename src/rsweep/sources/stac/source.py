"""The scenes of a STAC catalogue on the grids of ROIs; the package opens it."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.core.sensors import SENSORS
from rsweep.sources.cog import read_window
from rsweep.sources.earthengine.quality import to_scene_classes
from rsweep.sources.interval import chosen
from rsweep.sources.outline import grid_outline, to_lonlat
from rsweep.sources.protocol import Pixels, Scene
from rsweep.sources.stac.catalogue import Box, Catalogue
from rsweep.sources.stac.collections import Collection
from rsweep.sources.stac.items import Item, without_duplicates
from rsweep.sources.stac.offsets import read_overview, scene_offset
from rsweep.sources.stac.remote import Remote
from rsweep.sources.units import CANONICAL, power_scale, to_sensor

AHEAD_BYTES = 512 * 2**20
"""Scenes that are read while another is used take no more memory than this."""
DARK_BANDS = ("B4", "B2", "B3")
QUALITY = "scl"
Band = NDArray[Any]


class StacSource:
    """Scenes of one collection. See `protocol.Source`."""

    def __init__(
        self,
        catalogue: Catalogue,
        remote: Remote,
        collection: str,
        entry: Collection,
        bands: Sequence[str],
        orbit: str | None,
        resampling: str,
        workers: int,
    ) -> None:
        self.quality_layers = (QUALITY,) if entry.quality else ()
        self._catalogue = catalogue
        self._remote = remote
        self._collection = collection
        self._entry = entry
        self._sensor = SENSORS[entry.sensor]
        self._bands = tuple(bands)
        self._orbit = orbit if orbit in ("ascending", "descending") else None
        self._resampling = resampling
        self._scale = power_scale(self._sensor, entry.unit, entry.gain)
        self._workers = workers

    def scenes(self, grid: Grid, start: str, end: str) -> list[Scene]:
        """Scenes that touch the grid with start <= time < end, ordered by (time, id).

        Raises:
            RoiError: there are none, one lacks a band, or one's offset is in doubt.
            SourceError: the catalogue refuses. TransientError: it cannot answer now.
        """
        outline = grid_outline(grid, "EPSG:4326")
        found = self._catalogue.items(
            self._collection, _boxes(outline), start, end, self._entry.query
        )
        items = without_duplicates(item for item in found if item.touches(outline))
        items = chosen(items, [item.interval for item in items], (start, end))
        if self._orbit:
            items = [item for item in items if item.orbit == self._orbit]
        if not items:
            lon, lat = to_lonlat(grid)
            which = f"{self._orbit} " if self._orbit else ""
            raise RoiError(
                f"no {which}{self._collection or self._entry.sensor} item touches the ROI at "
                f"{lon:.4f}, {lat:.4f} from {start} to {end}"
            )
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(self._scene, items))

    def read(self, scenes: Sequence[Scene], grid: Grid) -> Iterator[Pixels]:
        """Pixels of each scene in the order given, on the grid; assets are read in parallel.

        Only the scenes' own records are used, not the catalogue: the scenes of a lock file are
        read without a search.

        Raises:
            RoiError: an asset is gone or damaged. SourceError: it is forbidden.
            TransientError: it cannot be read now.
        """
        waiting: deque[list[Future[Band]]] = deque()
        ahead = self._ahead(grid)
        pool = ThreadPoolExecutor(self._workers)
        try:
            for scene in scenes:
                waiting.append([pool.submit(task) for task in self._tasks(scene, grid)])
                if len(waiting) > ahead:
                    yield self._pixels(waiting.popleft())
            while waiting:
                yield self._pixels(waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _ahead(self, grid: Grid) -> int:
        """How many scenes to read ahead: enough to keep the workers busy, within memory."""
        layers = len(self._bands) + len(self.quality_layers)
        # Beside the stored type a read holds values and masks of the file's type.
        scene_bytes = layers * grid.height * grid.width * 8
        return min(-(-self._workers // layers), AHEAD_BYTES // scene_bytes)

    def _pixels(self, layers: list[Future[Band]]) -> Pixels:
        read = [layer.result() for layer in layers]
        count = len(self._bands)
        quality = dict(zip(self.quality_layers, read[count:], strict=True))
        return Pixels(np.stack(read[:count]), quality)

    def _scene(self, item: Item) -> Scene:
        assets = {band: self._asset(item, band) for band in self._bands}
        code = next((key for key in self._entry.quality if key in item.hrefs), None)
        if code:
            assets[QUALITY] = code
        offset, told = scene_offset(self._entry, item, lambda: self._dark_pixels(item))
        gain = self._entry.gain
        properties: dict[str, Any] = {
            "collection": item.collection,
            "assets": {layer: self._remote.plain(item.hrefs[key]) for layer, key in assets.items()},
            "checksums": {
                layer: item.checksums[key] for layer, key in assets.items() if key in item.checksums
            },
            **told,
        }
        if self.quality_layers and not code:
            properties["quality_missing"] = [QUALITY]
        for name in ("updated", "platform"):
            if item.properties.get(name):
                properties[name] = str(item.properties[name])
        if self._entry.baseline != "none":
            properties["baseline"] = item.baseline
        if item.interval:
            properties["interval"] = list(item.interval)
        if item.orbit:
            properties["orbit"] = item.orbit
        return Scene(item.id, item.time, item.cloud_pct, gain, offset, properties)

    def _asset(self, item: Item, band: str) -> str:
        for key in self._entry.assets.get(band, ()):
            if key in item.hrefs:
                return key
        raise RoiError(
            f"item {item.id} has no asset for band {band} "
            f"({' or '.join(self._entry.assets.get(band, ())) or 'none is known'}); it has "
            f"{', '.join(sorted(item.hrefs)) or 'none'}"
        )

    def _dark_pixels(self, item: Item) -> Band:
        band = next(
            (
                band
                for band in DARK_BANDS
                if any(key in item.hrefs for key in self._entry.assets[band])
            ),
            self._bands[0],
        )
        key = self._asset(item, band)
        return self._remote.read(f"item {item.id}, asset {key}", item.hrefs[key], read_overview)

    def _tasks(self, scene: Scene, grid: Grid) -> list[Callable[[], Band]]:
        hrefs = scene.properties["assets"]
        tasks: list[Callable[[], Band]] = []
        for band in self._bands:
            if band not in hrefs:
                raise RoiError(f"scene {scene.id} records no asset of band {band}")
            tasks.append(functools.partial(self._band, scene.id, band, hrefs[band], grid))
        if self.quality_layers:
            tasks.append(functools.partial(self._classes, scene.id, hrefs.get(QUALITY), grid))
        return tasks

    def _band(self, scene: str, band: str, href: str, grid: Grid) -> Band:
        nodata = self._entry.nodata

        def read(path: str) -> tuple[Band, Band]:
            return read_window(path, [1], grid, self._resampling, None, nodata, self._scale)

        values, valid = self._remote.read(f"item {scene}, asset of {band}", href, read)
        entry = self._entry
        # Reflectances are kept raw, and the scene says gain and offset; power becomes dB.
        how = () if entry.unit == CANONICAL else (entry.unit, entry.gain, entry.offset)
        stored: Band = to_sensor(values, valid, self._sensor, *how)[0]
        return stored

    def _classes(self, scene: str, href: str | None, grid: Grid) -> Band:
        if href is None:
            return np.zeros((grid.height, grid.width), np.uint8)

        def read(path: str) -> tuple[Band, Band]:
            return read_window(path, [1], grid, "nearest", None, None)

        codes, valid = self._remote.read(f"item {scene}, asset of {QUALITY}", href, read)
        classes = codes[0].astype(np.uint8)
        if self._entry.classes != "scl":
            classes = to_scene_classes(self._entry.classes, codes[0])
        return np.where(valid[0], classes, 0).astype(np.uint8)


def _boxes(outline: Polygon) -> list[Box]:
    """Boxes in degrees around an outline: two where it crosses the antimeridian."""
    west, south, east, north = outline.bounds
    if east > 180:
        return [(west, south, 180.0, north), (-180.0, south, east - 360, north)]
    if west < -180:
        return [(west + 360, south, 180.0, north), (-180.0, south, east, north)]
    return [(west, south, east, north)]
