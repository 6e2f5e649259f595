"""Networks and tiles that need no weights, and that fail as they are told to."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rsweep.models.protocol import TileBatch, TokenMaps

SETTINGS = {"model": "fake", "precision": "fp32", "compile": False, "image_size": 8}


class FakeEmbedder:
    """A tile's token is its pixels' mean; more than `room` tiles at once do not fit."""

    def __init__(self, room: int = 1000) -> None:
        self.network: nn.Module = nn.Linear(1, 1)
        self.room, self.calls = room, []

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return state

    def embed(self, batch: TileBatch) -> TokenMaps:
        self.calls.append(len(batch.gsd))
        if len(batch.gsd) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        mean = batch.pixels["s2"].mean(dim=(1, 2, 3, 4))
        return TokenMaps({"patch": mean[:, None, None, None]}, {"cls": mean[:, None]})


def tiles(numbers: range) -> TileBatch:
    """Tiles whose pixels are their numbers."""
    n = len(numbers)
    values = torch.tensor(list(numbers), dtype=torch.float32)
    days = {"s2": torch.zeros(n, 1, dtype=torch.int64)}
    return TileBatch(
        pixels={"s2": values[:, None, None, None, None].expand(n, 1, 2, 8, 8)},
        valid={"s2": torch.ones(n, 1, 8, 8, dtype=torch.bool)},
        day_of_year=days,
        month=days,
        year=days,
        lonlat=torch.zeros(n, 2, dtype=torch.float64),
        gsd=torch.full((n,), 10.0),
    )
