"""Seams of tiled grids: how much more vectors change across borders of tiles than inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsweep.core.grid import Grid, roi_polygon
from rsweep.core.nodes import Node
from rsweep.core.records import StitchedRoi
from rsweep.core.roi import Roi
from rsweep.jobs.runner import reading
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.stages.prep.cut import cut
from rsweep.stages.prep.geometry import token_lattice
from rsweep.stages.prep.spec import prep_settings
from rsweep.stages.stitch.format import read_grid, read_rois

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Change:
    """Sums of distances between neighbouring cells, and how many there are.

    Attributes:
        border, borders: between cells of two tiles.
        inside, insides: between cells of one tile.
    """

    border: float = 0.0
    borders: int = 0
    inside: float = 0.0
    insides: int = 0

    def __add__(self, other: Change) -> Change:
        return Change(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    @property
    def seam(self) -> float | None:
        """Mean change across borders over mean change inside; 1 where no border shows."""
        if not self.borders or not self.inside > 0:
            return None
        return (self.border / self.borders) / (self.inside / self.insides)


def owners(starts: Sequence[int], tokens: int, cells: slice) -> Indices:
    """The tile in which each cell of an axis lies most centrally, of tiles of `tokens` cells."""
    middle = np.asarray(starts) + tokens / 2
    cell = np.arange(cells.start, cells.stop) + 0.5
    return np.asarray(np.abs(cell[:, None] - middle).argmin(axis=1), np.intp)


def change_of(values: NDArray[np.floating], rows: Indices, cols: Indices) -> Change:
    """The change of a grid [D, h, w] between known cells, by the tiles of its rows and columns."""
    found = Change()
    for grid, tiles in ((values, cols), (values.transpose(0, 2, 1), rows)):
        apart = np.linalg.norm(np.diff(grid.astype(np.float64), axis=2), axis=0)
        border = np.broadcast_to(np.diff(tiles) != 0, apart.shape)
        known = np.isfinite(apart)
        across, within = apart[known & border], apart[known & ~border]
        found += Change(float(across.sum()), len(across), float(within.sum()), len(within))
    return found


def seam_of(study: Study, profile: Profile) -> float | None:
    """The seam of a profile's grids, over the ROIs that are of several tiles; None if none is."""
    if profile.settings["output"] != "grid":
        return None
    prep, total = profile.node.inputs["tiles"], Change()
    for shard in study.shards:
        with reading(study, profile.node, shard) as file:
            for index, row in enumerate(read_rois(file)):
                if row["error"] is not None or row["tiles"] < 2:
                    continue
                stored = read_grid(file, index)
                if stored is not None:
                    height, width = stored.valid_share.shape
                    rows, cols = _tiles(shard.rois[index], row, prep)
                    total += change_of(stored.values, rows[:height], cols[:width])
    return None if total.seam is None else round(total.seam, 4)


def _tiles(roi: Roi, row: StitchedRoi, prep: Node) -> tuple[Indices, Indices]:
    """The tile of each row and column of a ROI's grid, and of those after: as prep had them."""
    grid, (cell_m, _, x0, _, _, y0) = Grid.from_dict(row["grid"]), row["transform"]
    _, tiles = cut(prep_settings(prep), grid, roi_polygon(roi)[1].wkt)
    tokens = round(tiles.size * grid.scale_m / cell_m)
    lattice = token_lattice(tiles, tokens)
    top = round((grid.y0 - y0 - lattice.top * grid.scale_m) / cell_m)
    left = round((x0 - grid.x0 - lattice.left * grid.scale_m) / cell_m)
    return (
        owners(lattice.tile_rows, tokens, slice(top, lattice.rows)),
        owners(lattice.tile_cols, tokens, slice(left, lattice.cols)),
    )
