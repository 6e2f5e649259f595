"""DOFA's encoder (arXiv 2403.15356) on torch and timm blocks, under the published keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.dofa.card import CARD
from rsweep.models.hypernetwork import WAVE_WIDTH, GeneratedPatches
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import encoder_state, run_blocks, sincos

ensure_torchvision()

from timm.layers.pos_embed import resample_abs_pos_embed  # noqa: E402
from timm.models.vision_transformer import Block  # noqa: E402

GRID = 14  # tokens per side that the position table was made for


class WavePatches(GeneratedPatches):
    """Patch embedding with a kernel generated for the wavelengths of the bands.

    Args:
        width: width of a token.
    """

    def waves(self, wavelengths_um: Tensor) -> Tensor:
        """Encoded wavelengths [C, 128] of bands [C] in µm; the encoding counts nanometres."""
        mixed: Tensor = self.fclayer(sincos(wavelengths_um * 1000, WAVE_WIDTH))
        return mixed

    def forward(self, pixels: Tensor, wavelengths_um: Tensor, patch: int) -> Tensor:
        """Tokens [B, D, h, w] of pixels [B, C, H, W]."""
        with torch.autocast(pixels.device.type, enabled=False):  # once per batch, in full precision
            kernel, bias = self.kernel(self.waves(wavelengths_um), patch)
        return self.cut(pixels, kernel, bias)


class Dofa(nn.Module):
    """DOFA's encoder without a head.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
    """

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patch_embed = WavePatches(width)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(position_table(width), requires_grad=False)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.fc_norm = nn.LayerNorm(width, eps=1e-6)

    def forward(
        self, pixels: Tensor, wavelengths_um: Tensor, patch: int, layers: Sequence[int]
    ) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers` (from 1), class token first."""
        grid = self.patch_embed(pixels, wavelengths_um, patch)
        positions = resample_abs_pos_embed(self.pos_embed, list(grid.shape[2:]))
        tokens = grid.flatten(2).transpose(1, 2) + positions[:, 1:]
        first = (self.cls_token + positions[:, :1]).expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], dim=1)
        return run_blocks(self.blocks, tokens, layers)


class DofaEmbedder:
    """DOFA as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self.network = Dofa(size.width, size.depth, size.heads)
        self.patch: int = settings["patch_size"]
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        (self.sensor,) = settings["bands"]
        self.wavelengths_um: list[float] = settings["constants"]["wavelengths_um"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, with the fc_norm that it lacks.

        Upstream leaves that norm as a fresh one: scale 1 and shift 0.
        """
        width = self.network.fc_norm.normalized_shape
        fresh = {"fc_norm.weight": torch.ones(width), "fc_norm.bias": torch.zeros(width)}
        return fresh | encoder_state(state, self.network)

    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map of patch tokens, the class token, and the network's own pooled output."""
        with torch.inference_mode():
            pixels = batch.pixels[self.sensor][:, 0]
            wavelengths = torch.tensor(self.wavelengths_um, device=pixels.device)
            outputs = self.network(pixels, wavelengths, self.patch, self.layers)
            pooled = [self.network.fc_norm(tokens[:, 1:].mean(1)) for tokens in outputs]
            if self.final_norm:
                outputs = [self.network.fc_norm(tokens) for tokens in outputs]
            tokens = torch.cat(outputs, dim=2)
            h, w = (side // self.patch for side in pixels.shape[2:])
            return TokenMaps(
                {"patches": tokens[:, 1:].reshape(len(tokens), h, w, -1)},
                {"cls": tokens[:, 0], "model": torch.cat(pooled, dim=1)},
            )


def build(settings: NetworkSettings) -> DofaEmbedder:
    """DOFA with fresh parameters."""
    return DofaEmbedder(settings)


def position_table(width: int) -> Tensor:
    """Positions [1, 1 + 14 * 14, D]: sincos of the column, then of the row; zero for the class."""
    steps = torch.arange(GRID, dtype=torch.float32)
    line = sincos(steps, width // 2)
    columns, rows = line.repeat(GRID, 1), line.repeat_interleave(GRID, dim=0)
    return torch.cat([torch.zeros(1, width), torch.cat([columns, rows], dim=1)])[None]
