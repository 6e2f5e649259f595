"""TerraFM's encoder (arXiv 2506.06281) on timm blocks, under the published keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.protocol import TileBatch
from rsweep.models.terrafm.card import CARD, PATCH_PX
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import ClassTokenEmbedder, dino_positions, encoder_state, run_blocks

ensure_torchvision()

from timm.models.vision_transformer import Block  # noqa: E402

GRID = 14  # tokens per side that the table of positions was made for
BANDS = {"s1": 2, "s2_l1c": 12, "s2_l2a": 12}
BRANCHES = {"s1": "s1", "s1_rtc": "s1", "s2_l1c": "s2_l1c", "s2": "s2_l2a"}
"""Sensor -> the patch embedding that was trained on it."""


class Projection(nn.Module):
    """Three linear maps and a norm between patches and tokens; nothing in it is non-linear else.

    Args:
        wide: width of a patch's values.
        width: width of a token.
    """

    def __init__(self, wide: int, width: int) -> None:
        super().__init__()
        self.proj1 = nn.Linear(wide, wide, bias=False)
        self.norm_input = nn.LayerNorm(wide)
        self.proj2 = nn.Linear(wide, wide)
        self.proj3 = nn.Linear(wide, width)

    def forward(self, patches: Tensor) -> Tensor:
        """Tokens [B, N, D] of patches [B, N, W]."""
        tokens: Tensor = self.proj3(self.proj2(self.norm_input(self.proj1(patches))))
        return tokens


class SensorPatches(nn.Module):
    """Patch embeddings of the sensors, and what they have in common.

    Args:
        width: width of a token; patches are three times as wide.
        branches: embeddings to build.
    """

    def __init__(self, width: int, branches: Sequence[str]) -> None:
        super().__init__()
        wide = 3 * width
        for name in branches:
            cut = nn.Conv2d(BANDS[name], wide, PATCH_PX, stride=PATCH_PX)
            self.register_module(f"conv2d_{name}", cut)
            self.register_parameter(f"{name}_embed", nn.Parameter(torch.randn(1, wide) * 0.02))
        self.projection = Projection(wide, width)

    def forward(self, pixels: Tensor, branch: str) -> Tensor:
        """Tokens [B, N, D] of pixels [B, C, H, W] by the embedding of a branch."""
        grid: Tensor = self.get_submodule(f"conv2d_{branch}")(pixels)
        patches = grid.flatten(2).mT + self.get_parameter(f"{branch}_embed")
        tokens: Tensor = self.projection(patches)
        return tokens


class TerraFm(nn.Module):
    """TerraFM's encoder.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        branches: patch embeddings to build.
    """

    def __init__(self, width: int, depth: int, heads: int, branches: Sequence[str]) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + GRID**2, width) * 0.02)
        self.patch_embed = SensorPatches(width, branches)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pixels: Tensor, branch: str, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers`, before the final norm.

        Args:
            pixels: [B, C, H, W].
            branch: the patch embedding that reads them.
            layers: numbers of blocks from 1.
        """
        tokens = self.patch_embed(pixels, branch)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        h, w = (side // PATCH_PX for side in pixels.shape[2:])
        return run_blocks(self.blocks, tokens + dino_positions(self.pos_embed, h, w), layers)


class TerraFmEmbedder(ClassTokenEmbedder):
    """TerraFM as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        (sensor,) = settings["bands"]
        self.branch = BRANCHES[sensor]
        network = TerraFm(size.width, size.depth, size.heads, [self.branch])
        super().__init__(network, settings, size)

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, with the embedding of this sensor."""
        return encoder_state(state, self.network, ("module.", "backbone."))

    def outputs(self, pixels: Tensor, batch: TileBatch) -> list[Tensor]:
        """What the network gives for pixels of its sensor."""
        found: list[Tensor] = self.network(pixels, self.branch, self.layers)
        return found


def build(settings: NetworkSettings) -> TerraFmEmbedder:
    """TerraFM with fresh parameters."""
    return TerraFmEmbedder(settings)
