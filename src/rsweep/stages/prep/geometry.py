"""Where tiles and tokens lie on a ROI's grid: pure functions of numbers.

Pixels are counted from the top-left corner of the grid; a span is [low, high) in pixels and may be
fractional or, for tiles at an edge, reach outside the grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

SLACK = 1e-6
"""Share of a pixel or cell that rounding may make of nothing."""


@dataclass(frozen=True)
class Span:
    """Extent of a ROI on a grid, in pixels."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True)
class Lattice:
    """Equal square tiles, `stride` pixels apart, the first at (top, left)."""

    top: int
    left: int
    size: int
    stride: int
    rows: int
    cols: int

    def starts(self) -> list[tuple[int, int]]:
        """Top-left pixel of every tile, row by row."""
        return [
            (self.top + r * self.stride, self.left + c * self.stride)
            for r in range(self.rows)
            for c in range(self.cols)
        ]


def tile_lattice(span: Span, size: int, stride: int) -> Lattice:
    """The smallest lattice of tiles that covers a span, centred on it to a pixel."""
    top, rows = _axis(span.top, span.bottom, size, stride)
    left, cols = _axis(span.left, span.right, size, stride)
    return Lattice(top, left, size, stride, rows, cols)


def square_lattice(span: Span) -> Lattice:
    """One tile: the smallest square of whole pixels around a span, centred on it to a pixel."""
    (top, height), (left, width) = _whole(span.top, span.bottom), _whole(span.left, span.right)
    side = max(height, width)
    return Lattice(top - (side - height) // 2, left - (side - width) // 2, side, side, 1, 1)


def _whole(low: float, high: float) -> tuple[int, int]:
    """First pixel and number of whole pixels that hold a span (but for a millionth of a pixel)."""
    first = math.floor(low + SLACK)
    return first, max(math.ceil(high - SLACK) - first, 1)


def _axis(low: float, high: float, size: int, stride: int) -> tuple[int, int]:
    first, length = _whole(low, high)
    count = max(math.ceil((length - size) / stride), 0) + 1
    covered = size + (count - 1) * stride
    return first - (covered - length) // 2, count


def choose_lattice(
    span: Span, mode: str, size: int, stride: int, max_tiles: int
) -> tuple[str, Lattice]:
    """The lattice of a ROI under an `input_prep` mode, and the mode that `auto` became.

    auto tiles a ROI that is larger than a tile, unless that takes more than `max_tiles`.
    """
    if mode == "resize":
        return "resize", square_lattice(span)
    tiles = tile_lattice(span, size, stride)
    count = tiles.rows * tiles.cols
    if mode == "auto" and (count == 1 or count > max_tiles):
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
    """Tokens of a lattice of tiles: cells of `cell` pixels, the first at (top, left)."""

    top: int
    left: int
    cell: Fraction
    rows: int
    cols: int
    step: int
    """Tokens between the starts of neighbouring tiles."""


def token_lattice(tiles: Lattice, tokens: int) -> TokenLattice:
    """The cells that the tokens of all tiles fall on, for `tokens` per side of a tile.

    Raises:
        ValueError: the tiles' stride is no whole number of tokens, so their lattices differ.
    """
    cell = Fraction(tiles.size, tokens)
    step = tiles.stride / cell
    if step.denominator != 1 and tiles.rows * tiles.cols > 1:
        raise ValueError(f"tiles {tiles.stride} px apart do not meet on tokens of {float(cell)} px")
    rows = (tiles.rows - 1) * int(step) + tokens
    cols = (tiles.cols - 1) * int(step) + tokens
    return TokenLattice(tiles.top, tiles.left, cell, rows, cols, int(step))


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
