"""Clay's encoder on torch, under the published keys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsweep.core.settings import NetworkSettings
from rsweep.models.clay.card import CARD, PATCH_PX, SIZES
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.vit import encoder_state, run_blocks

WAVE_WIDTH = 128
WEIGHT_TOKENS = 128
KERNEL_SCALE = 0.02
"""Of the generated kernel, and not of its bias."""

TOLD = 8
"""Last numbers of a token's encoding: sine and cosine of week, hour, latitude and longitude."""


def encoded_waves(wavelengths_um: Tensor) -> Tensor:
    """Wavelengths [C] in µm as sines, then cosines [C, 128]; the last frequency is 1 / 10000."""
    half = WAVE_WIDTH // 2
    steps = torch.arange(half, dtype=torch.float32, device=wavelengths_um.device)
    angles = wavelengths_um[:, None] * 10000 ** (-steps / (half - 1))
    return torch.cat([angles.sin(), angles.cos()], 1)


def encoded_places(rows: int, columns: int, gsd: Tensor, width: int) -> Tensor:
    """Places [B, rows * columns, width] of tokens, for metres per pixel [B].

    As upstream has it: the exponent is so small that all frequencies are nearly the same.
    """
    quarter = width // 4
    steps = torch.arange(quarter, dtype=torch.float32, device=gsd.device) / (quarter - 1)
    frequencies = gsd[:, None] * (1 / 10000 ** (2 * steps / width))  # rounded as upstream
    down, across = (
        torch.arange(size, dtype=torch.float32, device=gsd.device)[:, None] * frequencies[:, None]
        for size in (rows, columns)
    )
    shape = (len(gsd), rows, columns, quarter)
    parts = [
        across.sin()[:, None],
        across.cos()[:, None],
        down.sin()[:, :, None],
        down.cos()[:, :, None],
    ]
    return torch.cat([part.expand(shape) for part in parts], 3).flatten(1, 2)


class WaveMixer(nn.Module):
    """Residual two-layer perceptron over the encoded wavelengths [C, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Linear(WAVE_WIDTH, WAVE_WIDTH)
        self.l2 = nn.Linear(WAVE_WIDTH, WAVE_WIDTH)

    def forward(self, waves: Tensor) -> Tensor:
        """Waves [C, 128], mixed."""
        return waves + functional.gelu(self.l2(functional.gelu(self.l1(waves))))


class KernelGenerator(nn.Module):
    """Transformer that turns encoded wavelengths into a patch kernel and bias.

    Args:
        width: width of a token, the kernel's number of outputs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            WAVE_WIDTH, 4, activation="gelu", dropout=0.0, batch_first=False
        )
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.fc_weight = nn.Linear(WAVE_WIDTH, PATCH_PX**2 * width)
        self.fc_bias = nn.Linear(WAVE_WIDTH, width)
        self.weight_tokens = nn.Parameter(torch.randn(WEIGHT_TOKENS, WAVE_WIDTH) * 0.02)
        self.bias_token = nn.Parameter(torch.randn(1, WAVE_WIDTH) * 0.02)

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [C, D * 8 * 8] and bias [D] for bands of encoded wavelengths [C, 128]."""
        read = self.encoder(torch.cat([self.weight_tokens, waves, self.bias_token]))
        return self.fc_weight(read[WEIGHT_TOKENS:-1] + waves), self.fc_bias(read[-1])


class WavePatches(nn.Module):
    """Patch embedding with a kernel generated for the bands at hand."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight_generator = KernelGenerator(width)
        self.fclayer = WaveMixer()

    def forward(self, pixels: Tensor, wavelengths_um: Tensor) -> Tensor:
        """Tokens [B, D, h, w] of pixels [B, C, H, W]."""
        with torch.autocast(pixels.device.type, enabled=False):  # once per batch, in full precision
            weights, bias = self.weight_generator(self.fclayer(encoded_waves(wavelengths_um)))
            kernel = weights.view(len(weights), -1, PATCH_PX, PATCH_PX).transpose(0, 1)
        return functional.conv2d(pixels, kernel * KERNEL_SCALE, bias, stride=PATCH_PX)


class Attention(nn.Module):
    """Multi-head attention with its norm before it."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] to the same."""
        parts = torch.unflatten(self.to_qkv(self.norm(tokens)), 2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.to_out(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """Two layers with their norm before them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] to the same."""
        out: Tensor = self.net(tokens)
        return out


class Block(nn.ModuleList):
    """A pre-norm transformer block; a list, as in the published keys."""

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] to the same."""
        attention, feed_forward = self
        tokens = tokens + attention(tokens)
        out: Tensor = tokens + feed_forward(tokens)
        return out


class Transformer(nn.Module):
    """The blocks and the last norm."""

    def __init__(self, width: int, depth: int, heads: int, head_width: int, ratio: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            Block([Attention(width, heads, head_width), FeedForward(width, ratio * width)])
            for _ in range(depth)
        )


class Clay(nn.Module):
    """Clay's encoder, with nothing masked.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        head_width: of a head, whatever the width of a token.
        ratio: width of the feed-forward layers in widths of a token.
    """

    def __init__(self, width: int, depth: int, heads: int, head_width: int, ratio: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.patch_embedding = WavePatches(width)
        self.transformer = Transformer(width, depth, heads, head_width, ratio)

    def forward(
        self,
        pixels: Tensor,
        wavelengths_um: Tensor,
        gsd: Tensor,
        told: Tensor,
        layers: Sequence[int],
    ) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers` (from 1), class token first.

        Args:
            pixels: [B, C, H, W], standardised.
            wavelengths_um: [C].
            gsd: [B], metres per pixel.
            told: [B, 8], sine and cosine of week, hour, latitude and longitude; zeros: unknown.
            layers: numbers of blocks.
        """
        grid = self.patch_embedding(pixels, wavelengths_um)
        rows, columns = grid.shape[2:]
        places = encoded_places(rows, columns, gsd, grid.shape[1] - TOLD)
        added = torch.cat([places, told[:, None].expand(-1, places.shape[1], -1)], 2)
        tokens = grid.flatten(2).mT + added
        first = self.cls_token.expand(len(tokens), -1, -1)
        return run_blocks(self.transformer.layers, torch.cat([first, tokens], 1), layers)


class ClayEmbedder:
    """Clay as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        variant = settings["variant"]
        size = CARD.variants[variant]
        self.network = Clay(size.width, size.depth, size.heads, *SIZES[variant])
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        self.metadata: bool = settings["metadata"]
        (self.sensor,) = settings["bands"]
        self.wavelengths_um: list[float] = settings["constants"]["wavelengths_um"]
        self.overpass_h: float | None = settings["constants"]["overpass_h"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint."""
        return encoder_state(state, self.network)

    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map of patch tokens and the class token."""
        with torch.inference_mode():
            pixels = batch.pixels[self.sensor][:, 0]
            wavelengths = torch.tensor(self.wavelengths_um, device=pixels.device)
            told = self._told(batch).to(pixels.device)
            outputs = self.network(pixels, wavelengths, batch.gsd.float(), told, self.layers)
            if self.final_norm:
                outputs = [self.network.transformer.norm(tokens) for tokens in outputs]
            tokens = torch.cat(outputs, dim=2)
            h, w = (side // PATCH_PX for side in pixels.shape[2:])
            return TokenMaps(
                {"patches": tokens[:, 1:].reshape(len(tokens), h, w, -1)}, {"cls": tokens[:, 0]}
            )

    def _told(self, batch: TileBatch) -> Tensor:
        """What the network is told of when and where: [B, 8] float32."""
        lonlat = batch.lonlat.double().cpu()
        if not self.metadata:
            return torch.zeros(len(lonlat), TOLD)
        dates = zip(
            batch.year[self.sensor][:, 0].tolist(),
            batch.day_of_year[self.sensor][:, 0].tolist(),
            strict=True,
        )
        weeks = torch.tensor([iso_week(year, day) for year, day in dates], dtype=torch.float64)
        hours = torch.tensor([self._hour(lon) for lon in lonlat[:, 0].tolist()])
        degrees = lonlat.flip(1).deg2rad().unbind(1)
        angles = torch.stack([weeks * math.tau / 52, hours * math.tau / 24, *degrees], 1)
        return torch.stack([angles.sin(), angles.cos()], 2).flatten(1).float()

    def _hour(self, longitude: float) -> int:
        """Whole hour in UTC of the sensor's overpass at a longitude."""
        if self.overpass_h is None:
            return 0
        return math.floor((self.overpass_h - longitude / 15) % 24)


def iso_week(year: int, day: int) -> int:
    """ISO week of a day of the year, from 0."""
    return (date(year, 1, 1) + timedelta(days=day)).isocalendar().week


def build(settings: NetworkSettings) -> ClayEmbedder:
    """Clay with fresh parameters."""
    return ClayEmbedder(settings)
