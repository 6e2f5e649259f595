"""What is on the ground at each position of the world, for all time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsweep.sources.synthetic.cells import CELL_M
from rsweep.sources.synthetic.fields import Estates, Parcels, estates, parcels
from rsweep.sources.synthetic.noise import (
    Floats,
    Hashes,
    fractal,
    hash2,
    lane,
    noise,
    ramp,
    stream,
)

CLASSES = (
    "water",
    "broadleaf_forest",
    "conifer_forest",
    "winter_crop",
    "summer_crop",
    "grassland",
    "built_up",
    "bare",
)
"""Names of the labels that `land_cover` returns, by number."""

KINDS = (*CLASSES, "street", "works")
"""What differs in what it reflects: the classes (built_up: houses with gardens), and two more."""
LABEL_OF_KIND = np.array([*range(len(CLASSES)), 6, 6], np.uint8)
WATER, BROADLEAF, CONIFER, WINTER, SUMMER, GRASS, HOUSES, BARE, STREET, WORKS = range(len(KINDS))

Kinds = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class Ground(NamedTuple):
    """The world at some positions.

    Attributes:
        kind: uint8, an index of `KINDS`.
        unit: hash of the parcel, street block or stand, which shares a look and a calendar.
        cell: hash of the 10 m cell.
    """

    kind: Kinds
    unit: Hashes
    cell: Hashes


class _Place(NamedTuple):
    """Positions in metres, and the same bent so that nothing that people lay out is straight."""

    zone: int
    seed: int
    x: Floats
    y: Floats
    bent_x: Floats
    bent_y: Floats

    def field(self, name: str, size_m: float, octaves: int) -> Floats:
        """Noise of a name at the positions, with forms of about `size_m` metres; no unit."""
        return fractal(stream(self.seed, self.zone, name), self.x, self.y, size_m, octaves)


def land_cover(x: Any, y: Any, zone: int, seed: int = 0) -> Kinds:
    """Label of the 10 m cells in which positions lie: uint8, an index of `CLASSES`.

    Args:
        x, y: metres in the UTM zone, numbers or arrays of one shape (y up, as on a map).
        zone: EPSG code of the zone: 32601 to 32660 north, 32701 to 32760 south.
        seed: the world's.
    """
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    centre_x, centre_y = ((np.floor(v / CELL_M) + 0.5) * CELL_M for v in (x, y))
    shape = centre_x.shape
    kind = ground(centre_x.reshape(-1), centre_y.reshape(-1), zone, seed).kind
    return LABEL_OF_KIND[kind].reshape(shape)


def ground(x: Floats, y: Floats, zone: int, seed: int) -> Ground:
    """What is at the centres of 10 m cells; x, y in metres, float64 arrays of one shape."""
    place = _bend(x, y, zone, seed)
    own = estates(stream(seed, zone, "estate"), place.bent_x, place.bent_y)
    plot = parcels(stream(seed, zone, "parcel"), place.bent_x, place.bent_y, own.id, 150.0, 170.0)
    i, j = (np.floor(v / CELL_M).astype(np.int64) for v in (x, y))
    cell = hash2(stream(seed, zone, "cell"), i, j)
    relief = place.field("relief", 16_000, 4)
    river_m = _river_distance(place)
    kind, unit = _farmland(place, own, plot, river_m), plot.id
    kind = _forest(place, plot, relief, kind)
    kind = np.where(_open_rock(place, plot, relief), BARE, kind)
    kind, unit = _town(place, own, plot, relief, kind, unit)
    kind = _lanes(own, plot, cell, kind)
    kind = _waters(place, relief, river_m, cell, kind)
    return Ground(kind.astype(np.uint8), unit, cell)


def _bend(x: Floats, y: Floats, zone: int, seed: int) -> _Place:
    shift = [
        260.0 * noise(stream(seed, zone, "bend", axis), x, y, 4200.0)
        + 22.0 * noise(stream(seed, zone, "sway", axis), x, y, 620.0)
        for axis in "xy"
    ]
    return _Place(zone, seed, x, y, x + shift[0], y + shift[1])


def _river_distance(place: _Place) -> Floats:
    """Metres to the nearest river, less than the river's half width is in it (roughly)."""
    river = _contour_distance(place, "river", 19_000.0, 4)
    brook = _contour_distance(place, "brook", 5_200.0, 3)
    half = 42.0 + 16.0 * noise(stream(place.seed, place.zone, "width"), place.x, place.y, 3000.0)
    distance: Floats = np.minimum(river - np.maximum(half, 14.0), brook - 6.0)
    return distance


def _contour_distance(place: _Place, name: str, size_m: float, octaves: int) -> Floats:
    """Metres to where a field is 0, by its value and slope."""
    step = 10.0
    here = place.field(name, size_m, octaves)
    east = place._replace(x=place.x + step).field(name, size_m, octaves)
    north = place._replace(y=place.y + step).field(name, size_m, octaves)
    slope = np.sqrt((east - here) ** 2 + (north - here) ** 2) / step
    distance: Floats = np.abs(here) / np.maximum(slope, 1e-5)
    return distance


def _farmland(place: _Place, own: Estates, plot: Parcels, river_m: Floats) -> Kinds:
    """Grass on wet and poor land, elsewhere two crops, of which an estate prefers one."""
    pasture = place.field("pasture", 4_500, 3)
    share = 0.14 + 0.8 * ramp(pasture, 0.45, 1.0) + 0.5 * (1 - ramp(river_m, 120.0, 420.0))
    winter = 0.22 + 0.56 * lane(own.id, 2)
    crop = np.where(lane(plot.id, 1) < winter, WINTER, SUMMER)
    kind = np.where(lane(plot.id, 0) < share, GRASS, crop)
    return np.where(lane(plot.id, 2) < 0.025, BROADLEAF, kind).astype(np.uint8)


def _forest(place: _Place, plot: Parcels, relief: Floats, kind: Kinds) -> Kinds:
    """Woods on the higher land; their edges follow parcels here and nature there."""
    wood = place.field("forest", 5_200, 6) + 0.45 * relief
    wood = wood + 0.4 * (lane(plot.id, 3) - 0.5)
    needles = place.field("conifer", 1_900, 3) + 0.35 * relief
    needles = needles + 0.8 * (lane(plot.id, 1) - 0.5)
    trees = np.where(needles > 0.15, CONIFER, BROADLEAF)
    return np.where(wood > 0.72, trees, kind)


def _open_rock(place: _Place, plot: Parcels, relief: Floats) -> Mask:
    """Quarries, gravel and screes."""
    rock = place.field("rock", 4_800, 5) + 0.25 * relief + 0.15 * (lane(plot.id, 2) - 0.5)
    bare: Mask = rock > 1.75
    return bare


def _town(
    place: _Place, own: Estates, plot: Parcels, relief: Floats, kind: Kinds, unit: Hashes
) -> tuple[Kinds, Hashes]:
    """Towns and villages: street blocks of houses and works, and a park now and then."""
    urban = place.field("town", 8_500, 4) - 0.2 * relief
    village = noise(stream(place.seed, place.zone, "village"), place.x, place.y, 2_300.0)
    jitter = 0.3 * (lane(plot.id, 3) - 0.5)
    settled = (urban + jitter > 1.5) | (village + jitter > 2.15)
    block = parcels(
        stream(place.seed, place.zone, "block"), place.bent_x, place.bent_y, own.id, 70.0, 60.0
    )
    works = lane(block.id, 0) < 0.1 + 0.35 * ramp(urban, 1.7, 2.6)
    inside = np.where(works, WORKS, HOUSES)
    inside = np.where(lane(block.id, 1) < 0.06, GRASS, inside)
    inside = np.where(lane(block.id, 1) > 0.97, BROADLEAF, inside)
    inside = np.where(block.edge_m < 5.0, STREET, inside)
    return np.where(settled, inside, kind), np.where(settled, block.id, unit)


def _lanes(own: Estates, plot: Parcels, cell: Hashes, kind: Kinds) -> Kinds:
    """Lanes between estates with their tree rows, and hedges between parcels."""
    open_land = (kind == WINTER) | (kind == SUMMER) | (kind == GRASS)
    gaps = lane(cell, 0) < 0.8
    hedge = (plot.edge_m < 6.0) & (lane(own.id, 3) < 0.4) & gaps & open_land
    row = (own.edge_m < 19.0) & (lane(own.lane, 1) < 0.45) & gaps & open_land
    verge = (plot.edge_m < 4.0) & open_land
    kind = np.where(verge, GRASS, kind)
    kind = np.where(hedge | row, BROADLEAF, kind)
    paved = lane(own.lane, 0) < 0.75
    return np.where((own.edge_m < 6.5) & paved, STREET, kind)


def _waters(place: _Place, relief: Floats, river_m: Floats, cell: Hashes, kind: Kinds) -> Kinds:
    """Lakes in the lower land, and rivers and brooks between trees."""
    lake = place.field("lake", 6_500, 5) - 0.4 * relief
    banks = (river_m < 11.0) & (lane(cell, 1) < 0.7) & (kind != STREET) & (kind != HOUSES)
    kind = np.where(banks, BROADLEAF, kind)
    kind = np.where((river_m < 0) & (kind != STREET) | (river_m < -9.0), WATER, kind)
    return np.where(lake > 1.7, WATER, kind)
