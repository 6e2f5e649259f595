"""TESSERA for the inference stage: all pixels of a batch of tiles as one list of series."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rsweep.core.settings import NetworkSettings
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.tessera.card import S1_BANDS, S2_BANDS, network
from rsweep.models.tessera.encoder import Tessera
from rsweep.models.tessera.observations import Series, full_sequences

PIXELS = 1024
"""Pixels that run together; results agree between numbers to rounding."""

DESCENDING = 2
"""As `TileBatch.orbit` has it."""

BACKBONES = {"s2": "s2_backbone", "s1": "s1_backbone", "s1_rtc": "s1_backbone"}


class TesseraEmbedder:
    """TESSERA with the statistics of its variant."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = network(settings["variant"])
        self.network = Tessera(size).eval()
        self._width, self._sampling = size.width, size.sampling
        self._dimensions = int(settings["dimensions"])
        self._statistics: Mapping[str, list[list[list[float]]]] = settings["constants"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, without what compiling put before it."""
        own = self.network.state_dict().keys()
        bare = {key.replace("_orig_mod.", ""): tensor for key, tensor in state.items()}
        return {key: tensor for key, tensor in bare.items() if key in own}

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map "pixel" [B, H, W, dimensions]; NaN where a pixel was never seen."""
        series = {sensor: self._series(batch, sensor) for sensor in self._statistics}
        ever = torch.stack([one.seen.any(1) for one in series.values()]).any(0)
        pooled = {BACKBONES[sensor]: self._pool(sensor, one) for sensor, one in series.items()}
        for name in BACKBONES.values():
            if name not in pooled:
                pooled[name] = self._nothing(name, len(ever))
        vectors = self.network(pooled["s2_backbone"], pooled["s1_backbone"])[:, : self._dimensions]
        vectors = torch.where(ever[:, None], vectors.float(), torch.nan)
        tiles, _, _, rows, columns = next(iter(batch.pixels.values())).shape
        return TokenMaps({"pixel": vectors.reshape(tiles, rows, columns, -1)})

    def _series(self, batch: TileBatch, sensor: str) -> Series:
        """A sensor's observations of every pixel, tile by tile and row by row."""
        pixels, days = batch.pixels[sensor], batch.day_of_year[sensor].float() + 1
        orbit = batch.orbit.get(sensor, torch.zeros_like(days, dtype=torch.int64))
        statistics = torch.tensor(self._statistics[sensor], device=pixels.device)
        mean, std = statistics[orbit][..., None, None].unbind(2)  # [B, T, C, 1, 1]
        # Ascending before descending, as upstream has them, each in order of time.
        order = (orbit == DESCENDING).int().argsort(dim=1, stable=True)
        values = _by_pixel(_sorted((pixels - mean) / (std + 1e-9), order))
        there = batch.valid[sensor] & (pixels != 0).any(2)
        seen = _by_pixel(_sorted(there, order)[:, :, None])[..., 0]
        side = pixels.shape[3] * pixels.shape[4]
        days = days.gather(1, order).repeat_interleave(side, 0)
        return Series(values, days, seen)

    def _pool(self, sensor: str, series: Series) -> Tensor:
        """One vector [N, D] per pixel, those with sequences of one length together."""
        found = series.values.new_empty(len(series.values), self._width)
        backbone = self.network.get_submodule(BACKBONES[sensor])
        for which, values, days in full_sequences(series, self._sampling):
            for start in range(0, len(which), PIXELS):
                part = slice(start, start + PIXELS)
                found[which[part]] = backbone(values[part], days[part]).float()
        return found

    def _nothing(self, name: str, pixels: int) -> Tensor:
        """What a sensor that the study does not read stands for: one observation of zeros."""
        backbone = self.network.get_submodule(name)
        bands = len(S2_BANDS if name == "s2_backbone" else S1_BANDS)
        like = next(backbone.parameters())
        vector: Tensor = backbone(like.new_zeros(1, 1, bands), like.new_zeros(1, 1)).float()
        return vector.expand(pixels, -1)


def _sorted(values: Tensor, order: Tensor) -> Tensor:
    """Frames [B, T, ...] of every tile in an order [B, T]."""
    return values[torch.arange(len(values), device=values.device)[:, None], order]


def _by_pixel(values: Tensor) -> Tensor:
    """[B, T, C, H, W] as series of pixels [B * H * W, T, C]."""
    return values.permute(0, 3, 4, 1, 2).flatten(0, 2)


def build(settings: NetworkSettings) -> TesseraEmbedder:
    """TESSERA with fresh parameters."""
    return TesseraEmbedder(settings)
