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

from datetime import date

import h5py

EPOCH = date(1970, 1, 1)
"""Day 0 of `day`."""
ORBITS = ("", "ascending", "descending")
"""Directions by number; the first is not known, or both."""
VALID_FULL = 255
"""A pixel's valid share is stored in 255ths."""


def blocks(file: h5py.File) -> dict[int, h5py.Group]:
    """Side of the network's input -> its block, smallest first."""
    return {side: file[str(side)] for side in sorted(int(n) for n in file if n.isdigit())}
