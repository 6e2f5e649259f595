"""OlmoEarth for the inference stage: series of tiles in, a map and a vector out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.masks import fill_missing, frame_dates
from rsweep.models.olmoearth.card import CARD, version
from rsweep.models.olmoearth.encoder import Encoder, Observed, Times, days_since_2000
from rsweep.models.olmoearth.tokens import MODALITIES, band_sets
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.vit import encoder_state


class OlmoEarthEmbedder:
    """OlmoEarth with the layers and patch size that a study asks for."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self._version = version(settings["variant"])
        self.network = Encoder(size.width, size.depth, size.heads, self._version).eval()
        self._patch = int(settings["patch_size"])
        self._layers = chosen(settings["layer"], size.depth)
        self._final_norm = bool(settings["final_norm"])
        self._feeds: Mapping[str, list[list[float]]] = settings["constants"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, without its fixed table of places."""
        return encoder_state(state, self.network)

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map "patch" [B, h, w, D] and vector "model" [B, D]; NaN where nothing was seen."""
        observed = {
            sensor: self._observe(sensor, batch.pixels[sensor], batch.valid[sensor])
            for sensor in self._feeds
        }
        tokens = self.network(
            observed, self._times(batch), batch.gsd, self._patch, self._layers, self._final_norm
        )
        visible = {sensor: seen.visible for sensor, seen in observed.items()}
        return TokenMaps(
            {"patch": mean_per_patch(tokens, visible)}, {"model": mean_of_all(tokens, visible)}
        )

    def _observe(self, sensor: str, pixels: Tensor, valid: Tensor) -> Observed:
        """Bands of a sensor as the network takes them; a token is visible if a pixel of it is.

        Upstream samples its masks at the top-left pixel of a patch, having made them constant
        within it; reducing to the patch first is that rule for a mask of any shape.
        """
        feeds = torch.tensor(self._feeds[sensor], dtype=torch.float32, device=pixels.device)
        source, factor, addend = feeds.unbind(1)
        fed = pixels[:, :, source.long()] * factor[:, None, None] + addend[:, None, None]
        values, share = fill_missing(fed, valid, self._patch)
        sets = band_sets(MODALITIES[sensor], self._version)
        visible = (share.permute(0, 2, 3, 1) > 0)[..., None].expand(-1, -1, -1, -1, len(sets))
        return Observed(values, visible)

    def _times(self, batch: TileBatch) -> Times:
        sensors = list(self._feeds)
        year, month, day = (
            frame_dates(dates, batch.valid, sensors)
            for dates in (batch.year, batch.month, batch.day_of_year)
        )
        return Times(month, days_since_2000(year, month, day))


def mean_per_patch(tokens: Mapping[str, Tensor], visible: Mapping[str, Tensor]) -> Tensor:
    """[B, h, w, D]: the mean over sensors of each one's mean of visible tokens; NaN where none is.

    Args:
        tokens: sensor -> [B, h, w, T, S, D].
        visible: sensor -> [B, h, w, T, S] bool.
    """
    totals = [_total(tokens[sensor], visible[sensor], (3, 4)) for sensor in tokens]
    means = torch.stack([total / count.clamp(min=1) for total, count in totals])
    there = torch.stack([count > 0 for _, count in totals])
    return torch.where(there, means, 0).sum(0) / there.sum(0)


def mean_of_all(tokens: Mapping[str, Tensor], visible: Mapping[str, Tensor]) -> Tensor:
    """[B, D]: mean of all visible tokens, NaN where there is none."""
    totals = [_total(tokens[sensor], visible[sensor], (1, 2, 3, 4)) for sensor in tokens]
    total: Tensor = sum(t for t, _ in totals) / sum(n for _, n in totals)  # type: ignore[assignment]
    return total


def _total(tokens: Tensor, visible: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Sum of the visible tokens over axes, and their number [..., 1]."""
    seen = visible[..., None]
    return torch.where(seen, tokens, 0).sum(axes), seen.sum(axes)


def build(settings: NetworkSettings) -> OlmoEarthEmbedder:
    """OlmoEarth with fresh parameters."""
    return OlmoEarthEmbedder(settings)
