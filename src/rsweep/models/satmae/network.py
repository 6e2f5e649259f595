"""SatMAE's encoder on RGB (arXiv 2207.08051) on timm blocks, under the published keys."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.satmae.card import CARD, PATCH_PX
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import ClassTokenEmbedder, encoder_state, grid_sincos, run_blocks

ensure_torchvision()

from timm.layers.patch_embed import PatchEmbed  # noqa: E402
from timm.models.vision_transformer import Block  # noqa: E402

TABLES = ("pos_embed", "channel_embed")
"""Fixed tables that the published files hold for the image size of the pre-training."""
norm_layer: Any = functools.partial(nn.LayerNorm, eps=1e-6)


class SatMae(nn.Module):
    """A plain ViT with fixed positions and a class token that has none.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        image_px: side of the images.
        patch_px: side of a patch.
    """

    pos_embed: Tensor

    def __init__(
        self, width: int, depth: int, heads: int, image_px: int, patch_px: int = PATCH_PX
    ) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.patch_embed = PatchEmbed(None, patch_px, in_chans=3, embed_dim=width)
        self.register_buffer("pos_embed", with_class(grid_sincos(image_px // patch_px, width)))
        self.blocks = nn.ModuleList(
            Block(width, heads, qkv_bias=True, norm_layer=norm_layer) for _ in range(depth)
        )
        self.norm: nn.Module = norm_layer(width)

    def forward(self, pixels: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers` (from 1), class token first.

        Args:
            pixels: [B, 3, H, W], red, green, blue, of the side that the positions are made for.
            layers: numbers of blocks; their outputs come before the final norm.
        """
        patches = self.patch_embed(pixels) + self.pos_embed[:, 1:]
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(pixels), -1, -1)
        return run_blocks(self.blocks, torch.cat([first, patches], dim=1), layers)


class SatMaeEmbedder(ClassTokenEmbedder):
    """SatMAE as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        network = SatMae(size.width, size.depth, size.heads, settings["image_size"])
        super().__init__(network, settings, size)

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, with positions for this image size."""
        return with_own_tables(state, self.network)


def build(settings: NetworkSettings) -> SatMaeEmbedder:
    """SatMAE with fresh parameters."""
    return SatMaeEmbedder(settings)


def with_class(positions: Tensor) -> Tensor:
    """Positions [1, L, D] with a row of zeros before them, which the class token has."""
    return torch.cat([torch.zeros_like(positions[:, :1]), positions], dim=1)


def with_own_tables(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The encoder's part of a published checkpoint; its fixed tables are the network's own."""
    own = {name: table for name, table in network.state_dict().items() if name in TABLES}
    return encoder_state(state, network) | own
