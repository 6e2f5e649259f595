"""An embedding that is there already: its pixels, averaged over patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from rsweep.models.protocol import TileBatch, TokenMaps


class AnnualEmbedder:
    """Averages the fetched embedding over patches."""

    def __init__(self, patch: int) -> None:
        self.network: nn.Module = nn.AvgPool2d(patch)

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """There are no weights."""
        return state

    def embed(self, batch: TileBatch) -> TokenMaps:
        """Token map "pixels" [B, H/p, W/p, C] of the first (only) year."""
        pooled = self.network(batch.pixels["alphaearth"][:, 0])
        return TokenMaps({"pixels": pooled.permute(0, 2, 3, 1).contiguous()})


def build(settings: Mapping[str, Any]) -> AnnualEmbedder:
    """The embedder for given settings; nothing is learned and nothing is loaded."""
    return AnnualEmbedder(settings["patch_size"])
