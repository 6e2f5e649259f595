"""ScaleMAE's encoder (arXiv 2212.14532) on timm blocks, under the published state-dict keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.protocol import TileBatch
from rsweep.models.scalemae.card import CARD, PATCH_PX
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import ClassTokenEmbedder, run_blocks, sincos

ensure_torchvision()

from timm.layers.patch_embed import PatchEmbed  # noqa: E402
from timm.models.vision_transformer import Block  # noqa: E402


class ScaleMae(nn.Module):
    """ScaleMAE's encoder: a plain ViT but for its positions.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
    """

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.patch_embed = PatchEmbed(None, PATCH_PX, in_chans=3, embed_dim=width)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pixels: Tensor, gsd_m: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers` (from 1), class token first.

        Args:
            pixels: [B, 3, H, W], red, green, blue.
            gsd_m: [B], metres on the ground per pixel of each item.
            layers: numbers of blocks; their outputs come before the final norm.
        """
        h, w = (side // PATCH_PX for side in pixels.shape[2:])
        first = self.cls_token.expand(len(pixels), -1, -1)
        tokens = torch.cat([first, self.patch_embed(pixels)], dim=1)
        tokens = tokens + positions(h, w, gsd_m, tokens.shape[2]).to(tokens.dtype)
        return run_blocks(self.blocks, tokens, layers)


class ScaleMaeEmbedder(ClassTokenEmbedder):
    """ScaleMAE as an inference job runs it; tiles may differ in metres per pixel."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        super().__init__(ScaleMae(size.width, size.depth, size.heads), settings, size)

    def outputs(self, pixels: Tensor, batch: TileBatch) -> list[Tensor]:
        """What the network gives for pixels of a size on the ground."""
        found: list[Tensor] = self.network(pixels, batch.gsd, self.layers)
        return found


def build(settings: NetworkSettings) -> ScaleMaeEmbedder:
    """ScaleMAE with fresh parameters."""
    return ScaleMaeEmbedder(settings)


def positions(h: int, w: int, gsd_m: Tensor, width: int) -> Tensor:
    """Positions [B, 1 + h * w, D] of tokens on grids whose pixels are `gsd_m` [B] metres.

    The first half encodes the token's column and the second its row, each times metres per pixel:
    upstream counts in sixteenths of the distance on the ground. The class token's is zero.
    """
    gsd = gsd_m.float()[:, None]
    columns, rows = (torch.arange(n, dtype=torch.float32, device=gsd.device) for n in (w, h))
    x = sincos(columns * gsd, width // 2)[:, None, :, :].expand(-1, h, -1, -1)
    y = sincos(rows * gsd, width // 2)[:, :, None, :].expand(-1, -1, w, -1)
    grid = torch.cat([x, y], dim=3).flatten(1, 2)
    return torch.cat([grid.new_zeros(len(grid), 1, width), grid], dim=1)
