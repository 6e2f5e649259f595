"""The Video Swin pyramid of AgriFM on torchvision's shifted-window attention.

Feature maps are [B, T, H, W, C] throughout. Module names are those of the published checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()
from timm.layers.mlp import Mlp  # noqa: E402
from torchvision.models.video.swin_transformer import (  # noqa: E402
    PatchEmbed3d,
    ShiftedWindowAttention3d,
)

WINDOW = (8, 7, 7)
WIDTH = 128
DEPTHS = (2, 2, 18, 2)
HEADS = (4, 8, 16, 32)
PATCH = (4, 2, 2)
BANDS = 10


class Block(nn.Module):
    """Attention within windows, which every second block shifts by half a window, and an MLP."""

    def __init__(self, width: int, heads: int, shifted: bool) -> None:
        super().__init__()
        shift = [size // 2 if shifted else 0 for size in WINDOW]
        self.norm1 = nn.LayerNorm(width)
        self.attn = ShiftedWindowAttention3d(width, list(WINDOW), shift, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, features: Tensor) -> Tensor:
        """[B, T, H, W, C] to the same."""
        features = features + self.attn(self.norm1(features))
        mixed: Tensor = features + self.mlp(self.norm2(features))
        return mixed


class Merge(nn.Module):
    """Halve height, width and time: neighbours in space side by side, pairs of frames averaged.

    An odd side is padded with zeros, time too: the mean of a last unpaired frame is half of it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """[B, T, H, W, C] to [B, T/2, H/2, W/2, 2C], halves rounded up."""
        _, frames, height, width, _ = features.shape
        features = F.pad(features, (0, 0, 0, width % 2, 0, height % 2, 0, frames % 2))
        features = torch.unflatten(features, 1, (-1, 2)).mean(2)
        features = torch.unflatten(torch.unflatten(features, 3, (-1, 2)), 2, (-1, 2))
        neighbours = features.permute(0, 1, 2, 4, 5, 3, 6).flatten(4)  # columns before rows
        merged: Tensor = self.reduction(self.norm(neighbours))
        return merged


class Stage(nn.Module):
    """Blocks at one resolution, then the step to the next."""

    def __init__(self, width: int, depth: int, heads: int, merge: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, bool(i % 2)) for i in range(depth))
        self.downsample = Merge(width) if merge else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """[B, T, H, W, C] to the next stage's [B, T', H', W', C']."""
        for block in self.blocks:
            features = block(features)
        merged: Tensor = self.downsample(features)
        return merged


class Pyramid(nn.Module):
    """The four stages and the final norm."""

    def __init__(self) -> None:
        super().__init__()
        last = len(DEPTHS) - 1
        self.layers = nn.ModuleList(
            Stage(WIDTH * 2**i, depth, heads, merge=i < last)
            for i, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True))
        )
        self.norm = nn.LayerNorm(WIDTH * 2**last)


class AgriFM(nn.Module):
    """Patch embedding of Sentinel-2 frames and the pyramid on top."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_emd = PatchEmbed3d(list(PATCH), in_channels=BANDS, embed_dim=WIDTH)
        self.backbone = Pyramid()

    def forward(self, image: Tensor, outputs: Sequence[int]) -> list[Tensor]:
        """Outputs of the network by number, from 1 (the patch embedding) to 5, before the norm.

        Args:
            image: [B, T, 10, H, W], normalised reflectance.
            outputs: which ones, in the order wanted; stages beyond the last of them are not run.

        Returns:
            A feature map [B, t, h, w, C] each.
        """
        features = self.patch_emd(image.transpose(1, 2))
        found = {1: features}
        for number, stage in enumerate(self.backbone.layers[: max(outputs) - 1], 2):
            found[number] = features = stage(features)
        return [found[number] for number in outputs]


def fold_time(features: Tensor) -> Tensor:
    """[B, t, h, w, C] to [B, h, w, C*t], the frames of a channel side by side, as upstream."""
    return features.permute(0, 2, 3, 4, 1).flatten(3)
