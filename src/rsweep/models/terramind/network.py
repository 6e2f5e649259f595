"""TerraMind's encoder (arXiv 2504.11171) on timm blocks, under the published keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.masks import unseen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.terramind.card import CARD, PATCH_PX
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import encoder_state, run_blocks, sincos

ensure_torchvision()

from timm.models.vision_transformer import Block  # noqa: E402

GRID = 14  # tokens per side that the table of positions is made for
GATED = ("base", "large")  # sizes with gated perceptrons and no bias anywhere


class Norm(nn.Module):
    """Layer norm with a learned scale; the published files hold its shift, which is zero.

    Args:
        width: width of a token.
        others: what timm tells a norm beside; not read.
    """

    bias: Tensor

    def __init__(self, width: int, **others: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.register_buffer("bias", torch.zeros(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [..., D], normed."""
        return functional.layer_norm(tokens, self.weight.shape, self.weight, self.bias, eps=1e-6)


class GatedMlp(nn.Module):
    """SwiGLU perceptron without biases, at two thirds of the hidden width asked for.

    Args:
        in_features: width of a token.
        hidden_features: hidden width of a plain perceptron of as many parameters.
        others: what timm tells a perceptron beside; not read.
    """

    def __init__(self, in_features: int, hidden_features: int, **others: Any) -> None:
        super().__init__()
        hidden = 2 * hidden_features // 3
        self.fc1 = nn.Linear(in_features, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, in_features, bias=False)
        self.fc3 = nn.Linear(in_features, hidden, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [..., D]."""
        mixed: Tensor = self.fc2(functional.silu(self.fc1(tokens)) * self.fc3(tokens))
        return mixed


class Patches(nn.Module):
    """Patch embedding of one kind of image, with its positions and what kind it is.

    Args:
        bands: number of channels.
        width: width of a token.
    """

    pos_emb: Tensor

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.bands = bands
        self.proj = nn.Linear(bands * PATCH_PX**2, width, bias=False)
        self.mod_emb = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.register_buffer("pos_emb", position_table(width))

    def patches(self, pixels: Tensor) -> Tensor:
        """Projected patches [B, h * w, D] of pixels [B, C, H, W].

        The published weight counts a patch's values row by row, the channel fastest.
        """
        kernel = self.proj.weight.view(-1, PATCH_PX, PATCH_PX, self.bands)
        grid = functional.conv2d(pixels, kernel.permute(0, 3, 1, 2), stride=PATCH_PX)
        return grid.flatten(2).mT

    def places(self, h: int, w: int) -> Tensor:
        """What is added to the patches of a grid: [1, h * w, D]."""
        table = self.pos_emb.view(1, GRID, GRID, -1).permute(0, 3, 1, 2)
        if (h, w) != (GRID, GRID):
            table = functional.interpolate(table, (h, w), mode="bicubic", align_corners=False)
        places: Tensor = table.flatten(2).mT + self.mod_emb
        return places

    def forward(self, pixels: Tensor) -> Tensor:
        """Tokens [B, h * w, D] of pixels [B, C, H, W], rows from the top."""
        h, w = (side // PATCH_PX for side in pixels.shape[2:])
        return self.patches(pixels) + self.places(h, w)


class TerraMind(nn.Module):
    """TerraMind's encoder.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        gated: True for the sizes with gated perceptrons and no biases.
        channels: patch embedding -> number of channels, for those that are fed.
    """

    def __init__(
        self, width: int, depth: int, heads: int, gated: bool, channels: Mapping[str, int]
    ) -> None:
        super().__init__()
        self.encoder_embeddings = nn.ModuleDict(
            {name: Patches(bands, width) for name, bands in channels.items()}
        )
        own: dict[str, Any] = {"proj_bias": False, "mlp_layer": GatedMlp} if gated else {}
        self.encoder = nn.ModuleList(
            Block(width, heads, qkv_bias=not gated, norm_layer=Norm, **own) for _ in range(depth)
        )
        self.encoder_norm = Norm(width)

    def forward(
        self, images: Mapping[str, Tensor], layers: Sequence[int], absent: Tensor | None = None
    ) -> list[Tensor]:
        """Outputs of the blocks numbered `layers` (from 1), before the final norm.

        Args:
            images: patch embedding -> pixels [B, C, H, W], all of one size.
            layers: numbers of blocks.
            absent: [B, M], True for an image that an item lacks: no token attends to it, and its
                own tokens mean nothing.

        Returns:
            Per block [B, M * h * w, D]: the tokens of one image after those of another, as given.
        """
        parts = [self.encoder_embeddings[name](pixels) for name, pixels in images.items()]
        tokens = torch.cat(parts, dim=1)
        if absent is None:
            return run_blocks(self.encoder, tokens, layers)
        seen = ~absent.repeat_interleave(parts[0].shape[1], dim=1)
        return run_blocks(self.encoder, tokens, layers, attn_mask=seen[:, None, None])


class TerraMindEmbedder:
    """TerraMind as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        name = settings["variant"]
        size = CARD.variants[name]
        self.embeddings: dict[str, str] = settings["constants"]["embeddings"]
        channels = {self.embeddings[s]: len(bands) for s, bands in settings["bands"].items()}
        self.network = TerraMind(size.width, size.depth, size.heads, name in GATED, channels)
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, for the inputs that are fed."""
        return encoder_state(state, self.network, ("module.", "model."))

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """A map of patch tokens for each sensor; NaN for one that saw nothing of the tile."""
        images = {name: batch.pixels[s][:, 0] for s, name in self.embeddings.items()}
        absent = unseen(batch, list(self.embeddings))
        outputs = self.network(images, self.layers, absent)
        if self.final_norm:
            outputs = [self.network.encoder_norm(tokens) for tokens in outputs]
        tokens = torch.cat(outputs, dim=2)
        h, w = (side // PATCH_PX for side in next(iter(images.values())).shape[2:])
        parts = tokens.view(len(tokens), len(images), h, w, -1)
        if absent is not None:
            parts = parts.masked_fill(absent[:, :, None, None, None], torch.nan)
        return TokenMaps(dict(zip(self.embeddings, parts.unbind(1), strict=True)))


def build(settings: NetworkSettings) -> TerraMindEmbedder:
    """TerraMind with fresh parameters."""
    return TerraMindEmbedder(settings)


def position_table(width: int) -> Tensor:
    """Positions [1, 14 * 14, D]: sincos of the row, then of the column."""
    line = sincos(torch.arange(GRID, dtype=torch.float32), width // 2)
    rows, columns = line.repeat_interleave(GRID, dim=0), line.repeat(GRID, 1)
    return torch.cat([rows, columns], dim=1)[None]
