"""What the ground scatters back at C band, as Sentinel-1 sees it in VV and VH.

Backscatter by cover is invented, in the range of published C-band values at 35 to 40 degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsweep.sources.synthetic.noise import Floats, Hashes, fraction, hash2, lane, noise, stream
from rsweep.sources.synthetic.passes import Pass
from rsweep.sources.synthetic.spectra import Float32, Surface, cover
from rsweep.sources.synthetic.world import HOUSES, STREET, WATER, WORKS

BANDS = ("VV", "VH")
UNIT = 2.0**-26
"""Linear power of 1 in the whole numbers that cells are averaged in."""
DB_STEP = 1 / 256
LOOKS = 4
"""Independent looks in a pixel, as in a Sentinel-1 IW GRD (4.4)."""

#        kind: water  wood   conif  wint   summ   grass  house  bare   street works
_BARE_DB = {
    "VV": (-19.5, -9.3, -9.8, -11.2, -10.6, -12.2, -5.8, -13.0, -12.5, -3.0),
    "VH": (-27.5, -15.4, -15.2, -19.6, -19.0, -19.4, -13.4, -21.5, -20.5, -11.5),
}
"""Backscatter in dB without green plants."""
_GREEN_DB = {
    "VV": (-19.5, -9.0, -9.6, -15.5, -9.2, -12.6, -7.2, -12.8, -12.0, -5.0),
    "VH": (-27.5, -14.2, -14.8, -20.6, -14.4, -18.2, -13.9, -20.5, -19.0, -12.5),
}
"""The same under full green cover: stems of cereals take VV away, leaves of maize add VH."""
_SOAKED = np.array([0, 0.1, 0.1, 1, 1, 0.6, 0.1, 0.6, 0.1, 0.05], np.float32)
"""How much of the effect of rain each kind shows, where it is bare."""


class Echo(NamedTuple):
    """What of the backscatter no date changes; cells [H, W] or [2, H, W], linear power."""

    bare: Float32
    green: Float32
    facing: Float32


def echo(surface: Surface, unit: Hashes, x: Floats, y: Floats, seed: int, zone: int) -> Echo:
    """The lasting backscatter of a surface whose units (parcels, blocks) have these hashes.

    `facing` is how much more the unit scatters towards one orbit direction than the other.
    """
    kind = surface.kind
    bare, green = (_power(table)[:, kind] for table in (_BARE_DB, _GREEN_DB))
    rough = noise(stream(seed, zone, "rough"), x, y, 90.0).astype(np.float32)
    light = 1 + np.float32(0.06) * rough + np.float32(0.3) * (lane(unit, 2) - np.float32(0.5))
    built = (kind == HOUSES) | (kind == WORKS) | (kind == STREET)
    facing = np.where(built, 0.45, 0.08).astype(np.float32) * (2 * lane(unit, 3) - 1)
    return Echo(bare * light, green * light, facing)


def _power(table: Mapping[str, tuple[float, ...]]) -> Float32:
    """Linear power [2, kinds]; as float32 it is the same whichever pow the machine has."""
    return np.array([[10 ** (db / 10) for db in table[band]] for band in BANDS], np.float32)


def backscatter(
    one: Pass, steady: Echo, surface: Surface, cell: Hashes, day: float
) -> NDArray[np.int64]:
    """Linear power in units of `UNIT`, [2, H, W] by `BANDS`, of cells with these hashes."""
    green, _ = cover(surface, day)
    rain = 1 + 0.55 * fraction(one.key("rain")) * _SOAKED[surface.kind] * (1 - green)
    gust = fraction(one.key("wind"))
    wind = 0.45 + 2.6 * gust * gust
    power = (steady.bare + green * (steady.green - steady.bare)) * rain
    power = power * np.where(surface.kind == WATER, np.float32(wind), np.float32(1))
    side = 1 if one.orbit == "ascending" else -1
    power = power * (1 + side * steady.facing)
    speckled = np.stack(
        [power[k] * _speckle(one.key("speckle", b), cell) for k, b in enumerate(BANDS)]
    )
    return np.maximum(np.rint(speckled / UNIT), 1).astype(np.int64)


def _speckle(key: int, cell: Hashes) -> Float32:
    """The mean of `LOOKS` exponential numbers per cell: gamma of mean 1."""
    words = hash2(key, cell.astype(np.int64), np.zeros_like(cell, dtype=np.int64))
    product = np.ones(cell.shape, np.float64)
    for number in range(LOOKS):
        product *= lane(words, number).astype(np.float64) + 1 / 131072
    return (log2(product) * (-0.6931471805599453 / LOOKS)).astype(np.float32)


def decibels(power: Floats) -> Float32:
    """10 log10 of linear power, to the nearest `DB_STEP`."""
    exact = log2(np.asarray(power, np.float64)) * 3.010299956639812
    values: Float32 = (np.rint(exact / DB_STEP) * DB_STEP).astype(np.float32)
    return values


def log2(values: Floats) -> Floats:
    """Base-2 logarithm of positive numbers by arithmetic alone, to 1e-12: alike everywhere.

    (numpy's differs in the last bit between processors.)
    """
    part, power = np.frexp(values)
    low = part < 0.7071067811865476
    part, power = np.where(low, part * 2, part), np.where(low, power - 1, power)
    s = (part - 1) / (part + 1)
    square = s * s
    series = np.zeros_like(part)
    for odd in range(17, 0, -2):
        series = series * square + 1 / odd
    logarithm: Floats = power + 2.8853900817779268 * s * series
    return logarithm
