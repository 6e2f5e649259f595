"""Galileo's tokens: kinds of channel groups, what was seen of them, and averaging.

Every kind of token has the axes [B, h, w, T, G, D], of length one where a kind has none: a token
of a static group has neither place nor time. Flattened, that is upstream's order of tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Kind:
    """Channel groups that vary along the same axes.

    Attributes:
        name, prefix: what the published checkpoint calls it.
        spatial, temporal: whether its tokens have a place and a time.
        bands: channel group -> number of its bands.
    """

    name: str
    prefix: str
    spatial: bool
    temporal: bool
    bands: Mapping[str, int]


KINDS = (
    Kind(
        "space_time",
        "s_t",
        True,
        True,
        {
            "S1": 2,
            "S2_RGB": 3,
            "S2_Red_Edge": 3,
            "S2_NIR_10m": 1,
            "S2_NIR_20m": 1,
            "S2_SWIR": 2,
            "NDVI": 1,
        },
    ),
    Kind("space", "sp", True, False, {"SRTM": 2, "DW": 9, "WC": 5}),
    Kind("time", "t", False, True, {"ERA5": 2, "TC": 3, "VIIRS": 1}),
    Kind("static", "st", False, False, {"LS": 1, "location": 3, "DW_static": 9, "WC_static": 5}),
)


@dataclass(frozen=True)
class Observed:
    """What was seen of one channel group.

    Attributes:
        values: [B, T, C, H, W] of a spatial group, [B, T, C] of another, normalised; T is 1 where
            the group has no time.
        visible: [B, h, w, T] bool, by token; h and w are 1 where the group has no place.
    """

    values: Tensor
    visible: Tensor


@dataclass(frozen=True)
class Tokens:
    """Tokens of one kind [B, h, w, T, G, D], and which of them were seen [B, h, w, T, G]."""

    values: Tensor
    visible: Tensor

    def total(self, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Sum of the visible tokens over axes, and their number [..., 1]."""
        seen = self.visible[..., None]
        return torch.where(seen, self.values, 0).sum(axes), seen.sum(axes)


def mean_per_patch(kinds: Sequence[Tokens]) -> Tensor:
    """[B, h, w, D]: mean of the visible tokens of a patch and of those that have no place.

    NaN where there is none.
    """
    sums, counts = zip(*(tokens.total((3, 4)) for tokens in kinds), strict=True)
    mean: Tensor = sum(sums) / sum(counts)
    return mean


def mean_of_all(kinds: Sequence[Tokens]) -> Tensor:
    """[B, D]: mean of all visible tokens, NaN where there is none."""
    sums, counts = zip(*(tokens.total((1, 2, 3, 4)) for tokens in kinds), strict=True)
    mean: Tensor = sum(sums) / sum(counts)
    return mean
