"""Where AnySat's tokens are: sine tables in units of distance, and buckets of distance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CLASS_BUCKET = 7
"""Bucket of every pair with the class token in it; distances have 3 to 6."""

_NEAR = 1.9  # iRPE's alpha: distances up to here are their own bucket,
_BUCKETS = 3.8  # beta: later ones share buckets up to here, in the logarithm of the distance,
_FAR = 15.2  # gamma: reached at this distance


def grid_table(side: int, step: float, width: int, device: torch.device) -> Tensor:
    """[1 + side * side, width]: zeros for the class token, then tokens row by row.

    Half of the width encodes the column, half the row, each as sines then cosines of position
    times `step`.
    """
    positions = torch.arange(side, device=device).float() * step
    quarter = width // 4
    exponent = torch.arange(quarter, device=device).float() / quarter
    angles = positions[:, None] * (1.0 / 10000**exponent)
    axis = torch.cat([angles.sin(), angles.cos()], 1)
    table = torch.cat([axis.repeat(side, 1), axis.repeat_interleave(side, 0)], 1)
    return torch.cat([table.new_zeros(1, width), table])


def distance_buckets(side: int, device: torch.device) -> Tensor:
    """[1 + side * side] squared, int64: the bucket of the distance between any two tokens."""
    line = torch.arange(side, device=device)
    places = torch.cartesian_prod(line, line).reshape(-1, 2)
    squares = (places[:, None] - places[None]).square().sum(2)
    distance = squares.float().sqrt().round()
    far = (distance / _NEAR).log() / math.log(_FAR / _NEAR) * (_BUCKETS - _NEAR) + _NEAR
    bucket = torch.where(distance <= _NEAR, distance, far.round().clamp(max=_BUCKETS))
    buckets = line.new_full((1 + side * side, 1 + side * side), CLASS_BUCKET)
    buckets[1:, 1:] = bucket.long() + int(_BUCKETS)  # the sign of a difference would be below
    return buckets
