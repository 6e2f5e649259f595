"""The image tower of RemoteCLIP (arXiv 2306.11029), under the keys of open_clip."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.remoteclip.card import CARD, IMAGE_PX, OUTPUT, PATCH_PX
from rsweep.models.vit import run_blocks

PREFIXES = ("module.", "visual.")


class Block(nn.Module):
    """Attention and a perceptron, each after a norm and added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        layers = {
            "c_fc": nn.Linear(width, 4 * width),
            "gelu": nn.GELU(),
            "c_proj": nn.Linear(4 * width, width),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] to the same."""
        normed = self.ln_1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False)[0]
        mixed: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return mixed


class Tower(nn.Module):
    """CLIP's vision transformer.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        patch_px: side of a patch.
        output: width of the projected class token.
    """

    def __init__(self, width: int, depth: int, heads: int, patch_px: int, output: int) -> None:
        super().__init__()
        length = (IMAGE_PX // patch_px) ** 2 + 1
        self.conv1 = nn.Conv2d(3, width, patch_px, patch_px, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.02)
        self.positional_embedding = nn.Parameter(torch.randn(length, width) * 0.02)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, output) * width**-0.5)

    def patches(self, pixels: Tensor) -> Tensor:
        """Projected patches [B, h * w, D] of pixels [B, 3, 224, 224]."""
        grid: Tensor = self.conv1(pixels)
        return grid.flatten(2).mT

    def forward(self, pixels: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers` (from 1), class token first."""
        first = self.class_embedding.expand(len(pixels), 1, -1)
        tokens = torch.cat([first, self.patches(pixels)], dim=1) + self.positional_embedding
        blocks: Any = self.transformer.resblocks
        return run_blocks(blocks, self.ln_pre(tokens), layers)

    def projected(self, tokens: Tensor) -> Tensor:
        """The image's vector [B, output] from the last block's tokens [B, N, D]."""
        vector: Tensor = self.ln_post(tokens[:, 0]) @ self.proj
        return vector


class RemoteClipEmbedder:
    """RemoteCLIP's image tower as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        name = settings["variant"]
        size = CARD.variants[name]
        self.network = Tower(size.width, size.depth, size.heads, PATCH_PX[name], OUTPUT[name])
        self.depth = size.depth
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        (self.sensor,) = settings["bands"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The image tower of a published checkpoint, which has a text tower beside it."""
        towers = [key for key in state if key.startswith(("visual.", "module.visual."))]
        found = {key: state[key] for key in towers} if towers else dict(state)
        for prefix in PREFIXES:
            found = {key.removeprefix(prefix): tensor for key, tensor in found.items()}
        return found

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map of patch tokens, the class token and the projected class token."""
        *outputs, last = self.network(batch.pixels[self.sensor][:, 0], [*self.layers, self.depth])
        kept = [self.network.ln_post(tokens) if self.final_norm else tokens for tokens in outputs]
        tokens = torch.cat(kept, dim=2)
        side = round((tokens.shape[1] - 1) ** 0.5)
        grid = tokens[:, 1:].reshape(len(tokens), side, side, -1)
        vectors = {"cls": tokens[:, 0], "model": self.network.projected(last)}
        return TokenMaps({"patches": grid}, vectors)


def build(settings: NetworkSettings) -> RemoteClipEmbedder:
    """RemoteCLIP's image tower with fresh parameters."""
    return RemoteClipEmbedder(settings)
