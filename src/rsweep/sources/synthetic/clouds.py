"""Clouds, cirrus and their shadows over an overflight, and how much of a tile they cover."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsweep.sources.synthetic.noise import Floats, fractal, fraction, noise, ramp
from rsweep.sources.synthetic.passes import Pass, season_day
from rsweep.sources.synthetic.spectra import BANDS, Float32

TILE_M = 100_000
"""Side of the square whose cloud share a scene is listed with, like a Sentinel-2 tile's."""
_SAMPLES = 40  # a side, of a tile
CLOUDY = 0.25
"""From this share of cloud on, a sample of a tile counts as cloudy."""

CLOUD = np.array(
    [5200, 5300, 5350, 5500, 5650, 5800, 5900, 6000, 6050, 5600, 900, 4600, 3500], np.float32
)
"""Reflectance x 10000 of an opaque cloud, by `spectra.BANDS`; invented, ice absorbs at 1.6+ µm."""
CIRRUS = np.array(
    [2600, 2500, 2450, 2400, 2400, 2450, 2450, 2500, 2500, 2400, 700, 1900, 1500], np.float32
)
SHADE = np.array(
    [0.40, 0.46, 0.52, 0.58, 0.62, 0.64, 0.66, 0.67, 0.67, 0.67, 0.5, 0.70, 0.72], np.float32
)
"""Share of light that a full shadow takes: less of the blue, which the sky scatters into it."""
HAZE = np.array([160, 110, 60, 40, 30, 20, 15, 10, 10, 10, 2, 5, 3], np.float32)
"""Reflectance x 10000 that the haziest scene adds, left over by the correction."""
_QUANTILES = (
    -4.5,
    -2.33,
    -1.65,
    -1.28,
    -0.84,
    -0.52,
    -0.25,
    0.0,
    0.25,
    0.52,
    0.84,
    1.28,
    1.65,
    2.33,
    4.5,
)
_AT = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Quantiles of a normal field, to which `noise.fractal` is close."""


class Sky(NamedTuple):
    """What is between the sensor and the ground: shares from 0 to 1, float32, [H, W].

    Attributes:
        cloud: of opaque cloud.
        cirrus: of thin high cloud.
        shadow: of a full shadow.
        tone: brightness of the cloud, about 1.
    """

    cloud: Float32
    cirrus: Float32
    shadow: Float32
    tone: Float32


def sky(one: Pass, x: Floats, y: Floats, cloudiness: float) -> Sky:
    """The sky of an overflight at positions in metres, arrays of one shape."""
    east, north = _shadow_offset(one)
    cloud = _cloud(one, x, y, cloudiness)
    shadow = _cloud(one, x - east, y - north, cloudiness) * (1 - cloud)
    tone = _tone(one, x, y) if cloud.any() else np.ones(x.shape)
    layers = (cloud, _cirrus(one, x, y, cloudiness), shadow, tone)
    return Sky(*(layer.astype(np.float32) for layer in layers))


def _tone(one: Pass, x: Floats, y: Floats) -> Floats:
    """Thick and thin of the clouds."""
    tone: Floats = np.clip(0.88 + 0.11 * fractal(one.key("tone"), x, y, 1_500.0, 3), 0.5, 1.25)
    return tone


def mean_cover(one: Pass, cloudiness: float) -> float:
    """Cloud share of an overflight, before its regions differ: 0 and 1 are the commonest.

    Its mean over overflights is `cloudiness`: uniform chance, cut off below and above.
    """
    middle, width = 1 - cloudiness, 2 * min(0.25, cloudiness, 1 - cloudiness)
    chance = fraction(one.key("cover"))
    if width == 0:
        return float(round(cloudiness))
    return min(1.0, max(0.0, (chance - middle) / width + 0.5))


def _cloud(one: Pass, x: Floats, y: Floats, cloudiness: float) -> Floats:
    cover = mean_cover(one, cloudiness)
    if cover in (0.0, 1.0):
        return np.full(x.shape, cover)
    chance = fraction(one.key("size"))
    size_m = 1_200.0 + 9_000.0 * chance * chance
    region = noise(one.key("region"), x, y, 40_000.0)
    local = np.clip(cover + 0.8 * cover * (1 - cover) * region, 0, 1)
    threshold = _quantile(1 - local)
    return ramp(fractal(one.key("cloud"), x, y, size_m, 6), threshold - 0.22, threshold + 0.28)


def _quantile(share: Floats) -> Floats:
    """The value that a field exceeds on 1 - share of the ground (numpy's interp may fuse steps)."""
    at, value = np.array(_AT), np.array(_QUANTILES)
    k = np.clip(np.searchsorted(at, share, side="right") - 1, 0, len(at) - 2)
    slope = np.diff(value) / np.diff(at)
    between: Floats = value[k] + (share - at[k]) * slope[k]
    return between


def _cirrus(one: Pass, x: Floats, y: Floats, cloudiness: float) -> Floats:
    """Streaks, on one overflight in four or so of a world of ordinary cloudiness."""
    if fraction(one.key("cirrus?")) >= min(1.0, 0.7 * cloudiness):
        return np.zeros(x.shape)
    streaks = fractal(one.key("cirrus"), x + 0.4 * y, 5 * (y - 0.4 * x), 9_000.0, 4)
    return 0.5 * ramp(streaks, 0.1, 2.2)


def _shadow_offset(one: Pass) -> tuple[float, float]:
    """Metres east and north from a cloud to its shadow: at mid-morning, to the north-west."""
    winter = abs(season_day(one.time, one.zone, one.seed) - 172) / 194  # 0 at midsummer
    height = 700.0 + 1500.0 * fraction(one.key("height"))
    length = height * (0.55 + 1.7 * winter * winter)  # cotangent of the sun's height at 50 degrees
    north = -0.83 if one.zone > 32700 else 0.83
    return -0.56 * length, north * length


@functools.lru_cache(maxsize=4096)
def cloud_pct(one: Pass, cloudiness: float, tile: tuple[int, int]) -> float:
    """Percent of a tile (its column and row, of `TILE_M`) under cloud or cirrus, to 0.01."""
    at = (np.arange(_SAMPLES) + 0.5) * (TILE_M / _SAMPLES)
    x = np.broadcast_to(tile[0] * TILE_M + at[None], (_SAMPLES, _SAMPLES)).copy()
    y = np.broadcast_to(tile[1] * TILE_M + at[:, None], (_SAMPLES, _SAMPLES)).copy()
    cloud = np.maximum(_cloud(one, x, y, cloudiness), _cirrus(one, x, y, cloudiness))
    return round(100 * int((cloud >= CLOUDY).sum()) / cloud.size, 2)


def veil(one: Pass, ground: Float32, above: Sky, bands: tuple[str, ...]) -> Float32:
    """Reflectance x 10000 [C, H, W] of a ground seen through the sky of an overflight."""
    index = [BANDS.index(band) for band in bands]
    cloud, cirrus, shade, haze = (t[index][:, None, None] for t in (CLOUD, CIRRUS, SHADE, HAZE))
    ground = ground * (0.97 + 0.06 * fraction(one.key("gain"))) + haze * fraction(one.key("haze"))
    seen = ground * (1 - shade * above.shadow)
    seen = seen + above.cirrus * (cirrus - seen)
    veiled: Float32 = seen + above.cloud * (cloud * above.tone - seen)
    return veiled


def classes(
    cloud: NDArray[np.int64],
    cirrus: NDArray[np.int64],
    shadow: NDArray[np.int64],
    green: NDArray[np.int64],
    water: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Sentinel-2 scene classification from percents: cloud, cirrus, shadow, green cover, water.

    4 vegetation, 5 not vegetated, 6 water, 7 unclassified (the rim of a cloud), 3 shadow,
    10 cirrus, 8 and 9 cloud of medium and high probability; 0 is left to the swath.
    """
    scl = np.where(green >= 30, 4, 5)
    scl = np.where(water >= 50, 6, scl)
    scl = np.where(cloud >= 8, 7, scl)
    scl = np.where(shadow >= 25, 3, scl)
    scl = np.where(cirrus >= 12, 10, scl)
    scl = np.where(cloud >= 25, 8, scl)
    return np.where(cloud >= 60, 9, scl).astype(np.uint8)
