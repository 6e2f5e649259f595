"""Fixed tables that tell tokens apart in time, in the year and in space (Galileo, OlmoEarth)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoid(positions: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of positions [...] at width / 2 frequencies: [..., width].

    The k-th frequency is 10000^(-k / (2 width)); the usual exponent is four times that, but this
    is what the published weights were trained with.
    """
    exponent = torch.arange(width // 2, device=positions.device) / width / 2.0
    angles = positions[..., None] * (1.0 / 10000**exponent)
    return torch.cat([angles.sin(), angles.cos()], -1)


def month_table(width: int) -> Tensor:
    """[12, width]: sine, then cosine, of the month's angle in the year, each repeated."""
    angles = torch.arange(12)[:, None] / (12 / (2 * math.pi))
    return torch.cat([angles.sin().expand(-1, width // 2), angles.cos().expand(-1, width // 2)], -1)


def places(rows: int, columns: int, step: Tensor, width: int) -> Tensor:
    """[B, rows, columns, width]: encoding of the column, then of the row.

    Args:
        rows, columns: size of the token grid.
        step: [B], distance of two tokens in units of 10 m; it differs between tiles.
        width: of the encoding.
    """
    across, down = (
        sinusoid(torch.arange(size, device=step.device) * step[:, None], width // 2)
        for size in (columns, rows)
    )
    shape = (-1, rows, columns, -1)
    return torch.cat([across[:, None].expand(shape), down[:, :, None].expand(shape)], -1)
