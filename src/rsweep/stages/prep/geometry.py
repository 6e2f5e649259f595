"""Where tiles and tokens lie on a ROI's grid: pure functions of numbers.

Pixels are counted from the top-left corner of the grid; a span is [low, high) in pixels and may be
fractional or, for tiles at an edge, reach outside the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from shapely import wkt

from rsweep.core.grid import Grid
from rsweep.core.records import LatticeRecord

SLACK = 1e-6
"""Share of a pixel or cell that rounding may make of nothing."""


@dataclass(frozen=True)
class Span:
    """Extent of a ROI on a grid, in pixels."""

    top: float
    left: float
    bottom: float
    right: float


def roi_span(grid: Grid, polygon_wkt: str) -> Span:
    """Extent of a ROI's polygon in pixels of its grid."""
    left, bottom, right, top = wkt.loads(polygon_wkt).bounds
    s = grid.scale_m
    return Span(
        (grid.y0 - top) / s, (left - grid.x0) / s, (grid.y0 - bottom) / s, (right - grid.x0) / s
    )


@dataclass(frozen=True)
class Lattice:
    """Equal square tiles, one at every crossing of `tops` and `lefts`, their first pixels."""

    size: int
    tops: Sequence[int]
    lefts: Sequence[int]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.tops) * len(self.lefts)

    def to_dict(self) -> LatticeRecord:
        """JSON form: what it is made from."""
        return {"size": self.size, "tops": self.tops, "lefts": self.lefts}

    def starts(self) -> list[tuple[int, int]]:
        """Top-left pixel of every tile, row by row."""
        return [(top, left) for top in self.tops for left in self.lefts]


@dataclass(frozen=True)
class Origin:
    """Number of a grid's first pixel, from a place at which tiles might start."""

    top: int = 0
    left: int = 0


@dataclass(frozen=True)
class Tiling:
    """How a ROI is cut into tiles; all in pixels of the grid.

    Attributes:
        size: side of a tile.
        stride: between the starts of neighbouring tiles; the last may be nearer.
        snap: the last tile starts a multiple of this after the first, so that tokens coincide.
        align: the first tile starts at a multiple of this, so that it cuts no coarser pixel.
        origin: from where that is counted; the grid's first pixel, or a place that all grids share.
    """

    size: int
    stride: int
    snap: int = 1
    align: int = 1
    origin: Origin = Origin()


def tile_lattice(span: Span, tiling: Tiling, height: int, width: int) -> Lattice:
    """The fewest tiles that cover a span, on pixels that exist as far as there are any.

    One tile is centred on the span and moved off the edge of the grid. Of several the last starts
    inwards of a whole stride, so that together they reach less than `snap` beyond the span.

    Args:
        span: what to cover.
        tiling: size and distances of tiles.
        height, width: of the grid, whose pixels exist.
    """
    origin = tiling.origin
    tops = _starts(span.top, span.bottom, height, tiling, origin.top)
    return Lattice(tiling.size, tops, _starts(span.left, span.right, width, tiling, origin.left))


def square_lattice(span: Span) -> Lattice:
    """One tile: the smallest square of whole pixels around a span, centred on it to a pixel."""
    (top, height), (left, width) = _whole(span.top, span.bottom), _whole(span.left, span.right)
    side = max(height, width)
    return Lattice(side, (top - (side - height) // 2,), (left - (side - width) // 2,))


def native_lattice(
    span: Span, step: int, align: int, height: int, width: int, origin: Origin = Origin()
) -> Lattice:
    """One tile: the smallest square around a span that is whole patches of real pixels.

    Args:
        span: what to cover.
        step: pixels in which whole patches of every token group meet.
        align: the tile starts at a multiple of this.
        height, width: of the grid, whose pixels exist.
        origin: from where that is counted.
    """
    needed = []
    for low, high, zero in (
        (span.top, span.bottom, origin.top),
        (span.left, span.right, origin.left),
    ):
        first, length = _whole(low, high)
        needed.append(length + (first + zero) % align)
    side = _up(max(needed), step)
    return tile_lattice(span, Tiling(side, side, 1, align, origin), height, width)


def larger_side(span: Span) -> int:
    """Whole pixels of a span along its longer side."""
    return max(_whole(span.top, span.bottom)[1], _whole(span.left, span.right)[1])


def _whole(low: float, high: float) -> tuple[int, int]:
    """First pixel and number of whole pixels that hold a span (but for a millionth of a pixel)."""
    first = math.floor(low + SLACK)
    return first, max(math.ceil(high - SLACK) - first, 1)


def _starts(low: float, high: float, available: int, tiling: Tiling, zero: int) -> tuple[int, ...]:
    """First pixels of the tiles along one axis, of which pixels 0 … available-1 exist.

    They are worked out in numbers of which pixel 0 has `zero`.
    """
    first, length = _whole(low, high)
    first += zero
    latest = _down(first, tiling.align)
    offsets: tuple[int, ...] = (0,)
    if _up(first + length - tiling.size, tiling.align) > latest:
        offsets = _offsets(first + length - latest - tiling.size, tiling)
    covered = tiling.size + offsets[-1]
    room = sorted((zero, zero + available - covered))
    start = min(max(first - (covered - length) // 2, room[0]), room[1])
    earliest = _up(first + length - covered, tiling.align)
    start = min(max(_down(start, tiling.align), earliest), latest)
    return tuple(start + offset - zero for offset in offsets)


def _offsets(reach: int, tiling: Tiling) -> tuple[int, ...]:
    """Starts of tiles after the first, of which the last covers `reach` pixels more than it."""
    last = _up(reach, tiling.snap)
    return tuple(min(i * tiling.stride, last) for i in range(math.ceil(reach / tiling.stride) + 1))


def _down(value: int, step: int) -> int:
    return value // step * step


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def choose_lattice(
    span: Span, mode: str, tiling: Tiling, height: int, width: int, max_tiles: float
) -> tuple[str, Lattice]:
    """The lattice of a ROI under an `input_prep` mode, and the mode that `auto` became.

    auto tiles a ROI that is larger than a tile, unless that takes more than `max_tiles`.
    """
    if mode == "resize":
        return "resize", square_lattice(span)
    tiles = tile_lattice(span, tiling, height, width)
    if mode == "auto" and (tiles.count == 1 or tiles.count > max_tiles):
        return "resize", square_lattice(span)
    return "tile", tiles


def reflected(start: int, size: int, length: int) -> NDArray[np.intp]:
    """Indices of `size` pixels of an axis from `start`, mirrored at its ends."""
    index = np.arange(start, start + size)
    if length == 1:
        return np.zeros(size, np.intp)
    period = 2 * (length - 1)
    index = np.abs(index) % period
    return np.where(index < length, index, period - index).astype(np.intp)


@dataclass(frozen=True)
class TokenLattice:
    """Tokens of a lattice of tiles: cells of `cell` pixels, the first at (top, left).

    Attributes:
        rows, cols: cells there are.
        tile_rows, tile_cols: first cell of each row and column of tiles.
    """

    top: int
    left: int
    cell: Fraction
    rows: int
    cols: int
    tile_rows: tuple[int, ...]
    tile_cols: tuple[int, ...]


def token_lattice(tiles: Lattice, tokens: int) -> TokenLattice:
    """The cells that the tokens of all tiles fall on, for `tokens` per side of a tile.

    Raises:
        ValueError: tiles do not start whole tokens apart, so their lattices differ.
    """
    cell = Fraction(tiles.size, tokens)
    rows, cols = _cells_of(tiles.tops, cell), _cells_of(tiles.lefts, cell)
    return TokenLattice(
        tiles.tops[0], tiles.lefts[0], cell, rows[-1] + tokens, cols[-1] + tokens, rows, cols
    )


def _cells_of(starts: Sequence[int], cell: Fraction) -> tuple[int, ...]:
    steps = [(start - starts[0]) / cell for start in starts]
    for step, start in zip(steps, starts, strict=True):
        if step.denominator != 1:
            raise ValueError(
                f"tiles {start - starts[0]} px apart do not meet on tokens of {float(cell)} px"
            )
    return tuple(map(int, steps))


def crop_to(span: Span, lattice: TokenLattice) -> tuple[slice, slice]:
    """Rows and columns of the cells that touch a span (by more than a millionth of a cell)."""
    return (
        _crop_axis(span.top, span.bottom, lattice.top, lattice.cell, lattice.rows),
        _crop_axis(span.left, span.right, lattice.left, lattice.cell, lattice.cols),
    )


def _crop_axis(low: float, high: float, origin: int, cell: Fraction, count: int) -> slice:
    first = math.floor((low - origin) / float(cell) + SLACK)
    last = math.ceil((high - origin) / float(cell) - SLACK)
    return slice(max(first, 0), min(max(last, first + 1), count))


def blend_window(tokens: int, kind: str) -> NDArray[np.float64]:
    """Weight of each token along a side of a tile before normalisation; above zero everywhere."""
    centre = np.arange(tokens) + 0.5
    # "none" keeps the token nearest its tile's centre, which the triangle of "linear" ranks.
    triangle: NDArray[np.float64] = np.minimum(centre, tokens - centre)
    hann: NDArray[np.float64] = np.sin(np.pi * centre / tokens) ** 2
    return hann if kind == "hann" else triangle
