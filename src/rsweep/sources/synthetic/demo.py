"""The ROI table of the default study, drawn from the world itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import numpy as np
from pyproj import Transformer

from rsweep.sources.synthetic.noise import fraction, stream
from rsweep.sources.synthetic.world import CLASSES, land_cover

COLUMNS = ("id", "lon", "lat", "buffer_m", "land_cover")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "water": ("water",),
    "forest": ("broadleaf_forest", "conifer_forest"),
    "cropland": ("winter_crop", "summer_crop"),
    "grassland": ("grassland",),
    "built_up": ("built_up",),
    "bare": ("bare",),
}
"""Labels of the table, and the classes of the world that each of them is."""
ZONE = 32632
CORNER = (470_000, 5_570_000)
"""South-western corner of the area in zone 32 north, metres: 60 km a side around 9 E, 50.5 N."""
SIDE_M = 60_000
CLUSTER_M = 10_000
SPACING_M = 600
"""Between candidates: above twice the buffer, so that no two ROIs overlap."""
BUFFER_M = 240
_POINTS = 12  # a side of a ROI, at which its cover is looked up


class Sample(NamedTuple):
    """A row of the table: degrees (EPSG:4326), metres, and a name of `GROUPS`."""

    id: str
    lon: float
    lat: float
    buffer_m: int
    land_cover: str


def sample_rois(seed: int = 0, clusters: int = 8, purity: float = 0.8) -> list[Sample]:
    """ROIs in `clusters` squares of 10 km, one of each of `GROUPS` in each.

    Every square has every label, so that squares can be left out in turn (spatial
    cross-validation) without leaving a label unseen.

    Args:
        seed: of the world.
        clusters: squares; at most as many as the area has with a ROI of every label.
        purity: least share of a ROI that its label covers.

    Raises:
        ValueError: there are fewer such squares.
    """
    complete = (rois for square in _squares(seed) if (rois := _pick(seed, square, purity)))
    found = list(islice(complete, clusters))
    if len(found) < clusters:
        raise ValueError(f"clusters is {clusters}; the area has {len(found)} with every label")
    to_degrees = Transformer.from_crs(ZONE, 4326, always_xy=True)
    rows: list[Sample] = []
    for label, x, y in (roi for rois in found for roi in rois):
        lon, lat = (round(degrees, 5) for degrees in to_degrees.transform(x, y))
        rows.append(Sample(f"demo-{len(rows) + 1:02d}", lon, lat, BUFFER_M, label))
    return rows


def _squares(seed: int) -> list[tuple[int, int]]:
    """South-western corners of the squares of the area, in an order of the seed's own."""
    steps = range(0, SIDE_M, CLUSTER_M)
    corners = [(CORNER[0] + dx, CORNER[1] + dy) for dx in steps for dy in steps]
    return sorted(corners, key=lambda c: stream(seed, ZONE, "square", *c))


def _pick(seed: int, square: tuple[int, int], purity: float) -> list[tuple[str, int, int]]:
    """One ROI (label, x, y) of each label in a square, or none at all."""
    chosen: dict[str, tuple[float, str, int, int]] = {}
    for label, x, y in _candidates(seed, square, purity):
        rank = fraction(stream(seed, ZONE, "pick", x, y))
        chosen[label] = min(chosen.get(label, (2.0, label, x, y)), (rank, label, x, y))
    return [chosen[label][1:] for label in GROUPS] if len(chosen) == len(GROUPS) else []


def _candidates(
    seed: int, square: tuple[int, int], purity: float
) -> Iterator[tuple[str, int, int]]:
    """Places in a square of which one label covers enough."""
    steps = np.arange(SPACING_M // 2, CLUSTER_M - SPACING_M // 2, SPACING_M)
    inside = (np.arange(_POINTS) + 0.5) * (2 * BUFFER_M / _POINTS) - BUFFER_M
    x = square[0] + steps[:, None, None, None] + inside[None, None, :, None]
    y = square[1] + steps[None, :, None, None] + inside[None, None, None, :]
    cover = land_cover(x, y, ZONE, seed)
    for label, names in GROUPS.items():
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
