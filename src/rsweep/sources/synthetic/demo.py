"""ROI tables of the studies on the invented world, drawn from the world itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from pyproj import Transformer

from rsweep.sources.synthetic.noise import fraction, stream
from rsweep.sources.synthetic.world import CLASSES, land_cover

COLUMNS = ("id", "lon", "lat", "buffer_m", "land_cover")


@dataclass(frozen=True)
class Places:
    """What a table is drawn by.

    Attributes:
        name: of the table, and the beginning of its ids.
        groups: labels, and the classes of the world that each of them is.
        buffer_m: half a side of a ROI, metres.
        clusters: squares of 10 km, with one ROI of each label in each.
    """

    name: str
    groups: Mapping[str, tuple[str, ...]]
    buffer_m: int
    clusters: int


FOREST = ("broadleaf_forest", "conifer_forest")
TABLES = {
    places.name: places
    for places in (
        Places(
            "demo",
            {
                "water": ("water",),
                "forest": FOREST,
                "cropland": ("winter_crop", "summer_crop"),
                "grassland": ("grassland",),
                "built_up": ("built_up",),
                "bare": ("bare",),
            },
            buffer_m=240,
            clusters=8,
        ),
        Places(
            "crops",
            {
                "winter_crop": ("winter_crop",),
                "summer_crop": ("summer_crop",),
                "grassland": ("grassland",),
                "forest": FOREST,
            },
            buffer_m=60,
            clusters=34,
        ),
    )
}
"""Land cover that one date tells, and what only a season tells: crops, in fields of about a ROI."""
ZONE = 32632
CORNER = (470_000, 5_570_000)
"""South-western corner of the area in zone 32 north, metres: 60 km a side around 9 E, 50.5 N."""
SIDE_M = 60_000
CLUSTER_M = 10_000
SPACING_M = 600
"""Between candidates: above twice the buffer, so that no two ROIs overlap."""
_POINTS = 12  # a side of a ROI, at which its cover is looked up


class Sample(NamedTuple):
    """A row of a table: degrees (EPSG:4326), metres, and one of its labels."""

    id: str
    lon: float
    lat: float
    buffer_m: int
    land_cover: str


def sample_rois(places: Places, seed: int = 0, purity: float = 0.8) -> list[Sample]:
    """ROIs in squares of 10 km, one of each label in each.

    Every square has every label, so that squares can be left out in turn (spatial
    cross-validation) without leaving a label unseen.

    Args:
        places: which table.
        seed: of the world.
        purity: least share of a ROI that its label covers.

    Raises:
        ValueError: there are fewer squares with a ROI of every label.
    """
    complete = (rois for square in _squares(seed) if (rois := _pick(places, seed, square, purity)))
    found = list(islice(complete, places.clusters))
    if len(found) < places.clusters:
        raise ValueError(
            f"clusters is {places.clusters}; the area has {len(found)} with every label"
        )
    to_degrees = Transformer.from_crs(ZONE, 4326, always_xy=True)
    rows: list[Sample] = []
    for label, x, y in (roi for rois in found for roi in rois):
        lon, lat = (round(degrees, 5) for degrees in to_degrees.transform(x, y))
        name = f"{places.name}-{len(rows) + 1:02d}"
        rows.append(Sample(name, lon, lat, places.buffer_m, label))
    return rows


def _squares(seed: int) -> list[tuple[int, int]]:
    """South-western corners of the squares of the area, in an order of the seed's own."""
    steps = range(0, SIDE_M, CLUSTER_M)
    corners = [(CORNER[0] + dx, CORNER[1] + dy) for dx in steps for dy in steps]
    return sorted(corners, key=lambda c: stream(seed, ZONE, "square", *c))


def _pick(
    places: Places, seed: int, square: tuple[int, int], purity: float
) -> list[tuple[str, int, int]]:
    """One ROI (label, x, y) of each label in a square, or none at all."""
    chosen: dict[str, tuple[float, str, int, int]] = {}
    for label, x, y in _candidates(places, seed, square, purity):
        rank = fraction(stream(seed, ZONE, "pick", x, y))
        chosen[label] = min(chosen.get(label, (2.0, label, x, y)), (rank, label, x, y))
    complete = len(chosen) == len(places.groups)
    return [chosen[label][1:] for label in places.groups] if complete else []


def _candidates(
    places: Places, seed: int, square: tuple[int, int], purity: float
) -> Iterator[tuple[str, int, int]]:
    """Places in a square of which one label covers enough."""
    half = places.buffer_m
    steps = np.arange(SPACING_M // 2, CLUSTER_M - SPACING_M // 2, SPACING_M)
    inside = (np.arange(_POINTS) + 0.5) * (2 * half / _POINTS) - half
    x = square[0] + steps[:, None, None, None] + inside[None, None, :, None]
    y = square[1] + steps[None, :, None, None] + inside[None, None, None, :]
    cover = land_cover(x, y, ZONE, seed)
    for label, names in places.groups.items():
        share = np.isin(cover, [CLASSES.index(name) for name in names]).mean(axis=(2, 3))
        for i, j in np.argwhere(share >= purity):
            yield label, int(square[0] + steps[i]), int(square[1] + steps[j])


def table(rows: list[Sample]) -> str:
    """The rows as CSV text, with a header."""
    lines = [",".join(COLUMNS)]
    lines += [
        f"{row.id},{row.lon:.5f},{row.lat:.5f},{row.buffer_m},{row.land_cover}" for row in rows
    ]
    return "\n".join(lines) + "\n"
