"""Embeddings that are there already: their pixels, averaged over patches."""

from __future__ import annotations

from torch import Tensor, nn

from rsweep.models.protocol import TileBatch, TokenMaps


class ReadyEmbedder:
    """Averages a fetched embedding over patches; nothing is learned and nothing is loaded.

    Args:
        sensor: whose bands are the dimensions of the embedding.
        patch: side of a token in pixels.
    """

    def __init__(self, sensor: str, patch: int) -> None:
        self.sensor = sensor
        self.network: nn.Module = nn.AvgPool2d(patch)

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """There are no weights."""
        return state

    def embed(self, batch: TileBatch) -> TokenMaps:
        """Token map "pixels" [B, H/p, W/p, C] of the first (only) year."""
        pooled = self.network(batch.pixels[self.sensor][:, 0])
        return TokenMaps({"pixels": pooled.permute(0, 2, 3, 1).contiguous()})
