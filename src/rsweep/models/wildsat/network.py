"""WildSAT (arXiv 2412.14428): torchvision's ViT-B/16 with its classifier, and three outputs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import encoder_state, run_blocks
from rsweep.models.wildsat.card import BRANCHES, CARD, IMAGE_PX, PATCH_PX

ensure_torchvision()

from torchvision.models import VisionTransformer  # noqa: E402

CLASSES, OUTPUT = 1000, 256
HEADS = {"text": "backbone1", "location": "backbone2", "image": "backbone3"}
"""Output -> its layer in the published file."""


class WildSat(nn.Module):
    """A vision transformer whose class scores feed three linear layers.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
    """

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.backbone = VisionTransformer(
            IMAGE_PX,
            PATCH_PX,
            depth,
            heads,
            width,
            4 * width,
            num_classes=CLASSES,
            norm_layer=functools.partial(nn.LayerNorm, eps=1e-6),
        )
        linear = {HEADS[name]: nn.Linear(CLASSES, OUTPUT, bias=False) for name in BRANCHES}
        self.decoder = nn.ModuleDict({key: nn.Sequential(part) for key, part in linear.items()})

    def patches(self, pixels: Tensor) -> Tensor:
        """Projected patches [B, h * w, D] of pixels [B, 3, 224, 224]."""
        grid: Tensor = self.backbone.conv_proj(pixels)
        return grid.flatten(2).mT

    def forward(self, pixels: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers` (from 1), class token first."""
        encoder: Any = self.backbone.encoder
        first = self.backbone.class_token.expand(len(pixels), -1, -1)
        tokens = torch.cat([first, self.patches(pixels)], dim=1) + encoder.pos_embedding
        return run_blocks(encoder.layers, tokens, layers)

    def norm(self, tokens: Tensor) -> Tensor:
        """The final norm of tokens [B, N, D]."""
        encoder: Any = self.backbone.encoder
        normed: Tensor = encoder.ln(tokens)
        return normed

    def scores(self, tokens: Tensor) -> Tensor:
        """Class scores [B, 1000] of the last block's tokens [B, N, D]."""
        found: Tensor = self.backbone.heads(self.norm(tokens)[:, 0])
        return found

    def output(self, scores: Tensor, branch: str) -> Tensor:
        """One of the three outputs [B, 256] of class scores [B, 1000]."""
        found: Tensor = self.decoder[HEADS[branch]](scores)
        return found


class WildSatEmbedder:
    """WildSAT as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self.network = WildSat(size.width, size.depth, size.heads)
        self.depth = size.depth
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        self.branch: str = settings["branch"]
        (self.sensor,) = settings["bands"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The network of a published checkpoint, without what training wrapped it in."""
        return encoder_state(state, self.network, ("module.",))

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map of patch tokens, the class token and one of the network's outputs."""
        pixels = without_floor(batch.pixels[self.sensor][:, 0], batch.valid[self.sensor][:, 0])
        *outputs, last = self.network(pixels, [*self.layers, self.depth])
        kept = [self.network.norm(tokens) if self.final_norm else tokens for tokens in outputs]
        tokens = torch.cat(kept, dim=2)
        side = IMAGE_PX // PATCH_PX
        grid = tokens[:, 1:].reshape(len(tokens), side, side, -1)
        model = self.network.output(self.network.scores(last), self.branch)
        return TokenMaps({"patches": grid}, {"cls": tokens[:, 0], "model": model})


def build(settings: NetworkSettings) -> WildSatEmbedder:
    """WildSAT with fresh parameters."""
    return WildSatEmbedder(settings)


def without_floor(pixels: Tensor, valid: Tensor) -> Tensor:
    """Values in 0..1 [B, C, H, W] less the smallest valid one of each item; 0 where not valid.

    Upstream then divides by the largest value if it is above 1, which values in 0..1 never are.
    """
    known = valid[:, None].expand_as(pixels)
    floor = torch.where(known, pixels, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    return torch.where(known, pixels - floor, 0.0)
