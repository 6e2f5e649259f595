"""Reading the scenes of a local folder; `local` opens it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Geod

from rsweep.core.digests import File
from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.core.sensors import SENSORS
from rsweep.sources.cog import (
    LOCAL_ENV,
    READ_ERRORS,
    Header,
    paint,
    read_header,
    read_window,
    reason,
)
from rsweep.sources.interval import chosen
from rsweep.sources.local.layout import MISSING, Layer, Nodata, Section
from rsweep.sources.local.scene import LocalScene, Pick
from rsweep.sources.outline import to_lonlat, touches
from rsweep.sources.protocol import Pixels, Scene
from rsweep.sources.units import REFLECTANCE, PowerScale, power_scale, to_sensor
from rsweep.sources.vrt import content_digests


@functools.lru_cache(maxsize=200_000)
def _header(path: str, *state: int) -> Header | str:
    """Header of a file, or why it has none; once per process while the file stays as it is."""
    try:
        with rasterio.Env(**LOCAL_ENV):
            return read_header(path)
    except (*READ_ERRORS, ValueError) as error:
        return reason(error)


class LocalSource:
    """Scenes of one sensor in a folder. See `protocol.Source`."""

    def __init__(
        self,
        root: Path,
        section: Section,
        scenes: Sequence[LocalScene],
        bands: Sequence[str],
        resampling: str,
    ) -> None:
        self.quality_layers = tuple(section.quality)
        self._root = root
        self._section = section
        self._sensor = SENSORS[section.sensor]
        self._scenes = {scene.id: scene for scene in scenes}
        self._bands = tuple(bands)
        self._resampling = resampling
        self._scale = power_scale(self._sensor, section.unit, section.gain)

    def scenes(self, grid: Grid, start: str, end: str) -> list[Scene]:
        """Scenes that touch the grid with start <= time < end, ordered by (time, id).

        Raises:
            RoiError: there are none, or one of them has no such band or cannot be opened.
        """
        inside = [s for s in self._scenes.values() if s.within(start, end)]
        found = [scene for scene in inside if self._touches(scene, grid)]
        found = chosen(found, [scene.interval for scene in found], (start, end))
        if not found:
            raise RoiError(self._why_none(grid, start, end))
        for scene in found:
            missing = [band for band in self._bands if band not in scene.bands]
            if missing:
                has = ", ".join(scene.bands) or "none"
                raise RoiError(f"scene {scene.id} has no band {', '.join(missing)}; it has {has}")
        return [self._scene(scene) for scene in found]

    def read(self, scenes: Sequence[Scene], grid: Grid) -> Iterator[Pixels]:
        """Pixels of each scene in the order given, on the grid; one scene in memory at a time.

        Raises:
            RoiError: a file cannot be read; the text names it.
        """
        for scene in scenes:
            if scene.id not in self._scenes:
                raise RoiError(f"scene {scene.id} is not in the folder any more")
            with rasterio.Env(**LOCAL_ENV):
                pixels = self._read(self._scenes[scene.id], grid)
            yield pixels

    def _header(self, scene: LocalScene, file: File) -> Header:
        header = _header(str(self._root / file.path), *file.state)
        if isinstance(header, str):
            raise RoiError(f"scene {scene.id}: {file.path} cannot be opened: {header}")
        return header

    def _files(self, scene: LocalScene) -> list[File]:
        """Files of the bands that are asked for, or, where there are none, of the scene."""
        picks = [pick for band in self._bands for pick in scene.bands.get(band, ())]
        files = {pick.file for pick in picks or scene.picks}
        return sorted(files, key=lambda file: file.path)

    def _touches(self, scene: LocalScene, grid: Grid) -> bool:
        # A file that does not open may lie anywhere: it stops the ROIs that the rest of its scene
        # touches when it is read, and here, if nothing of its scene opens, every ROI.
        opened, unreadable = [], None
        for file in self._files(scene):
            try:
                opened.append(self._header(scene, file))
            except RoiError as error:
                unreadable = error
        if not opened and unreadable:
            raise unreadable
        return any(touches(header.bounds, header.crs, grid) for header in opened)

    def _why_none(self, grid: Grid, start: str, end: str) -> str:
        """The dates that there are here, or how far away the nearest scene is."""
        here = [s.time[:10] for s in self._scenes.values() if self._touches(s, grid)]
        if here:
            return (
                f"no {self._section.sensor} scene from {start} to {end}; the folder has "
                f"{len(here)} here, from {min(here)} to {max(here)}"
            )
        boxes = [
            self._header(scene, self._files(scene)[0]).lonlat for scene in self._scenes.values()
        ]
        lon, lat = to_lonlat(grid)
        nearest = min(_distance_km(lon, lat, box) for box in boxes)
        west, south = (min(box[side] for box in boxes) for side in (0, 1))
        east, north = (max(box[side] for box in boxes) for side in (2, 3))
        return (
            f"no {self._section.sensor} scene touches the ROI at {lon:.4f}, {lat:.4f}; the nearest "
            f"is {nearest:.1f} km away, and the folder covers longitudes {west:.4f} to {east:.4f} "
            f"and latitudes {south:.4f} to {north:.4f}"
        )

    def _scene(self, scene: LocalScene) -> Scene:
        layers = [scene.bands[band] for band in self._bands] + list(scene.quality.values())
        files = [pick.file for picks in layers for pick in picks]
        gain, offset = (1.0, 0.0) if self._converts(scene) else self._canonical(scene)
        try:
            hashed = content_digests(self._root, set(files))
        except OSError as error:
            raise RoiError(f"scene {scene.id}: {error.filename} cannot be read: {error}") from error
        properties: dict[str, Any] = {**scene.properties, "sha256": dict(sorted(hashed.items()))}
        if scene.interval:
            properties["interval"] = list(scene.interval)
        if scene.orbit:
            properties["orbit"] = scene.orbit
        unknown = [name for name in self.quality_layers if name not in scene.quality]
        if unknown:
            properties["quality_missing"] = unknown
        return Scene(scene.id, scene.time, scene.cloud_pct, gain, offset, properties)

    def _canonical(self, scene: LocalScene) -> tuple[float, float]:
        """Gain and offset from raw values to the sensor's unit, for reflectances."""
        scale = 10_000.0 if self._section.unit == REFLECTANCE else 1.0
        return self._section.gain * scale, scene.offset * scale

    def _converts(self, scene: LocalScene) -> bool:
        """True if values are converted while they are read, because they are not small integers.

        Small integers are kept as they are, and the scene says their gain and offset.
        """
        if np.dtype(self._sensor.dtype).kind == "f":
            return True
        types = set()
        for pick in (pick for band in self._bands for pick in scene.bands[band]):
            header = self._header(scene, pick.file)
            types.add(np.dtype(header.dtypes[self._number(scene, pick) - 1]))
        return any(dtype.kind not in "iu" or dtype.itemsize > 2 for dtype in types)

    def _number(self, scene: LocalScene, pick: Pick) -> int:
        try:
            return self._header(scene, pick.file).number(pick.band)
        except ValueError as error:
            raise RoiError(f"scene {scene.id}: {pick.file.path} {error}") from error

    def _read(self, scene: LocalScene, grid: Grid) -> Pixels:
        shape = (grid.height, grid.width)
        values = np.full((len(self._bands), *shape), self._sensor.nodata, self._sensor.dtype)
        done = np.zeros(values.shape, dtype=bool)
        for file, wanted in self._by_file(scene).items():
            header = self._header(scene, file)
            if not touches(header.bounds, header.crs, grid):
                continue
            numbers = [self._number(scene, Pick(file, scene_band)) for _, scene_band in wanted]
            raw, valid = self._window(
                scene,
                file,
                numbers,
                grid,
                self._resampling,
                self._section.nodata,
                self._sensor.nodata,
                self._scale,
            )
            read = self._to_sensor(scene, raw, valid)
            for (index, _), band, mask in zip(wanted, read, valid, strict=True):
                paint(values[index], done[index], band, mask)
        layers = {
            name: self._quality(scene, name, layer, grid)
            for name, layer in self._section.quality.items()
        }
        return Pixels(values, layers)

    def _by_file(self, scene: LocalScene) -> dict[File, list[tuple[int, int | str]]]:
        """File -> (index among the bands asked for, band in the file), in the order of names."""
        found: dict[File, list[tuple[int, int | str]]] = {}
        for index, band in enumerate(self._bands):
            for pick in scene.bands.get(band, ()):
                found.setdefault(pick.file, []).append((index, pick.band))
        return dict(sorted(found.items(), key=lambda item: item[0].path))

    def _to_sensor(
        self, scene: LocalScene, raw: NDArray[Any], valid: NDArray[np.bool_]
    ) -> NDArray[Any]:
        if not self._converts(scene):
            return to_sensor(raw, valid, self._sensor)
        section = self._section
        return to_sensor(raw, valid, self._sensor, section.unit, section.gain, scene.offset)

    def _quality(self, scene: LocalScene, name: str, layer: Layer, grid: Grid) -> NDArray[np.uint8]:
        values = np.full((grid.height, grid.width), MISSING[name], dtype=np.uint8)
        done = np.zeros(values.shape, dtype=bool)
        # Classes have no average; a percentage has, of the pixels that it does not miss.
        percent = name != "scl" and not layer.values
        kind = self._resampling if percent else "nearest"
        plain = percent and (layer.gain, layer.offset) == (1.0, 0.0)
        fallback = float(MISSING[name]) if plain else None
        for pick in scene.quality.get(name, ()):
            header = self._header(scene, pick.file)
            if touches(header.bounds, header.crs, grid):
                number = self._number(scene, pick)
                raw, valid = self._window(
                    scene, pick.file, [number], grid, kind, layer.nodata, fallback
                )
                paint(values, done, _to_quality(raw[0], layer), valid[0])
        return values

    def _window(
        self,
        scene: LocalScene,
        file: File,
        numbers: list[int],
        grid: Grid,
        resampling: str,
        nodata: Nodata,
        fallback: float | None,
        scale: PowerScale | None = None,
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        path = str(self._root / file.path)
        try:
            return read_window(path, numbers, grid, resampling, nodata, fallback, scale)
        except READ_ERRORS as error:
            raise RoiError(
                f"scene {scene.id}: {file.path} cannot be read: {reason(error)}"
            ) from error


def _to_quality(values: NDArray[Any], layer: Layer) -> NDArray[np.uint8]:
    """Values of a quality layer as the layout explains them, of the same shape."""
    named = values.astype(np.float64)
    for raw, meaning in layer.values.items():
        named[values == raw] = meaning
    scaled = np.nan_to_num(layer.gain * named + layer.offset, nan=0.0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _distance_km(lon: float, lat: float, box: tuple[float, float, float, float]) -> float:
    """Ground distance from a place to the nearest point of a box in degrees."""
    west, south, east, north = box
    there = min(max(lon, west), east) if west <= east else lon
    return float(_ELLIPSOID.inv(lon, lat, there, min(max(lat, south), north))[2]) / 1000


_ELLIPSOID = Geod(ellps="WGS84")
