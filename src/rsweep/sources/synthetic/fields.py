"""Farmland: estates with lanes between them, cut into parcels that follow each estate's own lie."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rsweep.sources.synthetic.noise import Floats, Hashes, Ints, hash2, lane, rehash

ESTATE_M = 1500.0
_FAR_M2 = 1e18


class Estates(NamedTuple):
    """Which estate each position is in.

    Attributes:
        id: hash of the estate.
        lane: hash of the lane to the nearest neighbour, the same from both sides.
        edge_m: metres to that lane.
    """

    id: Hashes
    lane: Hashes
    edge_m: Floats


class Parcels(NamedTuple):
    """Which parcel each position is in: its hash, and metres to its boundary."""

    id: Hashes
    edge_m: Floats


def estates(key: int, x: Floats, y: Floats) -> Estates:
    """Voronoi cells of one point in each `ESTATE_M` square; x, y in metres, of one shape."""
    i, j = (np.floor(v / ESTATE_M).astype(np.int64) for v in (x, y))
    near, second = (_nowhere(x), _nowhere(x))
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            near, second = _closer(_seat(key, i + di, j + dj, x, y), near, second)
    gap = np.sqrt((near[1] - second[1]) ** 2 + (near[2] - second[2]) ** 2)
    edge = (second[0] - near[0]) / (2 * np.maximum(gap, 1.0))
    return Estates(near[3], near[3] ^ second[3], edge)


_Seat = tuple[Floats, Floats, Floats, Hashes]  # squared distance, offset in x and y, hash


def _nowhere(x: Floats) -> _Seat:
    return np.full(x.shape, _FAR_M2), x, x, np.zeros(x.shape, np.uint64)


def _seat(key: int, i: Ints, j: Ints, x: Floats, y: Floats) -> _Seat:
    words = hash2(key, i, j)
    dx = (i + 0.1 + 0.8 * lane(words, 0).astype(np.float64)) * ESTATE_M - x
    dy = (j + 0.1 + 0.8 * lane(words, 1).astype(np.float64)) * ESTATE_M - y
    return dx * dx + dy * dy, dx, dy, words


def _closer(new: _Seat, near: _Seat, second: _Seat) -> tuple[_Seat, _Seat]:
    first, other = new[0] < near[0], new[0] < second[0]
    runner_up = [
        np.where(first, n, np.where(other, c, s)) for c, n, s in zip(new, near, second, strict=True)
    ]
    nearest = [np.where(first, c, n) for c, n in zip(new, near, strict=True)]
    return _as_seat(nearest), _as_seat(runner_up)


def _as_seat(parts: list[Any]) -> _Seat:
    return parts[0], parts[1], parts[2], parts[3]


def parcels(
    key: int, x: Floats, y: Floats, estate: Hashes, least_m: float, span_m: float
) -> Parcels:
    """Rows of rectangles along the lie of each estate, no two rows cut alike.

    Args:
        key: see `noise.stream`.
        x, y: metres, of one shape.
        estate: hash of the estate at each position.
        least_m: smallest depth of a row; a parcel is up to half as long again as deep.
        span_m: what the depth varies by from estate to estate.
    """
    own = rehash(key, estate)
    along, across = _turned(own, x, y)
    depth = least_m + span_m * lane(own, 2).astype(np.float64)
    row, edge = _slot(rehash(1, own), across, depth)
    row_hash = mixed_with(own, row)
    width = depth * (0.8 + lane(row_hash, 0).astype(np.float64))
    column, side = _slot(row_hash, along + width * lane(row_hash, 1), width)
    return Parcels(mixed_with(row_hash, column), np.minimum(edge, side))


def mixed_with(words: Hashes, number: Ints) -> Hashes:
    """The hash of a numbered part of a hashed thing."""
    return hash2(0, words.astype(np.int64), number)


def _turned(words: Hashes, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Positions in axes turned by an angle that the hash gives."""
    a = lane(words, 0).astype(np.float64) - 0.5
    b = lane(words, 1).astype(np.float64) + 0.1
    norm = np.sqrt(a * a + b * b)
    a, b = a / norm, b / norm
    return x * a + y * b, y * a - x * b


def _slot(words: Hashes, position: Floats, size: Floats) -> tuple[Ints, Floats]:
    """Which uneven slot of mean `size` a position is in, and metres to the nearer end of it."""
    k = np.floor(position / size).astype(np.int64)
    k = np.where(position < _end(words, k, size), k - 1, k)
    k = np.where(position >= _end(words, k + 1, size), k + 1, k)
    low, high = _end(words, k, size), _end(words, k + 1, size)
    return k, np.minimum(position - low, high - position)


def _end(words: Hashes, k: Ints, size: Floats) -> Floats:
    jitter = lane(mixed_with(words, k), 3).astype(np.float64) * 0.5 - 0.25
    end: Floats = (k + jitter) * size
    return end
