"""FoMo (arXiv 2312.10114) with one patch layer for all bands, under the published keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle, scaled_dot_product_attention

from rsweep.core.settings import NetworkSettings
from rsweep.models.fomo.card import CARD, IMAGE_PX, PATCH_PX
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.vit import encoder_state, run_blocks

ROWS = 38  # of the spectral embedding: 37 bands, and one that upstream keeps free
CLASSES = 1000
HEAD = 64


class Attention(nn.Module):
    """Attention after a norm; queries, keys and values without biases."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * HEAD * heads, bias=False)
        self.to_out = nn.Sequential(nn.Linear(HEAD * heads, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] to the same."""
        parts = self.to_qkv(self.norm(tokens)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(2, (self.heads, HEAD)).transpose(1, 2) for part in parts)
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.to_out(mixed)
        return out


class Perceptron(nn.Module):
    """A perceptron after a norm; the published file numbers the layers as they stand in `net`."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Identity(),
            nn.Linear(hidden, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] to the same."""
        out: Tensor = self.net(tokens)
        return out


class Block(nn.ModuleList):
    """Attention and a perceptron, each added to what came in."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__([Attention(width, heads), Perceptron(width, hidden)])

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] to the same."""
        for part in self:
            tokens = tokens + part(tokens)
        return tokens


class Transformer(nn.Module):
    """Blocks and the final norm."""

    def __init__(self, width: int, depth: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(width, heads, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(width)


class Fomo(nn.Module):
    """A transformer over the patches of every band.

    Args:
        width: width of a token; the perceptrons are 8/3 times as wide.
        depth: number of blocks.
        heads: attention heads per block.
    """

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        values = PATCH_PX**2
        length = (IMAGE_PX // PATCH_PX) ** 2 + 1
        self.pos_embedding = nn.Parameter(torch.randn(1, length, width) * 0.02)
        self.spectral_embedding = nn.Parameter(torch.randn(1, ROWS, width) * 0.02)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)  # in the file, never used
        self.to_patch_embedding = nn.Sequential(
            nn.Identity(), nn.LayerNorm(values), nn.Linear(values, width), nn.LayerNorm(width)
        )
        self.transformer = Transformer(width, depth, heads, 8 * width // 3)
        self.mlp_head = nn.Linear(width, CLASSES)

    def patches(self, pixels: Tensor) -> Tensor:
        """Projected patches [B, C, h * w, D] of pixels [B, C, H, W], a band at a time."""
        b, c = pixels.shape[:2]
        cut = pixel_unshuffle(pixels.flatten(0, 1)[:, None], PATCH_PX)  # row, then column
        values = cut.flatten(2).mT
        projected: Tensor = self.to_patch_embedding(values)
        return projected.view(b, c, *projected.shape[1:])

    def forward(self, pixels: Tensor, keys: Sequence[int], layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, C * h * w, D] of the blocks numbered `layers` (from 1), a band at a time.

        Args:
            pixels: [B, C, H, W] of at most 64 px.
            keys: row of the spectral embedding of each band.
            layers: numbers of blocks; their outputs come before the final norm.
        """
        patches = self.patches(pixels)
        places = self.pos_embedding[:, None, 1 : patches.shape[2] + 1]
        tokens = patches + places + self.spectral_embedding[0, list(keys)][None, :, None]
        return run_blocks(self.transformer.layers, tokens.flatten(1, 2), layers)


class FomoEmbedder:
    """FoMo as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self.network = Fomo(size.width, size.depth, size.heads)
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        self.keys: dict[str, list[int]] = settings["constants"]["spectral_keys"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The network of a published checkpoint."""
        return encoder_state(state, self.network)

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The mean over bands of the map of patch tokens."""
        pixels = torch.cat([batch.pixels[sensor][:, 0] for sensor in self.keys], dim=1)
        keys = [key for own in self.keys.values() for key in own]
        outputs = self.network(pixels, keys, self.layers)
        if self.final_norm:
            outputs = [self.network.transformer.norm(tokens) for tokens in outputs]
        tokens = torch.cat(outputs, dim=2)
        side = pixels.shape[-1] // PATCH_PX
        grids = tokens.reshape(len(tokens), len(keys), side, side, -1)
        return TokenMaps({"patches": grids.mean(1)})


def build(settings: NetworkSettings) -> FomoEmbedder:
    """FoMo with fresh parameters."""
    return FomoEmbedder(settings)
