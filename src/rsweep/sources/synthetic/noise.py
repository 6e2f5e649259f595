"""Hashes of lattice points and the noise made of them: no state, the same bytes everywhere."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_STEP_I = 0x9E3779B97F4A7C15  # odd, so that a step along either axis visits every 64-bit number
_STEP_J = 0xC2B2AE3D27D4EB4F
_WORD = 2**64 - 1
_TURNS = ((0.8, 0.6), (12 / 13, 5 / 13), (15 / 17, 8 / 17), (24 / 25, 7 / 25), (5 / 13, 12 / 13))
"""Cosine and sine of rotations with rational entries: no lattice is parallel to the pixels."""
_NOISE_STD = 0.176
"""Standard deviation of the raw gradient noise below (measured over 10^6 points)."""


@functools.lru_cache(maxsize=4096)
def stream(seed: int, zone: int, *names: str | int) -> int:
    """A 64-bit key for one use of noise in the world `seed` and UTM zone `zone` (EPSG code)."""
    text = "|".join(map(str, (seed, zone, *names)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def fraction(key: int) -> float:
    """A number in [0, 1) from a key."""
    return (key >> 11) / 2**53


def mix(words: Hashes) -> Hashes:
    """Scramble 64-bit words (the finaliser of MurmurHash3 with Stafford's 13th constants)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def lattice(key: int, i: Ints, j: Ints) -> Hashes:
    """Unscrambled words of lattice points: `mix` of them is their hash."""
    return (
        i.astype(np.uint64) * np.uint64(_STEP_I)
        + j.astype(np.uint64) * np.uint64(_STEP_J)
        + np.uint64(key)
    )


def hash2(key: int, i: Ints, j: Ints) -> Hashes:
    """A hash per lattice point."""
    return mix(lattice(key, i, j))


def rehash(key: int, words: Hashes) -> Hashes:
    """A second hash of hashed things (parcels, estates), by a key of its own."""
    return mix(words ^ np.uint64(key))


def lane(words: Hashes, number: int) -> NDArray[np.float32]:
    """One of the four 16-bit numbers in a hash (0 to 3), as a float32 in [0, 1)."""
    part = (words >> np.uint64(16 * number)) & np.uint64(0xFFFF)
    return part.astype(np.float32) * np.float32(1 / 65536)


def ramp(t: Floats, start: float | Floats, end: float | Floats) -> Floats:
    """0 before start, 1 after end, smooth between (3s^2 - 2s^3)."""
    s = np.clip((t - start) / (end - start), 0, 1)
    rise: Floats = s * s * (3 - 2 * s)
    return rise


def noise(key: int, x: Floats, y: Floats, size_m: float) -> Floats:
    """Gradient noise of mean 0 and standard deviation about 1, in features of `size_m` metres.

    Args:
        key: see `stream`.
        x, y: positions in metres, float64 arrays of one shape.
        size_m: side of a lattice square; the lattice is rotated, by the key.
    """
    cos, sin = _TURNS[key % len(_TURNS)]
    u = (x * cos + y * sin) / size_m + fraction(key) * 97
    v = (y * cos - x * sin) / size_m + fraction(key * _STEP_I & _WORD) * 89
    floor_u, floor_v = np.floor(u), np.floor(v)
    slopes = _corners(key, floor_u.astype(np.int64), floor_v.astype(np.int64))
    fu, fv = u - floor_u, v - floor_v
    west, east, south, north = _ease(fu), fu - 1, _ease(fv), fv - 1
    low = _between(slopes(0, 0, fu, fv), slopes(1, 0, east, fv), west)
    high = _between(slopes(0, 1, fu, north), slopes(1, 1, east, north), west)
    return _between(low, high, south) * (1 / _NOISE_STD)


def _corners(key: int, i: Ints, j: Ints) -> Callable[[int, int, Floats, Floats], Floats]:
    """What the random gradient of a corner of each position's square adds at an offset from it.

    The corner is given by steps (0 or 1) along both axes. Where positions are closer together than
    lattice points, the gradients are worked out once per point and looked up.
    """
    if i.size == 0:
        return lambda di, dj, du, dv: np.zeros(i.shape)
    low_i, low_j = int(i.min()), int(j.min())
    rows, cols = int(i.max()) - low_i + 2, int(j.max()) - low_j + 2
    if rows * cols > i.size:
        return lambda di, dj, du, dv: _slope(*_gradients(lattice(key, i + di, j + dj)), du, dv)
    across = np.arange(low_i, low_i + rows)[:, None]
    gu, gv = (g.ravel() for g in _gradients(lattice(key, across, np.arange(low_j, low_j + cols))))
    at = (i - low_i) * cols + (j - low_j)

    def slope(di: int, dj: int, du: Floats, dv: Floats) -> Floats:
        corner = at + (di * cols + dj)
        return _slope(gu.take(corner), gv.take(corner), du, dv)

    return slope


def fractal(key: int, x: Floats, y: Floats, size_m: float, octaves: int) -> Floats:
    """`octaves` of noise, each half as large and half as strong; standard deviation about 1."""
    total = noise(key, x, y, size_m)
    power = 1.0
    for octave in range(1, octaves):
        gain = 0.5**octave
        power += gain * gain
        total = total + gain * noise((key + octave * _STEP_J) & _WORD, x, y, size_m * gain)
    scaled: Floats = total * (1 / float(np.sqrt(power)))
    return scaled


def _gradients(words: Hashes) -> tuple[Floats, Floats]:
    """The random gradients of lattice points, of their unscrambled words."""
    words = mix(words)
    gu = (words & np.uint64(0xFFFF)).astype(np.float64) * (1 / 32768) - 1
    gv = ((words >> np.uint64(16)) & np.uint64(0xFFFF)).astype(np.float64) * (1 / 32768) - 1
    return gu, gv


def _slope(gu: Floats, gv: Floats, du: Floats, dv: Floats) -> Floats:
    slope: Floats = gu * du + gv * dv
    return slope


def _ease(t: Floats) -> Floats:
    """From 0 to 1 with no kink in the slope or the curvature (6t^5 - 15t^4 + 10t^3)."""
    eased: Floats = t * t * t * (t * (t * 6 - 15) + 10)
    return eased


def _between(a: Floats, b: Floats, eased: Floats) -> Floats:
    between: Floats = a + (b - a) * eased
    return between
