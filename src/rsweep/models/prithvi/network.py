"""Prithvi-EO-2.0's encoder (arXiv 2412.02732) on timm blocks, under the published keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.prithvi.card import BANDS, CARD, PATCH_PX, TRAINED_PX, UNTOLD
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import encoder_state, run_blocks, sincos

ensure_torchvision()

from timm.models.vision_transformer import Block  # noqa: E402


class PairEncoding(nn.Module):
    """Two numbers as a token: each in half of its width, times a learned scale.

    Args:
        width: width of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.each = width // 2
        self.scale = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, pairs: Tensor) -> Tensor:
        """Encodings [..., D] of pairs [..., 2]: year and day of it, or latitude and longitude."""
        return self.scale * sincos(pairs.float(), self.each).flatten(-2)


class Prithvi(nn.Module):
    """Prithvi-EO-2.0's encoder.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        patch: side of a patch in pixels.
        told: True if the network is told time and location.
    """

    def __init__(self, width: int, depth: int, heads: int, patch: int, told: bool) -> None:
        super().__init__()
        self.patch, self.told = patch, told
        kernel = (1, patch, patch)
        cut = nn.Conv3d(len(BANDS["s2"]), width, kernel, stride=kernel)
        self.patch_embed = nn.Sequential(OrderedDict(proj=cut))
        if told:
            self.temporal_embed_enc = PairEncoding(width)
            self.location_embed_enc = PairEncoding(width)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(
        self, pixels: Tensor, dates: Tensor, places: Tensor, layers: Sequence[int]
    ) -> list[Tensor]:
        """Outputs [B, 1 + T * h * w, D] of the blocks numbered `layers`, class token first.

        Args:
            pixels: [B, T, C, H, W], blue, green, red, near infrared, two short-wave infrared.
            dates: [B, T, 2], year and day of the year from 1.
            places: [B, 2], latitude and longitude in degrees.
            layers: numbers of blocks from 1; their outputs come before the final norm.
        """
        grid = self.tokens(pixels, dates, places)
        first = self.cls_token.expand(len(grid), -1, -1)
        tokens = torch.cat([first, grid.flatten(1, 3)], dim=1)
        return run_blocks(self.blocks, tokens, layers)

    def tokens(self, pixels: Tensor, dates: Tensor, places: Tensor) -> Tensor:
        """Tokens [B, T, h, w, D] of patches that know their position, date and place."""
        grid: Tensor = self.patch_embed(pixels.transpose(1, 2)).permute(0, 2, 3, 4, 1)
        frames, h, w, width = grid.shape[1:]
        grid = grid + positions(frames, h, w, TRAINED_PX // self.patch, width, grid.device)
        if self.told:
            grid = grid + self.temporal_embed_enc(dates)[:, :, None, None]
            grid = grid + self.location_embed_enc(places)[:, None, None, None]
        return grid


class PrithviEmbedder:
    """Prithvi as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        name = settings["variant"]
        size = CARD.variants[name]
        told = name not in UNTOLD
        self.network = Prithvi(size.width, size.depth, size.heads, PATCH_PX[name], told)
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        (self.sensor,) = settings["bands"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, without its table of fixed positions."""
        return encoder_state(state, self.network)

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map of patch tokens, averaged over frames, and the class token."""
        pixels = batch.pixels[self.sensor]
        days = batch.day_of_year[self.sensor] + 1
        dates = torch.stack([batch.year[self.sensor], days], dim=2)
        outputs = self.network(pixels, dates, batch.lonlat.flip(1), self.layers)
        if self.final_norm:
            outputs = [self.network.norm(tokens) for tokens in outputs]
        tokens = torch.cat(outputs, dim=2)
        h, w = (side // self.network.patch for side in pixels.shape[3:])
        grid = tokens[:, 1:].reshape(len(tokens), -1, h, w, tokens.shape[2]).mean(1)
        return TokenMaps({"patches": grid}, {"cls": tokens[:, 0]})


def build(settings: NetworkSettings) -> PrithviEmbedder:
    """Prithvi with fresh parameters."""
    return PrithviEmbedder(settings)


def positions(
    frames: int, h: int, w: int, trained: int, width: int, device: torch.device
) -> Tensor:
    """Positions [T, h, w, D] of tokens: of sixteen parts, six encode the column, six the row and
    four the frame. The class token's is zero.

    Args:
        frames: number of frames, counted as they come.
        h: tokens per column of the image.
        w: tokens per row of the image.
        trained: tokens per side that the network was trained with.
        width: width of a token.
        device: where the tokens are.
    """
    part = width // 16
    line = sincos(torch.arange(trained, device=device), 6 * part)
    columns, rows = stretch(line, w), stretch(line, h)[:, None]
    times = sincos(torch.arange(frames, device=device), 4 * part)[:, None, None]
    return torch.cat([axis.expand(frames, h, w, -1) for axis in (columns, rows, times)], dim=3)


def stretch(line: Tensor, length: int) -> Tensor:
    """A line of encodings [N, D] as [length, D], end on end.

    Upstream stretches the whole table of rows and columns by bicubic interpolation, which is
    separable: one line of each does.
    """
    if len(line) == length:
        return line
    image = line.T[None, :, :, None]
    size = (length, 1)
    stretched = functional.interpolate(image, size, mode="bicubic", align_corners=True)
    return stretched[0, :, :, 0].T
