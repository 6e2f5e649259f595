"""How pixels are cut into requests: pure arithmetic, no service."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BYTES = 48 * 2**20
"""The service's limit of a request; it counts a mask byte beside every value."""
MAX_SIDE = 32_768
MAX_BANDS = 1_024
MIN_PIXELS = 256
"""A region of fewer pixels that the service calls too large will not fit by halving it again."""


@dataclass(frozen=True)
class Block:
    """A rectangle of pixels of a grid."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where it lies in an array of the whole grid."""
        rows = slice(self.row, self.row + self.height)
        return rows, slice(self.column, self.column + self.width)

    def halves(self) -> tuple[Block, Block]:
        """The block cut across its longer side.

        Raises:
            ValueError: it has `MIN_PIXELS` or fewer.
        """
        if self.height * self.width <= MIN_PIXELS:
            raise ValueError(f"{self.height} x {self.width} pixels are not halved")
        if self.height >= self.width:
            cut = self.height // 2
            lower = Block(self.row + cut, self.column, self.height - cut, self.width)
            return Block(self.row, self.column, cut, self.width), lower
        cut = self.width // 2
        right = Block(self.row, self.column + cut, self.height, self.width - cut)
        return Block(self.row, self.column, self.height, cut), right


def blocks(
    height: int, width: int, pixel_bytes: int, limit: int = MAX_BYTES, side: int = MAX_SIDE
) -> list[Block]:
    """The fewest strips of whole rows (or of part rows, if one row is too much) under the limits.

    Strips are of nearly equal height, so that none is a sliver.
    """
    columns = _parts(width, min(side, max(1, limit // pixel_bytes)))
    widest = max(size for _, size in columns)
    rows = _parts(height, min(side, max(1, limit // (pixel_bytes * widest))))
    return [Block(y, x, h, w) for y, h in rows for x, w in columns]


def _parts(length: int, most: int) -> list[tuple[int, int]]:
    """`length` in the fewest nearly equal parts of at most `most`: their starts and sizes."""
    count = math.ceil(length / most)
    edges = [length * i // count for i in range(count + 1)]
    return [(a, b - a) for a, b in itertools.pairwise(edges)]


def stacks(
    scenes: int, scene_bytes: int, scene_bands: int, limit: int = MAX_BYTES, bands: int = MAX_BANDS
) -> Iterator[range]:
    """Consecutive scenes that fit one request together; each alone where one fills it."""
    together = max(1, min(limit // max(1, scene_bytes), bands // scene_bands))
    for first in range(0, scenes, together):
        yield range(first, min(scenes, first + together))
