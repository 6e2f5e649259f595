"""SatMAE++'s encoder on groups of bands (arXiv 2403.05419) on timm blocks, under published keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.satmae.network import norm_layer, with_class, with_own_tables
from rsweep.models.satmaepp.card import CARD, GROUPS, NAMES, PATCH_PX
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import ClassTokenEmbedder, grid_sincos, run_blocks, sincos

ensure_torchvision()

from timm.layers.patch_embed import PatchEmbed  # noqa: E402
from timm.models.vision_transformer import Block  # noqa: E402


class SatMaePP(nn.Module):
    """A ViT whose patches are cut from groups of bands; positions and groups are fixed encodings.

    Args:
        width: width of a token, of which a quarter tells the group and the rest the position.
        depth: number of blocks.
        heads: attention heads per block.
        image_px: side of the images.
        patch_px: side of a patch.
        groups: bands of each group, by their place in the image.
    """

    pos_embed: Tensor
    channel_embed: Tensor

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        image_px: int,
        patch_px: int = PATCH_PX,
        groups: Sequence[Sequence[int]] = GROUPS,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.patch_embed = nn.ModuleList(
            PatchEmbed(None, patch_px, in_chans=len(group), embed_dim=width) for group in groups
        )
        side, own = image_px // patch_px, width // 4
        numbers = torch.arange(len(groups), dtype=torch.float32)
        self.register_buffer("pos_embed", with_class(grid_sincos(side, width - own)))
        self.register_buffer("channel_embed", sincos(numbers, own)[None])
        self.blocks = nn.ModuleList(
            Block(width, heads, qkv_bias=True, norm_layer=norm_layer) for _ in range(depth)
        )
        self.norm: nn.Module = norm_layer(width)

    def encodings(self) -> Tensor:
        """What is added to the tokens [1, 1 + G * h * w, D], class token first."""
        length = self.pos_embed.shape[1]
        tables = [
            torch.cat([self.pos_embed[0], self.channel_embed[0, g].expand(length, -1)], dim=1)
            for g in range(len(self.groups))
        ]
        first = torch.zeros_like(tables[0][:1])  # the class token has no position and no group
        return torch.cat([first, *(table[1:] for table in tables)])[None]

    def forward(self, pixels: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, 1 + G * h * w, D] of the blocks numbered `layers` (from 1).

        Args:
            pixels: [B, C, H, W], of the side that the positions are made for.
            layers: numbers of blocks; their outputs come before the final norm.

        Returns:
            Per block the class token, then the patches of each group row by row.
        """
        pairs = zip(self.patch_embed, self.groups, strict=True)
        patches = [embed(pixels[:, list(group)]) for embed, group in pairs]
        first = self.cls_token.expand(len(pixels), -1, -1)
        tokens = torch.cat([first, *patches], dim=1) + self.encodings()
        return run_blocks(self.blocks, tokens, layers)


class SatMaePPEmbedder(ClassTokenEmbedder):
    """SatMAE++ as an inference job runs it; a map of patch tokens for each group of bands."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        network = SatMaePP(size.width, size.depth, size.heads, settings["image_size"])
        super().__init__(network, settings, size, NAMES)

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, with positions for this image size."""
        return with_own_tables(state, self.network)


def build(settings: NetworkSettings) -> SatMaePPEmbedder:
    """SatMAE++ with fresh parameters."""
    return SatMaePPEmbedder(settings)
