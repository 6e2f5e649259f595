"""What an inference job asks of a network: a batch of tiles in, token maps out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn


@dataclass
class TileBatch:
    """Tiles of any ROIs, ready for a network. B tiles, T frames, C bands, H x W pixels.

    Attributes:
        pixels: sensor -> [B, T, C, H, W] float32, normalised, bands in the study's order.
        valid: sensor -> [B, T, H, W] bool; False where a pixel was missing (it holds a fill value).
        day_of_year: sensor -> [B, T] int64, 0 = January 1st.
        month: sensor -> [B, T] int64, 0 = January.
        year: sensor -> [B, T] int64.
        lonlat: [B, 2] float64, degrees, centre of the tile.
        gsd: [B] float32, metres on the ground per pixel of this input (after any resizing).
        orbit: radar sensor -> [B, T] int64, direction of the orbit: 1 ascending, 2 descending, 0
            both or not known.
    """

    pixels: dict[str, Tensor]
    valid: dict[str, Tensor]
    day_of_year: dict[str, Tensor]
    month: dict[str, Tensor]
    year: dict[str, Tensor]
    lonlat: Tensor
    gsd: Tensor
    orbit: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> TileBatch:
        """The batch on another device; the copy overlaps compute where memory is pinned."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        def move_all(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: move(tensor) for name, tensor in tensors.items()}

        return TileBatch(
            pixels=move_all(self.pixels),
            valid=move_all(self.valid),
            day_of_year=move_all(self.day_of_year),
            month=move_all(self.month),
            year=move_all(self.year),
            lonlat=move(self.lonlat),
            gsd=move(self.gsd),
            orbit=move_all(self.orbit),
        )


@dataclass
class TokenMaps:
    """What a network says of a batch.

    Attributes:
        maps: token group -> [B, h, w, D], rows from the top of the tile.
        vectors: "cls" or "model" -> [B, D], as the card's `vectors` lists them.
    """

    maps: dict[str, Tensor]
    vectors: dict[str, Tensor] = field(default_factory=dict)


class Embedder(Protocol):
    """A network with its weights: `models/<family>/network.py` has `build(settings) -> Embedder`.

    `settings` holds every knob of the inference stage, `bands` (sensor -> band names in order),
    `image_size` and the card's `constants`. `build` makes the network with fresh
    parameters; weights are loaded into `network` by `models/weights.py`, after `rename`. One that
    runs another function than the network's `forward` has a `compile` of its own.
    """

    network: nn.Module

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Map a published checkpoint's keys onto the network's own, dropping what it lacks."""
        ...

    def embed(self, batch: TileBatch) -> TokenMaps:
        """Run the network on a batch in inference mode."""
        ...
