"""The provider: scenes of the world on a grid."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import RoiError, SourceError
from rsweep.core.grid import Grid
from rsweep.core.knobs import nearest
from rsweep.core.sensors import SENSORS
from rsweep.sources.protocol import Pixels, Scene
from rsweep.sources.synthetic import (
    COLLECTIONS,
    WORLD_VERSION,
    clouds,
    passes,
    products,
    radar,
    spectra,
)
from rsweep.sources.synthetic.cells import (
    Canvas,
    Whole,
    blur,
    canvas_of,
    coarsen,
    interior,
    mean_pixels,
    strips,
    to_pixels,
    zone_of,
)
from rsweep.sources.synthetic.noise import Hashes, hash2, lane
from rsweep.sources.synthetic.passes import Pass
from rsweep.sources.synthetic.products import IMAGERS, STEP, Imager, heat, heights, through_air
from rsweep.sources.synthetic.spectra import Float32, Surface
from rsweep.sources.synthetic.world import WATER, Ground, ground

PREFIXES = {
    "s2": "S2",
    "s2_l1c": "S2L1C",
    "s1": "S1",
    "s1_rtc": "S1RTC",
    "landsat": "LC",
    "landsat_l1": "LCL1",
    "hls": "HLS",
    "modis": "MODSR",
    "modis_toa": "MOD",
}
"""How ids of scenes begin."""
ORBITS = ("any", "ascending", "descending")
_NOISE = np.float32(0.012)
"""Half the range of the sensor's own noise, relative to the value."""


def open_collection(
    options: Mapping[str, Any], collection: str, bands: tuple[str, ...], orbit: str
) -> SyntheticSource:
    """As `open_source`, with every option given."""
    sensor = next((s for s, names in COLLECTIONS.items() if collection in names), None)
    if sensor is None:
        known = [name for names in COLLECTIONS.values() for name in names]
        raise SourceError(f"synthetic: no collection {collection!r}; it has {', '.join(known)}")
    served = SENSORS[sensor].bands
    for band in bands:
        if band not in served:
            raise SourceError(
                f"synthetic: {collection} has no band {band!r}; it has {', '.join(served)}"
                f"{nearest(band, served)}"
            )
    if orbit not in ORBITS:
        raise SourceError(f"synthetic: orbit is {orbit!r}; expected one of {', '.join(ORBITS)}")
    return SyntheticSource(
        int(options["seed"]),
        int(options["revisit_days"]),
        float(options["cloudiness"]),
        sensor,
        bands,
        orbit if SENSORS[sensor].decibel else "any",
        ("scl", "cloud") if SENSORS[sensor].sees_clouds else (),
    )


@dataclass
class SyntheticSource:
    """See `protocol.Source`, and `synthetic.OPTIONS` for the first three."""

    seed: int
    revisit_days: int
    cloudiness: float
    sensor: str
    bands: tuple[str, ...]
    orbit: str
    quality_layers: tuple[str, ...]

    @property
    def radar(self) -> bool:
        """True of backscatter."""
        return SENSORS[self.sensor].decibel

    def scenes(self, grid: Grid, start: str, end: str) -> list[Scene]:
        """Scenes that touch the grid in a window; see `protocol.Source`."""
        if SENSORS[self.sensor].static:
            return [self._relief(grid)]
        found = [self._scene(one, grid) for one in self._passes(grid, start, end)]
        if not found:
            raise RoiError(
                f"synthetic: no scene of {start} to {end} touches the ROI "
                f"(one every {self.revisit_days} days)"
            )
        return found

    def read(self, scenes: Sequence[Scene], grid: Grid) -> Iterator[Pixels]:
        """Pixels of each scene on the grid; see `protocol.Source`."""
        if SENSORS[self.sensor].static:
            yield from (_heights(grid, self.seed) for _ in scenes)
            return
        for scene in scenes:
            one = self._pass_of(scene, grid)
            yield _stacked([self._strip(one, strip) for strip in strips(grid)])

    def _passes(self, grid: Grid, start: str, end: str) -> list[Pass]:
        every = passes.passes(zone_of(grid), self.seed, self.revisit_days, self.radar, start, end)
        return [
            one
            for one in every
            if self.orbit in ("any", one.orbit) and passes.touches(one, grid.bounds)
        ]

    def _relief(self, grid: Grid) -> Scene:
        name = f"DEMSYN_{zone_of(grid)}"
        return Scene(name, f"{passes.EPOCH:%Y-%m-%dT%H:%M:%SZ}", properties={"seed": self.seed})

    def _scene(self, one: Pass, grid: Grid) -> Scene:
        left, bottom, right, top = grid.bounds
        tile = int((left + right) / 2 // clouds.TILE_M), int((bottom + top) / 2 // clouds.TILE_M)
        stamp = f"{one.time:%Y%m%dT%H%M%S}"
        name = f"T{one.zone % 100:02d}{'S' if one.zone > 32700 else 'N'}{tile[0]:02d}{tile[1]:03d}"
        return Scene(
            id=f"{PREFIXES[self.sensor]}SYN_{stamp}_{one.orbit}_{name}",
            time=f"{one.time:%Y-%m-%dT%H:%M:%SZ}",
            cloud_pct=None if self.radar else clouds.cloud_pct(one, self.cloudiness, tile),
            properties={
                "seed": self.seed,
                "version": WORLD_VERSION,
                "orbit": one.orbit,
                "tile": name,
            },
        )

    def _pass_of(self, scene: Scene, grid: Grid) -> Pass:
        time = passes.parse_time(scene.time)
        day = f"{time:%Y-%m-%d}"
        for one in passes.passes(
            zone_of(grid), self.seed, self.revisit_days, self.radar, day, f"{day}T23:59:59"
        ):
            if one.time == time:
                return one
        raise RoiError(
            f"synthetic: scene {scene.id} is not of this world (seed {self.seed}, "
            f"one every {self.revisit_days} days)"
        )

    def _strip(self, one: Pass, grid: Grid) -> Pixels:
        canvas = canvas_of(grid)
        inside = interior(passes.in_swath(one, *canvas.centres()))
        missing = to_pixels((~inside).astype(np.int64), canvas, grid)[0] > 0
        if self.radar:
            return self._echoes(one, canvas, grid, missing)
        return self._image(one, canvas, grid, missing)

    def _echoes(self, one: Pass, canvas: Canvas, grid: Grid, missing: NDArray[np.bool_]) -> Pixels:
        land, surface, steady = _radar_scenery(canvas, self.seed)
        day = passes.season_day(one.time, one.zone, one.seed)
        power = radar.backscatter(one, steady, surface, land.cell, day)
        sums, counts = to_pixels(interior(power), canvas, grid)
        values = radar.decibels(sums / counts * radar.UNIT)
        if self.sensor == "s1_rtc":
            values += np.float32(products.RTC_DB)
        values[:, missing] = np.nan
        return Pixels(values[[radar.BANDS.index(band) for band in self.bands]])

    def _image(self, one: Pass, canvas: Canvas, grid: Grid, missing: NDArray[np.bool_]) -> Pixels:
        imager = IMAGERS[self.sensor]
        seen = tuple(band for band in self.bands if band in imager.light)
        names = tuple(imager.light[band] for band in seen)
        land, surface = _scenery(canvas, self.seed, names)
        day = passes.season_day(one.time, one.zone, one.seed)
        values, green = spectra.reflectance(surface, day)
        values = through_air(values, names) if imager.above_air else values
        above = _sky(one, canvas, self.cloudiness)
        light = clouds.veil(one, values, above, names) * _sensor_noise(one, land.cell, names)
        cells = dict(zip(seen, blur(np.rint(light).astype(np.int32)), strict=True))
        for band in (b for b in self.bands if b in imager.cooler_k):
            warmth = heat(land.kind, green, above, day)
            cells[band] = warmth - int(imager.cooler_k[band] * STEP)
        bands = _at_native(imager, cells, self.bands, canvas, grid)
        bands[:, missing] = SENSORS[self.sensor].nodata
        quality = _quality(above, green, land, canvas, grid)
        quality["scl"][missing] = 0
        quality["cloud"][missing] = 255
        return Pixels(bands, quality)


@functools.lru_cache(maxsize=4)
def _scenery(canvas: Canvas, seed: int, bands: tuple[str, ...]) -> tuple[Ground, Surface]:
    """What all scenes of a canvas share: the greater part of the work."""
    x, y = canvas.centres()
    land = ground(x, y, canvas.zone, seed)
    return land, spectra.surface(land, x, y, canvas.zone, seed, bands)


@functools.lru_cache(maxsize=4)
def _radar_scenery(canvas: Canvas, seed: int) -> tuple[Ground, Surface, radar.Echo]:
    land, surface = _scenery(canvas, seed, ())
    x, y = canvas.centres()
    return land, surface, radar.echo(surface, land.unit, x, y, seed, canvas.zone)


def _sky(one: Pass, canvas: Canvas, cloudiness: float) -> clouds.Sky:
    """The sky over a canvas, drawn in 20 m cells, which are those of the scene classification."""
    drawn = clouds.sky(one, *canvas.centres(step=2), cloudiness)
    return clouds.Sky(*(np.repeat(np.repeat(a, 2, axis=0), 2, axis=1) for a in drawn))


def _sensor_noise(one: Pass, cell: Hashes, bands: tuple[str, ...]) -> Float32:
    """A factor per band and cell [C, H, W], of this scene alone."""
    number = cell.astype(np.int64)
    factors = np.empty((len(bands), *cell.shape), np.float32)
    words = cell
    for index in range(len(bands)):
        if index % 4 == 0:
            words = hash2(one.key("noise", str(index)), number, number)
        factors[index] = 1 + _NOISE * (2 * lane(words, index % 4) - 1)
    return factors


def _at_native(
    imager: Imager, cells: Mapping[str, Whole], bands: Sequence[str], canvas: Canvas, grid: Grid
) -> NDArray[np.number]:
    """Pixels [C, grid.height, grid.width] of bands that are averaged to their own pixel first."""
    found: dict[str, NDArray[np.number]] = {}
    by_size: dict[int, list[str]] = {}
    for band in bands:
        by_size.setdefault(imager.cells_a_side(band), []).append(band)
    for size, names in by_size.items():
        coarse = coarsen(interior(np.stack([cells[name] for name in names])), size)
        means = mean_pixels(coarse, canvas, grid)
        found |= {n: imager.stored(n, mean) for n, mean in zip(names, means, strict=True)}
    return np.stack([found[band] for band in bands])


def _heights(grid: Grid, seed: int) -> Pixels:
    """Metres above the sea, of 30 m cells."""
    parts = []
    for strip in strips(grid):
        canvas = canvas_of(strip)
        cells = interior(heights(*canvas.centres(), canvas.zone, seed))
        sums, counts = to_pixels(coarsen(cells, 3), canvas, strip)
        parts.append((sums / counts / STEP).astype(np.float32))
    return Pixels(np.concatenate(parts)[None])


def _quality(
    above: clouds.Sky, green: Float32, land: Ground, canvas: Canvas, grid: Grid
) -> dict[str, NDArray[np.uint8]]:
    """Scene classification and cloud probability, of the mean sky and cover of each pixel."""
    layers = np.stack([*above[:3], green, (land.kind == WATER).astype(np.float32)])
    mean = mean_pixels(interior(np.rint(layers * 100).astype(np.int64)), canvas, grid)
    return {"scl": clouds.classes(*mean), "cloud": mean[:2].max(axis=0).astype(np.uint8)}


def _stacked(parts: list[Pixels]) -> Pixels:
    if len(parts) == 1:
        return parts[0]
    return Pixels(
        np.concatenate([part.bands for part in parts], axis=1),
        {name: np.concatenate([part.quality[name] for part in parts]) for name in parts[0].quality},
    )
