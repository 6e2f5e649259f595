"""What the vision transformers here share: sinusoids, running blocks, a checkpoint's own part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present


def sincos(values: Tensor, width: int) -> Tensor:
    """Sines, then cosines of values [...] at geometric frequencies: [..., width].

    In float32, as upstream: a year or a wavelength in nanometres is an angle of 2000 radians, where
    that is seen.
    """
    exponents = torch.arange(width // 2, dtype=torch.float32, device=values.device)
    angles = values[..., None] * (1 / 10000 ** (exponents / (width / 2)))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def grid_sincos(side: int, width: int) -> Tensor:
    """Positions [1, side * side, D] of a square grid, row by row, as masked autoencoders have them:
    the first half encodes the column, the second the row.
    """
    line = sincos(torch.arange(side, dtype=torch.float32), width // 2)
    columns, rows = line.repeat(side, 1), line.repeat_interleave(side, dim=0)
    return torch.cat([columns, rows], dim=1)[None]


def run_blocks(
    blocks: Iterable[nn.Module], tokens: Tensor, layers: Sequence[int], **options: Any
) -> list[Tensor]:
    """Outputs of the blocks numbered `layers` (from 1), in that order; none beyond them is run."""
    outputs = {}
    for number, block in enumerate(blocks, start=1):
        tokens = block(tokens, **options)
        if number in layers:
            outputs[number] = tokens
        if number == max(layers):
            break
    return [outputs[number] for number in layers]


def dino_positions(table: Tensor, h: int, w: int) -> Tensor:
    """A learned table of positions [1, 1 + n * n, D] for a grid: [1, 1 + h * w, D], class first.

    As DINO and DINOv2 resize it: by a factor of (h + 0.1) / n, at which they also sample.
    """
    side = math.isqrt(table.shape[1] - 1)
    if (h, w) == (side, side):
        return table
    image = torch.unflatten(table[:, 1:], 1, (side, side)).permute(0, 3, 1, 2)
    factors = ((h + 0.1) / side, (w + 0.1) / side)
    resized = functional.interpolate(image, scale_factor=factors, mode="bicubic")
    return torch.cat([table[:, :1], resized.flatten(2).mT], dim=1)


def encoder_state(
    state: dict[str, Tensor],
    network: nn.Module,
    prefixes: Sequence[str] = ("module.", "model.", "encoder."),
) -> dict[str, Tensor]:
    """The tensors of a published checkpoint that a network has, without the usual prefixes."""
    state, own = dict(state), network.state_dict()
    for prefix in prefixes:
        consume_prefix_in_state_dict_if_present(state, prefix)
    return {key: tensor for key, tensor in state.items() if key in own}
