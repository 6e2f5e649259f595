"""SatVision-TOA (arXiv 2411.17000) on timm's Swin V2 blocks, under the published keys.

timm has the blocks, but not the norms that follow every few of them here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.satvision.card import BANDS, CARD, PATCH_PX, PYRAMIDS, WINDOW, Pyramid
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import encoder_state

ensure_torchvision()

from timm.layers.patch_embed import PatchEmbed  # noqa: E402
from timm.models.swin_transformer_v2 import PatchMerging, SwinTransformerV2Block  # noqa: E402

TABLES = ("relative_coords_table", "relative_position_index", "attn_mask")
"""What upstream saves beside the weights; made here for the image size."""


class Block(SwinTransformerV2Block):
    """timm's block, and after it, in some, one more norm."""

    def __init__(self, width: int, side: int, heads: int, shifted: bool, normed: bool) -> None:
        shift = WINDOW // 2 if shifted else 0
        super().__init__(width, (side, side), heads, window_size=WINDOW, shift_size=shift)
        self.norm3 = nn.LayerNorm(width) if normed else nn.Identity()
        for part in (self, self.attn):
            for name in TABLES:
                table = getattr(part, name, None)
                if isinstance(table, Tensor):  # part of the state upstream, which timm's is not
                    part.register_buffer(name, table)

    def forward(self, features: Tensor) -> Tensor:
        """[B, H, W, C] to the same."""
        normed: Tensor = self.norm3(super().forward(features))
        return normed


class Stage(nn.Module):
    """Blocks at one resolution, then the step to the next."""

    def __init__(
        self, width: int, side: int, depth: int, heads: int, merge: bool, period: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(width, side, heads, shifted=bool(n % 2), normed=n % period == period - 1)
            for n in range(depth)
        )
        self.downsample = PatchMerging(width) if merge else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """[B, H, W, C] to [B, H/2, W/2, 2C], or to the same without a merge."""
        for block in self.blocks:
            features = block(features)
        merged: Tensor = self.downsample(features)
        return merged


class SatVision(nn.Module):
    """A Swin V2 pyramid of four stages.

    Args:
        width: width of the last stage's tokens; each merge doubles it.
        pyramid: blocks, heads and norms of the stages.
        image_px: side of the images.
    """

    def __init__(self, width: int, pyramid: Pyramid, image_px: int) -> None:
        super().__init__()
        last = len(pyramid.depths) - 1
        first = width // 2**last
        self.patch_embed = PatchEmbed(
            image_px, PATCH_PX, len(BANDS), first, norm_layer=nn.LayerNorm, output_fmt="NHWC"
        )
        side = image_px // PATCH_PX
        self.layers = nn.ModuleList(
            Stage(first * 2**n, side // 2**n, depth, heads, n < last, pyramid.norm_period)
            for n, (depth, heads) in enumerate(zip(pyramid.depths, pyramid.heads, strict=True))
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, pixels: Tensor, stages: Sequence[int]) -> list[Tensor]:
        """Maps [B, h, w, D] after the stages numbered `stages` (from 1), before the final norm.

        Args:
            pixels: [B, 14, H, W] of the side that the network is made for.
            stages: numbers of stages; none beyond them is run.
        """
        features, found = self.patch_embed(pixels), {}
        for number, stage in enumerate(self.layers[: max(stages)], start=1):
            features = found[number] = stage(features)
        return [found[number] for number in stages]

    def pooled(self, features: Tensor) -> Tensor:
        """The network's own output [B, D] of the last stage's map [B, h, w, D]."""
        vector: Tensor = self.norm(features).mean(dim=(1, 2))
        return vector


class SatVisionEmbedder:
    """SatVision-TOA as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        name = settings["variant"]
        self.network = SatVision(CARD.variants[name].width, PYRAMIDS[name], settings["image_size"])
        self.stages = chosen(settings["layer"], len(PYRAMIDS[name].depths))
        self.final_norm: bool = settings["final_norm"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, with tables for this image size."""
        own = {
            key: table
            for key, table in self.network.state_dict().items()
            if key.rpartition(".")[2] in TABLES
        }
        return encoder_state(state, self.network) | own

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """A map for each chosen stage, and the pooled output if the last is among them."""
        found = self.network(batch.pixels["modis_toa"][:, 0], self.stages)
        maps, vectors = dict(zip(self.stages, found, strict=True)), {}
        last = len(self.network.layers)
        if last in maps:
            vectors["model"] = self.network.pooled(maps[last])
            maps[last] = self.network.norm(maps[last]) if self.final_norm else maps[last]
        return TokenMaps({f"stage{n}": grid for n, grid in maps.items()}, vectors)


def build(settings: NetworkSettings) -> SatVisionEmbedder:
    """SatVision-TOA with fresh parameters."""
    return SatVisionEmbedder(settings)
