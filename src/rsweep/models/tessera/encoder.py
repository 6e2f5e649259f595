"""TESSERA's networks; module names are those of the published checkpoints."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsweep.models.tessera.card import S1_BANDS, S2_BANDS, Network


def encoded_days(days: Tensor, width: int) -> Tensor:
    """Days of the year [...] as sine and cosine by turns: [..., width]."""
    steps = torch.arange(0, width, 2, dtype=torch.float32, device=days.device)
    angles = days.float()[..., None] * torch.exp(steps * (-math.log(10000.0) / width))
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)


class NormedAttentionLayer(nn.Module):
    """A post-norm transformer layer that norms queries and keys, head by head."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        eps = torch.finfo(torch.float32).eps
        self.q_norm = nn.RMSNorm(width // heads, eps=eps)
        self.k_norm = nn.RMSNorm(width // heads, eps=eps)
        self.linear1 = nn.Linear(width, feedforward)
        self.linear2 = nn.Linear(feedforward, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[N, T, D] to the same."""
        query, key, value = (
            torch.unflatten(part(tokens), 2, (self.heads, -1)).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(self.q_norm(query), self.k_norm(key), value)
        tokens = self.norm1(tokens + self.out_proj(mixed.transpose(1, 2).flatten(2)))
        out: Tensor = self.norm2(tokens + self.linear2(self.linear1(tokens).relu()))
        return out


class GruCell(nn.Module):
    """Upstream's GRU: its update gate takes the new state, its reset gate acts before the product.

    torch's has both the other way round.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        for name in ("W_ir", "W_iz", "W_ih", "W_hr", "W_hz", "W_hh"):
            self.add_module(name, nn.Linear(width, width, bias=False))
        for name in ("b_r", "b_z", "b_h"):
            self.register_parameter(name, nn.Parameter(torch.zeros(width)))

    def forward(self, sequence: Tensor) -> Tensor:
        """States [N, T, D] of a sequence [N, T, D]."""
        inputs = [
            self.get_submodule(f"W_i{gate}")(sequence) + self.get_parameter(f"b_{gate}")
            for gate in "rzh"
        ]
        reset_by, update_by, new_by = (self.get_submodule(f"W_h{gate}") for gate in "rzh")
        state, states = torch.zeros_like(inputs[0][:, 0]), []
        for reset_in, update_in, new_in in zip(*(part.unbind(1) for part in inputs), strict=True):
            reset = torch.sigmoid(reset_in + reset_by(state))
            update = torch.sigmoid(update_in + update_by(state))
            new = torch.tanh(new_in + new_by(reset * state))
            state = (1 - update) * state + update * new
            states.append(state)
        return torch.stack(states, 1)


class Gru(nn.Module):
    """Upstream's GRU over a sequence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru_cell = GruCell(width)

    def forward(self, sequence: Tensor) -> Tensor:
        """States [N, T, D]."""
        states: Tensor = self.gru_cell(sequence)
        return states


class Pooling(nn.Module):
    """A sequence as one vector: a weighted mean, by weights that a GRU may have a say in."""

    def __init__(self, width: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.query = nn.Linear(width, 1)
        if kind == "gru":
            self.add_module("temporal_context", nn.GRU(width, width, batch_first=True))
        if kind == "own_gru":
            self.add_module("temporal_context", Gru(width))
            self.add_module("layer_norm", nn.LayerNorm(width))

    def forward(self, sequence: Tensor) -> Tensor:
        """[N, T, D] to [N, D]."""
        if self.kind == "own_gru" and sequence.shape[1] == 1:
            return sequence[:, 0]
        weights: Tensor = self.query(self._context(sequence)).float().softmax(1)
        return (weights * sequence).sum(1)

    def _context(self, sequence: Tensor) -> Tensor:
        if self.kind == "attention":
            return sequence
        states = self.get_submodule("temporal_context")(sequence)
        if self.kind == "own_gru":
            states = self.get_submodule("layer_norm")(states)
        context: Tensor = states[0] if self.kind == "gru" else states
        return context


class Backbone(nn.Module):
    """The observations of one sensor as one vector."""

    def __init__(self, bands: int, size: Network) -> None:
        super().__init__()
        width = size.width
        self.embedding = nn.Sequential(nn.Linear(bands, width), nn.ReLU(), nn.Linear(width, width))
        self.transformer_encoder: nn.Module
        if size.qk_norm:
            layers = (
                NormedAttentionLayer(width, size.heads, size.feedforward)
                for _ in range(size.layers)
            )
            self.transformer_encoder = nn.Sequential(*layers)
        else:
            layer = nn.TransformerEncoderLayer(
                width, size.heads, size.feedforward, dropout=0.0, batch_first=True
            )
            self.transformer_encoder = nn.TransformerEncoder(
                layer, size.layers, enable_nested_tensor=False
            )
        self.attn_pool = Pooling(width, size.pooling)

    def forward(self, values: Tensor, days: Tensor) -> Tensor:
        """Values [N, T, C] of days [N, T] from 1 to [N, D]."""
        embedded: Tensor = self.embedding(values)
        tokens = self.transformer_encoder(embedded + encoded_days(days, embedded.shape[-1]))
        pooled: Tensor = self.attn_pool(tokens)
        return pooled


class Tessera(nn.Module):
    """Both sensors' vectors, brought to the numbers that are published."""

    def __init__(self, size: Network) -> None:
        super().__init__()
        self.output_norm = size.output_norm
        self.s2_backbone = Backbone(len(S2_BANDS), size)
        self.s1_backbone = Backbone(len(S1_BANDS), size)
        joint = 2 * size.width
        if size.reducer == "one":
            self.dim_reducer = nn.Sequential(nn.Linear(joint, size.dimensions))
        else:
            self.dim_reducer = nn.Sequential(
                nn.Linear(joint, 2 * joint),
                nn.LayerNorm(2 * joint),
                nn.ReLU(),
                nn.Dropout(0.0),  # as upstream, so that the last layer has its number
                nn.Linear(2 * joint, size.dimensions),
            )

    def forward(self, s2: Tensor, s1: Tensor) -> Tensor:
        """Vectors [N, dimensions] of what the backbones give, [N, D] each."""
        found: Tensor = self.dim_reducer(torch.cat([s2, s1], 1))
        return F.layer_norm(found, found.shape[-1:]) if self.output_norm else found
