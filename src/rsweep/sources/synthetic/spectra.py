"""What the ground reflects in the Sentinel-2 bands, by day of the year.

The spectra are invented, in the shape of published field and Sentinel-2 spectra of the same covers
(chlorophyll absorption at 490 and 665 nm, red edge, water absorption in the short-wave infrared).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsweep.core.sensors import SENSORS
from rsweep.sources.synthetic.noise import Floats, lane, noise, ramp, rehash, stream
from rsweep.sources.synthetic.world import (
    BARE,
    BROADLEAF,
    CONIFER,
    GRASS,
    HOUSES,
    KINDS,
    STREET,
    SUMMER,
    WATER,
    WINTER,
    WORKS,
    Ground,
)

BANDS = tuple(SENSORS["s2"].bands)
Float32 = NDArray[np.float32]

_SPECTRA = {
    #              B1    B2    B3    B4    B5    B6    B7    B8   B8A    B9  B10   B11   B12
    "canopy": (210, 230, 470, 250, 780, 2350, 3050, 3350, 3500, 3500, 12, 1600, 700),
    "needles": (180, 190, 310, 200, 470, 1300, 1600, 1780, 1920, 1950, 10, 860, 390),
    "cereal": (270, 300, 620, 330, 950, 2750, 3550, 3850, 4050, 4050, 14, 1850, 880),
    "maize": (240, 270, 640, 310, 1010, 2850, 3700, 4050, 4250, 4250, 15, 1950, 900),
    "sward": (350, 390, 760, 480, 1150, 2450, 2950, 3250, 3400, 3400, 14, 2300, 1250),
    "straw": (700, 860, 1270, 1750, 2050, 2300, 2500, 2750, 2950, 3000, 20, 3500, 2650),
    "autumn": (330, 400, 780, 1000, 1500, 2000, 2250, 2450, 2600, 2650, 14, 2100, 1150),
    "hay": (520, 640, 1000, 1050, 1500, 2150, 2450, 2700, 2850, 2900, 17, 3000, 1900),
    "soil": (600, 740, 1020, 1270, 1440, 1590, 1740, 1880, 2040, 2140, 16, 2700, 2300),
    "litter": (400, 460, 600, 740, 950, 1250, 1420, 1580, 1740, 1800, 13, 2000, 1350),
    "gravel": (1150, 1400, 1880, 2270, 2400, 2480, 2560, 2650, 2740, 2780, 22, 3250, 3050),
    "asphalt": (620, 690, 790, 860, 920, 970, 1020, 1070, 1140, 1190, 14, 1350, 1280),
    "tiles": (780, 880, 1170, 1680, 1800, 1850, 1920, 2020, 2110, 2150, 17, 2480, 2250),
    "concrete": (1400, 1620, 1830, 1990, 2060, 2100, 2150, 2200, 2260, 2290, 24, 2450, 2300),
    "lake": (420, 390, 370, 210, 190, 140, 130, 115, 105, 95, 5, 55, 40),
    "silt": (560, 640, 860, 640, 600, 360, 350, 270, 230, 190, 6, 90, 60),
}
"""Reflectance x 10000 of pure materials. B10 lets no light through from the ground."""


class _Season(NamedTuple):
    """Days of the year (fractional), north of the equator, in a year and parcel of the mean.

    Green cover starts the year at `winter`, rises to `summer` between `up`, is lost between `down`
    and comes back to `winter` between `again`. Dry cover of at most `dry` comes with `ripe` and
    goes with `gone`. A third of the parcels carry a `catch` crop between the crops, from `sown` to
    `turned` (which may be days of the next year), so that no one date tells all fields apart.
    """

    ground: str
    green: str
    dry: str
    winter: float
    summer: float
    up: tuple[float, float]
    down: tuple[float, float]
    again: tuple[float, float]
    dry_share: float = 0.0
    ripe: tuple[float, float] = (400.0, 401.0)
    gone: tuple[float, float] = (402.0, 403.0)
    catch: float = 0.0
    sown: tuple[float, float] = (0.0, 1.0)
    turned: tuple[float, float] = (0.0, 1.0)


_NEVER = (500.0, 501.0)
_SEASONS = {
    WATER: _Season("lake", "lake", "silt", 0, 0, _NEVER, _NEVER, _NEVER, 0.25, (-2, -1)),
    BROADLEAF: _Season(
        "litter",
        "canopy",
        "autumn",
        0.12,
        0.94,
        (102, 138),
        (275, 312),
        (275, 312),
        0.7,
        (262, 290),
        (302, 325),
    ),
    CONIFER: _Season("litter", "needles", "litter", 0.86, 0.93, (110, 160), _NEVER, _NEVER),
    WINTER: _Season(
        "soil",
        "cereal",
        "straw",
        0.26,
        0.95,
        (76, 124),
        (164, 190),
        (296, 330),
        0.85,
        (164, 188),
        (232, 262),
        0.75,
        (202, 228),
        (282, 298),
    ),
    SUMMER: _Season(
        "soil",
        "maize",
        "straw",
        0.03,
        0.93,
        (142, 194),
        (244, 274),
        (320, 340),
        0.6,
        (246, 274),
        (296, 330),
        0.7,
        (284, 320),
        (476, 508),
    ),
    GRASS: _Season(
        "soil",
        "sward",
        "hay",
        0.5,
        0.9,
        (72, 118),
        (285, 330),
        (285, 330),
        0.3,
        (176, 208),
        (248, 285),
    ),
    HOUSES: _Season(
        "tiles",
        "canopy",
        "autumn",
        0.16,
        0.42,
        (102, 138),
        (275, 312),
        (275, 312),
        0.2,
        (262, 290),
        (302, 325),
    ),
    BARE: _Season("gravel", "sward", "hay", 0.02, 0.06, (80, 130), (280, 320), (280, 320)),
    STREET: _Season("asphalt", "canopy", "autumn", 0.05, 0.16, (102, 138), (275, 312), (275, 312)),
    WORKS: _Season("concrete", "sward", "hay", 0.02, 0.06, (80, 130), (280, 320), (280, 320)),
}

#            kind:  water  wood  conif  wint  summ  grass  house bare  street works
_TEXTURE = np.array([0.02, 0.10, 0.11, 0.035, 0.04, 0.05, 0.16, 0.07, 0.05, 0.20], np.float32)
"""Standard deviation of brightness from cell to cell, relative."""
_PATCHES = np.array([0.10, 0.05, 0.05, 0.045, 0.05, 0.045, 0.04, 0.10, 0.03, 0.03], np.float32)
"""The same between patches of some 100 m."""
_UNITS = np.array([0.00, 0.10, 0.10, 0.20, 0.20, 0.14, 0.22, 0.10, 0.08, 0.40], np.float32)
"""Half the range of brightness between units (parcels, stands, street blocks), relative."""
_CALENDAR_DAYS = np.array([0, 5, 5, 9, 11, 8, 4, 8, 4, 8], np.float32)
"""Most days by which a unit is early or late."""
_CATCH_SHARE = 0.35
"""Of the parcels, those with a catch crop."""
_MOWN = 0.5
"""Share of its green cover that a meadow loses when mown, regained in some 30 days."""


class Surface(NamedTuple):
    """What of the ground's reflectance no date changes; cells [H, W].

    Attributes:
        bare, green, dry: reflectance x 10000 [C, H, W] of the soil, leaves and straw of each cell.
        kind: as in `Ground`.
        delay: days by which the unit's calendar is late.
        vigour: factor of the green cover.
        catch: most cover by catch crops, where the unit carries them, else 0.
        mown: two days of the year on which the unit is mown.
        levels: winter, summer and most dry cover, and that of a catch crop, of each cell's season.
        changes: name of a change of the season -> the days on which it begins and ends.
    """

    bare: Float32
    green: Float32
    dry: Float32
    kind: NDArray[np.uint8]
    delay: Float32
    vigour: Float32
    catch: Float32
    mown: tuple[Float32, Float32]
    levels: tuple[Float32, ...]
    changes: Mapping[str, tuple[Float32, Float32]]


_LEVELS = ("winter", "summer", "dry_share", "catch")
_CHANGES = ("up", "down", "again", "ripe", "gone", "sown", "turned")


def _of_seasons(name: str) -> Float32:
    """A field of the season of each kind."""
    return np.array([getattr(_SEASONS[kind], name) for kind in range(len(KINDS))], np.float32)


def surface(
    ground: Ground, x: Floats, y: Floats, zone: int, seed: int, bands: tuple[str, ...]
) -> Surface:
    """The reflectances of a ground's materials in some bands; x, y in metres, [H, W]."""
    unit = rehash(stream(seed, zone, "look"), ground.unit)
    kind = ground.kind
    patches = noise(stream(seed, zone, "patches"), x, y, 130.0)
    patches = (patches + noise(stream(seed, zone, "spots"), x, y, 47.0)).astype(np.float32)
    spread = (lane(ground.cell, 2) + lane(ground.cell, 3) - 1) * np.float32(2.45)
    light = (
        1
        + _TEXTURE[kind] * spread
        + _UNITS[kind] * (2 * lane(unit, 0) - 1)
        - _PATCHES[kind] * patches
    )
    bare, green, dry = (_spectra(kind, part, bands) for part in ("ground", "green", "dry"))
    bare = _roofs(ground, bare, bands)
    vigour = 0.78 + 0.28 * lane(unit, 1) - 0.035 * patches + 0.25 * _TEXTURE[kind] * spread
    late = _CALENDAR_DAYS[kind] * (2 * lane(unit, 2) - 1)
    mown = (150 + 40 * lane(unit, 3), 212 + 40 * lane(unit, 1))
    catch = (lane(unit, 3) < _CATCH_SHARE).astype(np.float32)
    levels = tuple(_of_seasons(name)[kind] for name in _LEVELS)
    days = {name: _of_seasons(name)[kind] for name in _CHANGES}
    changes = {name: (both[..., 0], both[..., 1]) for name, both in days.items()}
    return Surface(
        bare * light,
        green * light,
        dry * light,
        kind,
        late,
        vigour,
        catch * levels[3],
        mown,
        levels,
        changes,
    )


def _spectra(kind: NDArray[np.uint8], part: str, bands: tuple[str, ...]) -> Float32:
    """The spectrum [C, H, W] of the `part` (ground, green, dry) of the season of each kind."""
    rows = [_SPECTRA[getattr(_SEASONS[k], part)] for k in range(len(KINDS))]
    table = np.array(rows, np.float32)[:, [BANDS.index(band) for band in bands]]
    return np.ascontiguousarray(table.T)[:, kind]


def _roofs(ground: Ground, bare: Float32, bands: tuple[str, ...]) -> Float32:
    """Roofs of houses and works stand between asphalt, in a mixture of each cell's own."""
    most = np.where(ground.kind == HOUSES, 0.7, np.where(ground.kind == WORKS, 0.95, 0.0))
    share = most.astype(np.float32) * lane(ground.cell, 1)
    index = [BANDS.index(band) for band in bands]
    asphalt = np.array(_SPECTRA["asphalt"], np.float32)[index][:, None, None]
    mixed: Float32 = bare + share * (asphalt - bare)
    return mixed


def reflectance(surface: Surface, day: float) -> tuple[Float32, Float32]:
    """Reflectance x 10000 [C, H, W] and green cover [H, W] (0 to 1) on a day of the year.

    The day is one of the northern hemisphere (`passes.season_day`), 0 to 366.
    """
    green, dry = cover(surface, day)
    bare = surface.bare
    return bare + green * (surface.green - bare) + dry * (surface.dry - bare), green


def cover(surface: Surface, day: float) -> tuple[Float32, Float32]:
    """Shares of each cell [H, W] under green and under dry plants on a day of the year."""
    t = np.float32(day) - surface.delay
    winter, summer, most_dry, _ = surface.levels
    rise = winter + (summer - winter) * _over(surface, t, "up")
    green = rise * (1 - _over(surface, t, "down")) + winter * _over(surface, t, "again")
    if surface.catch.any():
        for year in (t, t + 366):
            standing = _over(surface, year, "sown") * (1 - _over(surface, year, "turned"))
            green = np.maximum(green, surface.catch * standing)
    green = np.clip(green * surface.vigour * _standing(surface, t), 0, 1)
    dry = most_dry * _over(surface, t, "ripe") * (1 - _over(surface, t, "gone"))
    return green, np.minimum(dry, 1 - green)


def _over(surface: Surface, t: Float32, name: str) -> Float32:
    """How far each cell is through a change of its season, 0 to 1."""
    return ramp(t, *surface.changes[name]).astype(np.float32, copy=False)


def _standing(surface: Surface, t: Float32) -> Float32:
    """Share of the green cover that mowing has left: it matters to grass alone."""
    left = np.ones(surface.kind.shape, np.float32)
    grass = surface.kind == GRASS
    if not grass.any():
        return left
    for day in surface.mown:
        cut = ramp(t, day, day + 2) * (1 - ramp(t, day + 6, day + 34))
        left = left - np.float32(_MOWN) * cut.astype(np.float32)
    return np.where(grass, left, np.float32(1))
