"""AnySat's projectors: a pixel's series of any length to one token.

Module names are those of the published checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rsweep.models.anysat.parts import in_parts

WIDTH = 768
HEADS = 16
KEY_WIDTH = 8
HIDDEN = (WIDTH // 8, WIDTH // 2, WIDTH, 2 * WIDTH, WIDTH)
NORM_GROUPS = 4


@dataclass(frozen=True)
class SeriesSpec:
    """A sensor that is read as series.

    Attributes:
        bands: number of bands.
        period: base of the frequencies of its day-of-year table.
        coarseness: side of its pixel in units of 10 m, as the network counts patches.
        norm_series: whether features are normalised over the series before attention.
    """

    bands: int
    period: int = 367
    coarseness: int = 1
    norm_series: bool = False


SERIES: Mapping[str, SeriesSpec] = {
    "s2": SeriesSpec(10, norm_series=True),
    "s1": SeriesSpec(3),
    "s1-asc": SeriesSpec(2),
    "l8": SeriesSpec(11, period=366),
    "l7": SeriesSpec(6, coarseness=3),
    "alos": SeriesSpec(3, coarseness=3),
    "modis": SeriesSpec(7, coarseness=12),
}
IMAGES: Mapping[str, tuple[int, int]] = {
    "aerial": (4, 10),
    "aerial-flair": (5, 10),
    "spot": (3, 10),
    "naip": (4, 8),
}
"""Sensor read as one image -> its bands and the side of its kernel; not run here."""


@dataclass(frozen=True)
class Series:
    """A sensor's series over a tile.

    Attributes:
        values: [B, T, C, H, W], standardised.
        days: [B, T] int64, day of year, 0 = January 1st.
        valid: [B, T, 1, H, W] bool, False where the learned pad value takes a pixel's place; None
            where nothing is missing.
        present: [B, T] bool, False where a frame is none at all and is left out of everything,
            so that a tile does not depend on the frames of its neighbours in a batch; None where
            all are. Upstream has no such mask.
    """

    values: Tensor
    days: Tensor
    valid: Tensor | None = None
    present: Tensor | None = None


class MasterQuery(nn.Module):
    """Attention over time with one learned query per head; values are the features' own slices."""

    def __init__(self) -> None:
        super().__init__()
        self.Q = nn.Parameter(torch.randn(HEADS, KEY_WIDTH) * math.sqrt(2 / KEY_WIDTH))
        self.fc1_k = nn.Linear(WIDTH, HEADS * KEY_WIDTH)

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """[N, T, D] to [N, D], over the frames that are present ([N, T] bool)."""
        keys = torch.unflatten(self.fc1_k(features), 2, (HEADS, KEY_WIDTH))
        scores = (keys * self.Q).sum(3) / math.sqrt(KEY_WIDTH)
        scores = scores.masked_fill(~present[..., None], -torch.inf)
        values = torch.unflatten(features, 2, (HEADS, -1))
        return (scores.softmax(1)[..., None] * values).sum(1).flatten(1)


class SeriesNorm(nn.Module):
    """Group normalisation over a group's features in all frames that are present."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """[N, T, D] to the same; present is [N, T] bool."""
        groups = torch.unflatten(features, 2, (HEADS, -1))
        share = (present / present.sum(1, keepdim=True) / groups.shape[3])[..., None, None]
        centred = groups - (groups * share).sum((1, 3), keepdim=True)
        variance = (centred.square() * share).sum((1, 3), keepdim=True)
        normed = (centred * torch.rsqrt(variance + 1e-5)).flatten(2)
        return normed * self.weight + self.bias


class PixelEncoder(nn.Module):
    """A lightweight temporal attention encoder (L-TAE) for the series of one pixel."""

    def __init__(self, spec: SeriesSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width_in, width in zip((spec.bands, *HIDDEN), HIDDEN, strict=False):
            dropout = nn.Identity()  # holds the place of a layer that only training uses
            layers += [
                nn.Linear(width_in, width),
                nn.GroupNorm(NORM_GROUPS, width),
                nn.ReLU(),
                dropout,
            ]
        self.inconv = nn.Sequential(*layers)
        self.in_norm = SeriesNorm() if spec.norm_series else None
        self.attention_heads = MasterQuery()
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.GroupNorm(NORM_GROUPS, WIDTH), nn.ReLU()
        )
        self.out_norm = nn.GroupNorm(HEADS, WIDTH)
        self.period = spec.period

    def forward(self, series: Tensor, days: Tensor, present: Tensor) -> Tensor:
        """Series [N, T, C], their days [N, T] and which frames are present [N, T] to [N, D]."""
        features = torch.unflatten(self.inconv(series.flatten(0, 1)), 0, series.shape[:2])
        if self.in_norm is not None:
            features = self.in_norm(features, present)
        features = features + self._day_table(days).repeat(1, 1, HEADS)
        encoded: Tensor = self.out_norm(self.mlp(self.attention_heads(features, present)))
        return encoded

    def _day_table(self, days: Tensor) -> Tensor:
        """[N, T, D / heads]: sines and cosines in turn, the same for every head."""
        width = WIDTH // HEADS
        halves = torch.arange(width, device=days.device).float() // 2
        angles = days[..., None] / torch.pow(self.period, 2 * halves / width)
        return torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], -1).flatten(-2)


class SeriesProjector(nn.Module):
    """The pixel encoder of one sensor, its learned pad value, and the cut into patches."""

    def __init__(self, spec: SeriesSpec) -> None:
        super().__init__()
        self.pad_parameter = nn.Parameter(torch.tensor(0.0))
        self.patch_embed = PixelEncoder(spec)

    def forward(self, series: Series, side: int) -> Tensor:
        """Tokens [B * patches, side * side, D], patches and the pixels in them row by row."""
        values = series.values
        if series.valid is not None:
            values = torch.where(series.valid, values, self.pad_parameter)
        batch, frames, _, height, width = values.shape
        pixels = values.permute(0, 3, 4, 1, 2).flatten(0, 2)
        present = torch.ones_like(series.days, dtype=torch.bool)
        if series.present is not None:  # a tile without any frame keeps them all, as pad values
            present = series.present | ~series.present.any(1, keepdim=True)
        dates = (t.repeat_interleave(height * width, 0) for t in (series.days, present))
        tokens = in_parts(self.patch_embed, frames, pixels, *dates)
        grid = tokens.reshape(batch, height // side, side, width // side, side, WIDTH)
        return grid.transpose(2, 3).reshape(-1, side * side, WIDTH)


class ImageProjector(nn.Module):
    """Weights for a sensor read as one image, so that the published checkpoint loads whole."""

    def __init__(self, bands: int, kernel: int) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(bands, WIDTH, kernel, stride=kernel, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH),
            nn.LayerNorm(2 * WIDTH),
            nn.ReLU(),
            nn.Linear(2 * WIDTH, WIDTH),
            nn.LayerNorm(WIDTH),
            nn.ReLU(),
        )
