"""What a prep file holds.

`rois` says per ROI how it was tiled. Beside it is a block for each side of the network's input,
named by its pixels (`224`); without `input_prep: native` there is one. A block has a row per tile:
`roi` (number in `rois`), `top`, `left` (first pixel on the grid), `frames`, `real` (share of the
input that was measured, of the frames that each sensor has), `lonlat`, `gsd`; and per sensor
`pixels`, `valid` (in 255ths), `day` (-1: a frame that it lacks) and, of radar, `orbit` (number in
`ORBITS` of the direction in which each frame was taken).
An infer file has the same blocks, with `maps` and `vectors` for the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import h5py
import numpy as np

from rsweep.core.files import allocate, get_json, put, put_json
from rsweep.core.records import TiledRoi, Untiled

EPOCH = date(1970, 1, 1)
"""Day 0 of `day`."""
ORBITS = ("", "ascending", "descending")
"""Directions by number; the first is not known, or both."""
VALID_FULL = 255
"""A pixel's valid share is stored in 255ths."""

Row = TiledRoi | Untiled


@dataclass(frozen=True)
class SensorTiles:
    """What a block has of a sensor, a row per tile.

    Attributes:
        pixels: [tiles, T, C, s, s], normalised.
        valid: [tiles, T, s, s], share of each pixel in 255ths.
        day: [tiles, T], days since `EPOCH`.
        orbit: [tiles, T], of radar.
    """

    pixels: h5py.Dataset
    valid: h5py.Dataset
    day: h5py.Dataset
    orbit: h5py.Dataset | None


@dataclass(frozen=True)
class Block:
    """Tiles of one side of the network's input, a row per tile.

    Attributes:
        roi, top, left, frames, real, lonlat, gsd: the table of tiles.
        sensors: their pixels.
    """

    roi: h5py.Dataset
    top: h5py.Dataset
    left: h5py.Dataset
    frames: h5py.Dataset
    real: h5py.Dataset
    lonlat: h5py.Dataset
    gsd: h5py.Dataset
    sensors: Mapping[str, SensorTiles]


class Tile(NamedTuple):
    """A row of the table of tiles: `lon`, `lat` of its centre, `gsd` metres per pixel of input."""

    roi: int
    top: int
    left: int
    frames: int
    real: float
    lon: float
    lat: float
    gsd: float


TABLE = ("roi", "top", "left", "frames", "real", "lonlat", "gsd")


def read_rois(file: h5py.File) -> list[Row]:
    """The row of every ROI."""
    rows: list[Row] = get_json(file, "rois")
    for row in rows:
        if row["error"] is None:  # JSON has no numbers for names
            row["frames"] = {
                sensor: {int(step): frame for step, frame in by_step.items()}
                for sensor, by_step in row["frames"].items()
            }
    return rows


def write_rois(file: h5py.File, rows: Sequence[Row]) -> None:
    """Store the row of every ROI."""
    put_json(file, "rois", rows)


def blocks(file: h5py.File) -> dict[int, Block]:
    """Side of the network's input -> its block, smallest first."""
    return {side: _block(file[str(side)]) for side in sorted(int(n) for n in file if n.isdigit())}


def _block(group: h5py.Group) -> Block:
    sensors = {name: _sensor(held) for name, held in group.items() if isinstance(held, h5py.Group)}
    return Block(**{name: group[name] for name in TABLE}, sensors=sensors)


def _sensor(held: h5py.Group) -> SensorTiles:
    return SensorTiles(held["pixels"], held["valid"], held["day"], held.get("orbit"))


def create_sensor(
    block: h5py.Group, name: str, shape: tuple[int, int, int, int, int], orbits: bool
) -> SensorTiles:
    """Room for the tiles of a sensor.

    Args:
        block: where.
        name: of the sensor.
        shape: of `pixels`.
        orbits: True for radar.
    """
    (total, steps, _, size, _), group = shape, block.create_group(name)
    allocate(group, "pixels", shape, "f4")
    allocate(group, "valid", (total, steps, size, size), "u1", compress=True)
    group.create_dataset("day", data=np.full((total, steps), -1, np.int32))
    if orbits:
        group.create_dataset("orbit", data=np.zeros((total, steps), np.int8))
    return _sensor(group)


def write_table(block: h5py.Group, tiles: Sequence[Tile]) -> None:
    """Store the table of tiles."""
    numbers = np.array([tile[:4] for tile in tiles], np.int32).reshape(-1, 4)
    for column, name in enumerate(TABLE[:4]):
        put(block, name, np.ascontiguousarray(numbers[:, column]))
    put(block, "real", np.array([tile.real for tile in tiles], np.float32))
    put(block, "lonlat", np.array([(t.lon, t.lat) for t in tiles], np.float64).reshape(-1, 2))
    put(block, "gsd", np.array([tile.gsd for tile in tiles], np.float32))
