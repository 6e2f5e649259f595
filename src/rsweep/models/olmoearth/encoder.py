"""OlmoEarth's encoder; module names are those of the published checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsweep.models.masks import pack, unpack
from rsweep.models.olmoearth.tokens import EVERY, MODALITIES, Patches, band_sets
from rsweep.models.sinusoids import month_table, places, sinusoid
from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()
from timm.layers.mlp import Mlp  # noqa: E402

BASE_GSD_M = 10.0
"""Metres of one step of the place of a token."""

ROTATED = ("v1_2", "v1_3")
"""Versions that are told when and where by rotating queries and keys."""

DAYS_PER_STEP = 30.0
"""Days of one step of the time of a token, where it is told by rotation."""


@dataclass(frozen=True)
class Observed:
    """What was seen of one sensor.

    Attributes:
        values: [B, T, C, H, W], normalised, bands in the network's order.
        visible: [B, h, w, T, S] bool, by token.
    """

    values: Tensor
    visible: Tensor


@dataclass(frozen=True)
class Times:
    """When frames are of: months from 0 and days since the start of 2000, both [B, T]."""

    months: Tensor
    days: Tensor


def days_since_2000(years: Tensor, months: Tensor, days_of_year: Tensor) -> Tensor:
    """Days as the network counts them: years of 365.25 days, months of a common year.

    Args:
        years: [B, T].
        months: from 0.
        days_of_year: from 0, in the year's own calendar.
    """
    leap = (years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0))
    of_common_year = days_of_year - (leap & (months > 1)).long()
    return (years - 2000) * 365.25 + of_common_year


class Attention(nn.Module):
    """Multi-head attention, in some versions with queries and keys rotated by when and where."""

    def __init__(self, width: int, heads: int, rotated: bool) -> None:
        super().__init__()
        self.heads = heads
        if rotated:
            self.rope_mixed_freqs = nn.Parameter(torch.randn(3, heads, width // heads // 2) * 0.02)
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, seen: Tensor | None, at: Tensor | None) -> Tensor:
        """[B, N, D] to the same.

        Args:
            tokens: what attends.
            seen: [B, N] bool, which may be attended to; None where all may.
            at: [B, N, 3] time, row and column; None where they are told otherwise.
        """
        query, key, value = (
            torch.unflatten(part(tokens), 2, (self.heads, -1)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        if at is not None:
            angles = self._angles(at)
            query, key = _rotate(query, angles), _rotate(key, angles)
        mask = None if seen is None else seen[:, None, None]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        projected: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return projected

    def _angles(self, at: Tensor) -> Tensor:
        """[B, heads, N, d / 2], products by element: a matrix product may be in less precision."""
        parts = at[:, None, :, :, None] * self.rope_mixed_freqs.transpose(0, 1)[:, None]
        return parts.sum(3)


def _rotate(vectors: Tensor, angles: Tensor) -> Tensor:
    """Neighbouring channels of [B, heads, N, d] as a pair turned by an angle."""
    even, odd = torch.unflatten(vectors.float(), 3, (-1, 2)).unbind(4)
    cos, sin = angles.cos(), angles.sin()
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], 4)
    return turned.flatten(3).to(vectors.dtype)


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, rotated: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, rotated)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, tokens: Tensor, seen: Tensor | None, at: Tensor | None) -> Tensor:
        """[B, N, D] to the same."""
        tokens = tokens + self.attn(self.norm1(tokens), seen, at)
        mixed: Tensor = tokens + self.mlp(self.norm2(tokens))
        return mixed


class Months(nn.Module):
    """A row per month of the year; fixed, hence a buffer."""

    weight: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", month_table(width))

    def forward(self, months: Tensor) -> Tensor:
        """Months [B, T] from 0 to [B, T, width]."""
        return self.weight[months]


class Encodings(nn.Module):
    """What is added to a token, a quarter of D each: band set, frame, month, place."""

    def __init__(self, width: int, version: str) -> None:
        super().__init__()
        self.quarter = width // 4
        self.rotated = version in ROTATED
        self.month_embed = Months(self.quarter)
        self.per_modality_channel_embeddings = nn.ParameterDict(
            {
                modality.name: nn.Parameter(
                    torch.randn(len(band_sets(modality, version)), self.quarter) * 0.02
                )
                for modality in EVERY
            }
        )

    def forward(self, name: str, shape: torch.Size, months: Tensor, step: Tensor) -> Tensor:
        """[B, h, w, T, S, D] for tokens of that shape; `step` [B] is their distance in 10 m."""
        channel = self.per_modality_channel_embeddings[name]
        month = self.month_embed(months)[:, None, None, :, None]
        time = place = channel.new_zeros(self.quarter)
        if not self.rotated:
            frames = torch.arange(shape[3], device=months.device)
            time = sinusoid(frames, self.quarter)[:, None]
            place = places(shape[1], shape[2], step, self.quarter)[:, :, :, None, None]
        return torch.cat([q.expand(*shape[:5], -1) for q in (channel, time, month, place)], -1)


class Head(nn.Module):
    """A layer of pre-training that comes with the encoder and that no token goes through."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Linear(width, width))


class Encoder(nn.Module):
    """OlmoEarth without its decoder.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        version: "v1", "v1_1", "v1_2" or "v1_3".
    """

    def __init__(self, width: int, depth: int, heads: int, version: str) -> None:
        super().__init__()
        self.version = version
        hidden = 12 if width == 128 else 64
        self.patch_embeddings = Patches(width, version, hidden)
        self.composite_encodings = Encodings(width, version)
        rotated = version in ROTATED
        self.blocks = nn.ModuleList(Block(width, heads, rotated) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.project_and_aggregate = Head(width)

    def forward(
        self,
        observed: Mapping[str, Observed],
        times: Times,
        gsd: Tensor,
        patch: int,
        layers: Sequence[int],
        final_norm: bool,
    ) -> dict[str, Tensor]:
        """Tokens [B, h, w, T, S, D] of every sensor; what a hidden one holds means nothing.

        Args:
            observed: sensor -> what was seen of it.
            times: of the frames.
            gsd: [B], metres per pixel.
            patch: side of a token in pixels.
            layers: blocks, from 1, whose outputs are concatenated along D in this order.
            final_norm: whether each output goes through the network's norm.
        """
        step = gsd.float() * patch / BASE_GSD_M
        inputs = {
            sensor: self._tokenise(sensor, seen.values, times.months, step, patch)
            for sensor, seen in observed.items()
        }
        sequence = torch.cat([tokens.flatten(1, 4) for tokens in inputs.values()], 1)
        at = torch.cat([_places(tokens.shape, times.days, step) for tokens in inputs.values()], 1)
        seen = torch.cat([observed[sensor].visible.flatten(1) for sensor in inputs], 1)
        packed, order, kept = pack(sequence, seen)
        if order is not None:
            at = at.gather(1, order[..., None].expand(-1, -1, 3))
        outputs = self._run_blocks(packed, kept, at, layers)
        encoded = torch.cat([self.norm(o) if final_norm else o for o in outputs], -1)
        encoded = unpack(encoded, order, sequence.shape[1])
        shapes = [tokens.shape[1:5] for tokens in inputs.values()]
        chunks = torch.split(encoded, [shape.numel() for shape in shapes], 1)
        return {
            sensor: torch.unflatten(chunk, 1, shape)
            for sensor, chunk, shape in zip(inputs, chunks, shapes, strict=True)
        }

    def _tokenise(
        self, sensor: str, values: Tensor, months: Tensor, step: Tensor, patch: int
    ) -> Tensor:
        modality = MODALITIES[sensor]
        sets = band_sets(modality, self.version)
        tokens: Tensor = self.patch_embeddings(modality.name, values, sets, patch)
        added: Tensor = self.composite_encodings(modality.name, tokens.shape, months, step)
        return tokens + added

    def _run_blocks(
        self, tokens: Tensor, seen: Tensor | None, at: Tensor, layers: Sequence[int]
    ) -> list[Tensor]:
        outputs, told = {}, at if self.version in ROTATED else None
        for number, block in enumerate(self.blocks[: max(layers)], 1):
            outputs[number] = tokens = block(tokens, seen, told)
        return [outputs[number] for number in layers]


def _places(shape: torch.Size, days: Tensor, step: Tensor) -> Tensor:
    """[B, N, 3]: time in steps of 30 days, row and column in steps of 10 m, of tokens in order."""
    _, rows, columns, _, _, _ = shape
    down = (torch.arange(rows, device=step.device) * step[:, None])[:, :, None, None, None]
    across = (torch.arange(columns, device=step.device) * step[:, None])[:, None, :, None, None]
    when = (days / DAYS_PER_STEP).float()[:, None, None, :, None]
    return torch.stack([axis.expand(shape[:5]) for axis in (when, down, across)], -1).flatten(1, 4)
