"""What an infer file holds: the blocks of the prep file, with what the network gave of each tile.

Of each side of the input a block, with `maps/<group>` [tiles, h, w, D] and `vectors/<name>`
[tiles, D] in the rows of the prep file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from rsweep.core.files import allocate

Rows = slice | NDArray[np.intp]
KINDS = ("maps", "vectors")


@dataclass(frozen=True)
class Tokens:
    """A block: datasets by name, a row per tile.

    Attributes:
        maps: token group -> [tiles, h, w, D].
        vectors: the network's own vectors [tiles, D].
    """

    maps: Mapping[str, h5py.Dataset]
    vectors: Mapping[str, h5py.Dataset]


def create_block(file: h5py.File, side: int) -> h5py.Group:
    """An empty block for one side of the network's input."""
    return file.create_group(str(side))


def tokens(file: h5py.File, side: int) -> Tokens:
    """The block of one side of the network's input."""
    block = file[str(side)]
    return Tokens(*(dict(block.get(kind, {}).items()) for kind in KINDS))


def write_rows(
    block: h5py.Group, kind: str, name: str, total: int, rows: Rows, values: NDArray[np.float32]
) -> None:
    """Store outputs at the rows of their tiles.

    Args:
        block: where.
        kind: "maps" or "vectors".
        name: of the group or vector.
        total: tiles of the block.
        rows: increasing.
        values: [rows, …].
    """
    path = f"{kind}/{name}"
    if path not in block:
        allocate(block, path, (total, *values.shape[1:]), "f4")
    block[path][rows] = values
