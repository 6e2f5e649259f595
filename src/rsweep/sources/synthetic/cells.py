"""The 10 m cells of which the world is made, and the pixels of a grid averaged from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import SourceError
from rsweep.core.grid import Grid
from rsweep.core.roi import SNAP_M
from rsweep.sources.synthetic.noise import Floats

CELL_M = 10
MARGIN = 2
"""Cells around a canvas that the sensor's blur reads; even, so that 20 m cells are not cut."""
MAX_CELLS = 250_000
"""Cells drawn at once: a strip of a large grid takes some 100 MB."""

Whole = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Canvas:
    """A block of cells: whole 60 m squares, and `MARGIN` cells around them.

    Attributes:
        zone: EPSG code of the UTM zone.
        left, top: metres of its top-left corner, margin included.
        rows, cols: cells, margin included.
    """

    zone: int
    left: int
    top: int
    rows: int
    cols: int

    def centres(self, step: int = 1) -> tuple[Floats, Floats]:
        """x and y in metres [rows / step, cols / step] of the centres of `step` x `step` cells."""
        half = step * CELL_M / 2
        x = self.left + half + step * CELL_M * np.arange(self.cols // step, dtype=np.float64)
        y = self.top - half - step * CELL_M * np.arange(self.rows // step, dtype=np.float64)
        shape = (len(y), len(x))
        return np.broadcast_to(x[None], shape).copy(), np.broadcast_to(y[:, None], shape).copy()


def zone_of(grid: Grid) -> int:
    """EPSG code of a grid.

    Raises:
        SourceError: the grid is not in a UTM zone.
    """
    code = grid.crs.removeprefix("EPSG:")
    if not code.isdigit() or not (32601 <= int(code) <= 32660 or 32701 <= int(code) <= 32760):
        raise SourceError(f"synthetic: grid is in {grid.crs}; expected a UTM zone")
    return int(code)


def canvas_of(grid: Grid) -> Canvas:
    """The cells that the pixels of a grid are made of."""
    left, bottom, right, top = (edge / SNAP_M for edge in grid.bounds)
    margin = MARGIN * CELL_M
    x0, x1 = math.floor(left + 1e-9) * SNAP_M, math.ceil(right - 1e-9) * SNAP_M
    y0, y1 = math.floor(bottom + 1e-9) * SNAP_M, math.ceil(top - 1e-9) * SNAP_M
    return Canvas(
        zone_of(grid),
        x0 - margin,
        y1 + margin,
        (y1 - y0 + 2 * margin) // CELL_M,
        (x1 - x0 + 2 * margin) // CELL_M,
    )


def strips(grid: Grid) -> Iterator[Grid]:
    """A grid cut into strips of rows small enough to be drawn at once, from the top."""
    cells_per_row = grid.width * max(1.0, (grid.scale_m / CELL_M) ** 2)
    rows = max(1, int(MAX_CELLS // cells_per_row))
    for start in range(0, grid.height, rows):
        yield replace(
            grid, y0=grid.y0 - start * grid.scale_m, height=min(rows, grid.height - start)
        )


def interior(cells: NDArray[Any]) -> NDArray[Any]:
    """Cells [..., H, W] of a canvas without its margin."""
    return cells[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def blur(cells: Whole) -> Whole:
    """What a sensor sees of cells [..., H, W]: an eighth of each neighbour's light, both ways.

    The outermost cells stay as they are.
    """
    total = cells.astype(np.int32) * 6
    total[..., 1:-1] += cells[..., 2:] + cells[..., :-2]
    total[..., [0, -1]] += 2 * cells[..., [0, -1]]
    out = total * 6
    out[..., 1:-1, :] += total[..., 2:, :] + total[..., :-2, :]
    out[..., [0, -1], :] += 2 * total[..., [0, -1], :]
    blurred: Whole = (out + 32) // 64
    return blurred


def coarsen(cells: Whole, size: int) -> Whole:
    """Cells [..., H, W] with the rounded mean of their `size` x `size` block in each."""
    if size == 1:
        return cells
    *lead, rows, cols = cells.shape
    blocks = cells.reshape(*lead, rows // size, size, cols // size, size).sum(axis=(-3, -1))
    mean = (blocks + size * size // 2) // (size * size)
    coarse: Whole = np.repeat(np.repeat(mean, size, axis=-2), size, axis=-1)
    return coarse


def to_pixels(cells: Whole, canvas: Canvas, grid: Grid) -> tuple[Whole, NDArray[np.int64]]:
    """Sums of cells per pixel of a grid, and how many cells each pixel has.

    A pixel is made of the cells whose centres lie in it: whole blocks where the scale is a multiple
    of 10 m (so scales nest), one or two cells a side by turns at 15 m. A pixel finer than a cell
    takes the cell that its centre lies in.

    Args:
        cells: [..., H, W] whole numbers without the margin.
        canvas: where they lie.
        grid: the pixels.

    Returns:
        Sums [..., grid.height, grid.width] and counts [grid.height, grid.width], both int64.
    """
    margin = MARGIN * CELL_M
    east, south = grid.x0 - canvas.left - margin, canvas.top - margin - grid.y0
    if grid.scale_m < CELL_M:
        rows, cols = _at(south, grid.scale_m, grid.height), _at(east, grid.scale_m, grid.width)
        picked = cells[..., rows[:, None], cols].astype(np.int64)
        return picked, np.ones((grid.height, grid.width), np.int64)
    rows, cols = _edges(south, grid.scale_m, grid.height), _edges(east, grid.scale_m, grid.width)
    sums = _sums(_sums(cells, rows).swapaxes(-1, -2), cols).swapaxes(-1, -2)
    return sums.astype(np.int64), np.diff(rows)[:, None] * np.diff(cols)[None]


def mean_pixels(cells: Whole, canvas: Canvas, grid: Grid) -> NDArray[np.int64]:
    """Rounded means [..., grid.height, grid.width] of the cells of each pixel: `to_pixels`."""
    sums, counts = to_pixels(cells, canvas, grid)
    if counts.max() == 1:
        return sums.astype(np.int64, copy=False)
    return ((sums + counts // 2) // counts).astype(np.int64, copy=False)


def _sums(cells: Whole, edges: NDArray[np.int64]) -> Whole:
    """Sums of runs of rows [..., H, W] between edges."""
    cut, size = cells[..., edges[0] : edges[-1], :], int(edges[1] - edges[0])
    if (edges[1:] - edges[:-1] != size).any():
        uneven: Whole = np.add.reduceat(cut, edges[:-1] - edges[0], axis=-2, dtype=np.int64)
        return uneven
    if size == 1:
        return cut
    runs = cut.reshape(*cut.shape[:-2], len(edges) - 1, size, cut.shape[-1])
    even: Whole = runs.sum(axis=-2, dtype=np.int64)
    return even


def _at(offset: float, scale_m: float, count: int) -> NDArray[np.int64]:
    """Cells in which the centres of `count` pixels lie, the first pixel `offset` metres in."""
    return ((offset + (np.arange(count) + 0.5) * scale_m) // CELL_M).astype(np.int64)


def _edges(offset: float, scale_m: float, count: int) -> NDArray[np.int64]:
    """First cells with their centres in each of `count` pixels, and the end of the last."""
    first = (offset + np.arange(count + 1) * scale_m) / CELL_M - 0.5
    return np.ceil(first - 1e-9).astype(np.int64)
