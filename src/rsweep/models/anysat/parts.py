"""Run a function on a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MAX_ROWS = 32_768
"""Token rows at a time: the widest hidden layer (3072 floats) then takes 400 MB."""


def in_parts(function: Callable[..., Tensor], rows_each: int, *tensors: Tensor) -> Tensor:
    """`function(*tensors)`, split along the first axis where items have `rows_each` rows each."""
    size = max(1, MAX_ROWS // rows_each)
    parts = zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
    return torch.cat([function(*part) for part in parts])
