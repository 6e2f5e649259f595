"""AnySat's attention in space: within a patch, and from all modalities to one token per patch.

Module names are those of the published checkpoint.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsweep.models.anysat.positions import CLASS_BUCKET, distance_buckets, grid_table
from rsweep.models.anysat.temporal import WIDTH
from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()
from timm.layers.mlp import Mlp  # noqa: E402

HEADS = 12
HEAD_WIDTH = WIDTH // HEADS
DEPTH = 6


class DistanceBias(nn.Module):
    """Relative position: what a query adds to the score of keys in each bucket of distance."""

    def __init__(self) -> None:
        super().__init__()
        table = torch.randn(1, HEAD_WIDTH, CLASS_BUCKET + 1) * 0.02
        self.lookup_table_weight = nn.Parameter(table)

    def forward(self, query: Tensor, buckets: Tensor) -> Tensor:
        """Queries [B, H, L, d] and buckets [L, L] to a bias [B, 1, L, L] for all heads.

        Only the first head's query counts. The table is shared by the heads and upstream's
        lookup takes the first of them, so the published weights were trained that way.
        """
        scores = query[:, 0] @ self.lookup_table_weight[0]
        return scores.gather(2, buckets.expand(len(scores), -1, -1))[:, None]


class PatchAttention(nn.Module):
    """Self-attention with a bias of distance."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.rpe_k = DistanceBias()

    def forward(self, tokens: Tensor, buckets: Tensor) -> Tensor:
        """[N, L, D] to the same."""
        query, key, value = split_heads(self.qkv(tokens), 3)
        bias = self.rpe_k(query / math.sqrt(HEAD_WIDTH), buckets)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        projected: Tensor = self.proj(join_heads(mixed))
        return projected


class PatchBlock(nn.Module):
    """A pre-norm transformer block whose attention knows distances."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attn = PatchAttention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = Mlp(WIDTH, 4 * WIDTH)

    def forward(self, tokens: Tensor, buckets: Tensor) -> Tensor:
        """[N, L, D] to the same."""
        tokens = tokens + self.attn(self.norm1(tokens), buckets)
        mixed: Tensor = tokens + self.mlp(self.norm2(tokens))
        return mixed


class PatchEncoder(nn.Module):
    """The pixels of a patch and a class token that becomes the patch's."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.predictor_blocks = nn.ModuleList(PatchBlock() for _ in range(DEPTH))
        self.predictor_norm = nn.LayerNorm(WIDTH)

    def forward(self, pixels: Tensor, pixel_m: float) -> Tensor:
        """Pixel tokens [N, side * side, D] to [N, 1 + side * side, D], the patch's token first."""
        side = math.isqrt(pixels.shape[1])
        tokens = torch.cat([self.cls_token.expand(len(pixels), -1, -1), pixels], 1)
        tokens = tokens + grid_table(side, pixel_m, WIDTH, pixels.device)
        buckets = distance_buckets(side, pixels.device)
        for block in self.predictor_blocks:
            tokens = block(tokens, buckets)
        normed: Tensor = self.predictor_norm(tokens)
        return normed


class FusingAttention(nn.Module):
    """A learned query per place that gathers that place, and all others, from every modality."""

    def __init__(self) -> None:
        super().__init__()
        self.q_learned = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.wk = nn.Linear(WIDTH, WIDTH)
        self.wv = nn.Linear(WIDTH, WIDTH)
        self.rpe_k = DistanceBias()
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor, side: int, step: float) -> Tensor:
        """[B, 1 + M * side * side, D] of M modalities to [B, 1 + side * side, D]."""
        places = self.q_learned + grid_table(side, step, WIDTH, tokens.device)
        (query,) = split_heads(places, 1)
        (key,), (value,) = split_heads(self.wk(tokens), 1), split_heads(self.wv(tokens), 1)
        bias = self.rpe_k(query, distance_buckets(side, tokens.device))
        modalities = (tokens.shape[1] - 1) // (side * side)
        bias = torch.cat([bias[..., :1], bias[..., 1:].repeat(1, 1, 1, modalities)], 3)
        query = query.expand(len(tokens), -1, -1, -1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        projected: Tensor = self.proj(join_heads(mixed))
        return projected


class FusingBlock(nn.Module):
    """The last block: tokens of all modalities to one per place; only its MLP has a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = FusingAttention()
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.mlp = Mlp(WIDTH, 4 * WIDTH)

    def forward(self, tokens: Tensor, side: int, step: float) -> Tensor:
        """[B, 1 + M * side * side, D] to [B, 1 + side * side, D]."""
        fused = self.attn(self.norm1(tokens), side, step)
        mixed: Tensor = fused + self.mlp(self.norm2(fused))
        return mixed


def split_heads(projected: Tensor, parts: int) -> tuple[Tensor, ...]:
    """[B, L, parts * D] to `parts` tensors [B, H, L, d]."""
    heads = torch.unflatten(projected, 2, (parts, HEADS, HEAD_WIDTH))
    return heads.permute(2, 0, 3, 1, 4).unbind(0)


def join_heads(heads: Tensor) -> Tensor:
    """[B, H, L, d] to [B, L, D]."""
    return heads.transpose(1, 2).flatten(2)
