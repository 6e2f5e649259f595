"""Galileo's encoder; module names are those of the published checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsweep.models.galileo.card import MAX_FRAMES
from rsweep.models.galileo.tokens import KINDS, Kind, Observed, Tokens
from rsweep.models.masks import pack, unpack
from rsweep.models.sinusoids import month_table, places, sinusoid
from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()
from timm.layers.mlp import Mlp  # noqa: E402
from timm.layers.patch_embed import PatchEmbedResamplerFixedOrigSize  # noqa: E402

KERNEL = 8
"""Side of the learned patch kernels; smaller patches take a resized one."""

BASE_GSD_M = 10.0
"""Metres of one step of the position encoding."""


class FlexiPatch(nn.Module):
    """A convolution whose kernel is resized to the patch (FlexiViT's pseudo-inverse)."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, width, KERNEL, stride=KERNEL)
        self.resize = PatchEmbedResamplerFixedOrigSize((KERNEL, KERNEL))

    def forward(self, values: Tensor, patch: int) -> Tensor:
        """[B, T, C, H, W] to [B, h, w, T, D]."""
        weight = self.resize(self.proj.weight, [patch, patch])
        patches = F.conv2d(values.flatten(0, 1), weight, self.proj.bias, stride=patch)
        return torch.unflatten(patches, 0, values.shape[:2]).permute(0, 3, 4, 1, 2)


class Months(nn.Module):
    """A row per month of the year; fixed, hence a buffer."""

    weight: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", month_table(width))

    def forward(self, months: Tensor) -> Tensor:
        """Months [B, T] from 0 to [B, T, width]."""
        return self.weight[months]


class Attention(nn.Module):
    """Multi-head attention with separate projections to query, key and value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, seen: Tensor | None) -> Tensor:
        """[B, N, D] to the same; only tokens that are seen ([B, N] bool) are attended to."""
        query, key, value = (
            torch.unflatten(part(tokens), 2, (self.heads, -1)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        mask = None if seen is None else seen[:, None, None]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        projected: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return projected


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, tokens: Tensor, seen: Tensor | None) -> Tensor:
        """[B, N, D] to the same."""
        tokens = tokens + self.attn(self.norm1(tokens), seen)
        mixed: Tensor = tokens + self.mlp(self.norm2(tokens))
        return mixed


class Encoder(nn.Module):
    """Galileo without its decoder."""

    pos_embed: Tensor

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        quarter = width // 4  # a token's encoding is channel group, time, month, place
        self.register_buffer("pos_embed", sinusoid(torch.arange(MAX_FRAMES), quarter))
        self.month_embed = Months(quarter)
        for kind in KINDS:
            channels = nn.Parameter(torch.randn(len(kind.bands), quarter) * 0.02)
            self.register_parameter(f"{kind.prefix}_channel_embed", channels)
            layer = FlexiPatch if kind.spatial else nn.Linear
            groups = {group: layer(bands, width) for group, bands in kind.bands.items()}
            self.add_module(f"{kind.name}_embed", nn.ModuleDict(groups))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        observed: Mapping[str, Observed],
        months: Tensor,
        gsd: Tensor,
        patch: int,
        layers: Sequence[int],
        final_norm: bool,
    ) -> list[Tokens]:
        """Tokens of the kinds observed.

        Args:
            observed: channel group -> what was seen of it; a group left out is hidden everywhere.
            months: [B, T] int64, 0 = January.
            gsd: [B], metres per pixel.
            patch: side of a token in pixels.
            layers: blocks, from 1, whose outputs are concatenated along D in this order.
            final_norm: whether each output goes through the network's norm.
        """
        inputs = self._tokenise(observed, months, gsd * patch / BASE_GSD_M, patch)
        sequence = torch.cat([tokens.values.flatten(1, 4) for tokens in inputs], 1)
        seen = torch.cat([tokens.visible.flatten(1) for tokens in inputs], 1)
        packed, order, kept = pack(sequence, seen)
        outputs = self._run_blocks(packed, kept, layers)
        encoded = torch.cat([self.norm(o) if final_norm else o for o in outputs], -1)
        shapes = [tokens.visible.shape[1:] for tokens in inputs]
        encoded = unpack(encoded, order, sequence.shape[1])
        chunks = torch.split(encoded, [shape.numel() for shape in shapes], 1)
        return [
            Tokens(torch.unflatten(chunk, 1, shape), tokens.visible)
            for chunk, shape, tokens in zip(chunks, shapes, inputs, strict=True)
        ]

    def _run_blocks(
        self, tokens: Tensor, seen: Tensor | None, layers: Sequence[int]
    ) -> list[Tensor]:
        outputs = {}
        for number, block in enumerate(self.blocks[: max(layers)], 1):
            outputs[number] = tokens = block(tokens, seen)
        return [outputs[number] for number in layers]

    def _tokenise(
        self, observed: Mapping[str, Observed], months: Tensor, step: Tensor, patch: int
    ) -> list[Tokens]:
        """Projected values by kind, with what tells the tokens apart added."""
        found = []
        for kind in KINDS:
            names = [name for name in kind.bands if name in observed]
            if not names:
                continue
            values = [self._project(kind, name, observed[name].values, patch) for name in names]
            visible = [
                observed[n].visible.expand(v.shape[:4]) for n, v in zip(names, values, strict=True)
            ]
            stacked = torch.stack(values, 4)
            stacked = stacked + self._encode(kind, names, stacked.shape, months, step)
            found.append(Tokens(stacked, torch.stack(visible, 4)))
        return found

    def _project(self, kind: Kind, group: str, values: Tensor, patch: int) -> Tensor:
        layer = self.get_submodule(f"{kind.name}_embed.{group}")
        projected: Tensor = layer(values, patch) if kind.spatial else layer(values)[:, None, None]
        return projected

    def _encode(
        self, kind: Kind, groups: Sequence[str], shape: torch.Size, months: Tensor, step: Tensor
    ) -> Tensor:
        """What is added to tokens of `shape` [B, h, w, T, G, D], a quarter of D for each fact."""
        rows = [list(kind.bands).index(group) for group in groups]
        channel = self.get_parameter(f"{kind.prefix}_channel_embed")[rows]
        none = channel.new_zeros(channel.shape[1])
        time = self.pos_embed[: shape[3], None] if kind.temporal else none
        month = self.month_embed(months)[:, None, None, :, None] if kind.temporal else none
        place = none
        if kind.spatial:
            place = places(shape[1], shape[2], step, len(none))[:, :, :, None, None]
        return torch.cat([q.expand(*shape[:5], -1) for q in (channel, time, month, place)], -1)
