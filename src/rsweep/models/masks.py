"""What networks that are told of missing data do with it: fill, hide, pack, put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rsweep.models.protocol import TileBatch


def fill_missing(pixels: Tensor, valid: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """Give missing pixels the mean of the valid ones in their patch, band and frame.

    A fill value would be an edge in the image to the network, and so change its token.

    Args:
        pixels: [B, T, C, H, W].
        valid: [B, T, H, W] bool.
        patch: side of a patch in pixels.

    Returns:
        The pixels, zero in a patch without a valid one; and the valid share of every patch
        [B, T, h, w].
    """
    seen = valid[:, :, None]
    share = F.avg_pool2d(seen.to(pixels.dtype).flatten(0, 1), patch)
    sums = F.avg_pool2d(torch.where(seen, pixels, 0).flatten(0, 1), patch)
    means = sums / torch.where(share > 0, share, 1)
    spread = F.interpolate(means, scale_factor=patch, mode="nearest")
    filled = torch.where(seen, pixels, torch.unflatten(spread, 0, valid.shape[:2]))
    return filled, torch.unflatten(share[:, 0], 0, valid.shape[:2])


def frame_dates(
    dates: Mapping[str, Tensor], valid: Mapping[str, Tensor], sensors: Sequence[str]
) -> Tensor:
    """One date per frame [B, T]: that of the first sensor that saw something in it.

    Args:
        dates: sensor -> month, day or year of its frames [B, T].
        valid: sensor -> [B, T, H, W] bool.
        sensors: the most telling first.
    """
    found = dates[sensors[-1]]
    for sensor in reversed(sensors[:-1]):
        seen = valid[sensor].any(3).any(2)
        found = torch.where(seen, dates[sensor], found)
    return found


def pack(sequence: Tensor, seen: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Move the seen tokens of every item to its front and cut at the longest item.

    Args:
        sequence: [B, N, D].
        seen: [B, N] bool.

    Returns:
        [B, n, D] with zeros after an item's own, their places in the sequence [B, n], and which
        of them are an item's own [B, n]; the last two None where everything was seen.
    """
    if bool(seen.all()):
        return sequence, None, None
    length = max(1, int(seen.sum(1).max()))
    order = seen.int().argsort(dim=1, descending=True, stable=True)[:, :length]
    kept = seen.gather(1, order)
    tokens = sequence.gather(1, order[..., None].expand(-1, -1, sequence.shape[2]))
    return torch.where(kept[..., None], tokens, 0), order, kept


def unpack(tokens: Tensor, order: Tensor | None, length: int) -> Tensor:
    """[B, n, D] back to their places in [B, length, D]; tokens that were not seen mean nothing."""
    if order is None:
        return tokens
    sequence = tokens.new_zeros(tokens.shape[0], length, tokens.shape[2])
    return sequence.scatter(1, order[..., None].expand_as(tokens), tokens)


def unseen(batch: TileBatch, sensors: Sequence[str]) -> Tensor | None:
    """Which of several sensors saw nothing of a tile [B, sensors]; None if all saw something.

    Of a tile that none saw, all count as seen: attention must have something to attend to.
    """
    blind = [~batch.valid[sensor].flatten(1).any(1) for sensor in sensors]
    table = torch.stack(blind, dim=1)
    table = table & ~table.all(dim=1, keepdim=True)
    return table if bool(table.any()) else None
