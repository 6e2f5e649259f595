"""Galileo for the inference stage: series of tiles in, a map and a vector of visible tokens out."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from rsweep.core.settings import NetworkSettings
from rsweep.models.galileo.card import BAND_GROUPS, CARD
from rsweep.models.galileo.encoder import Encoder
from rsweep.models.galileo.tokens import Observed, mean_of_all, mean_per_patch
from rsweep.models.layers import chosen
from rsweep.models.masks import fill_missing, frame_dates
from rsweep.models.protocol import TileBatch, TokenMaps


class GalileoEmbedder:
    """Galileo with the layers and patch size that a study asks for."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self.network = Encoder(size.width, size.depth, size.heads).eval()
        self._patch = int(settings["patch_size"])
        self._layers = chosen(settings["layer"], size.depth)
        self._final_norm = bool(settings["final_norm"])
        self._bands = {sensor: list(names) for sensor, names in settings["bands"].items()}

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keys without wrappers' prefixes, and without the `.backbone` that some files have."""
        own = self.network.state_dict().keys()
        bare = {
            re.sub(r"^(module\.|model\.|encoder\.)+", "", key).replace(".backbone", ""): tensor
            for key, tensor in state.items()
        }
        return {key: tensor for key, tensor in bare.items() if key in own}

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map "patch" [B, h, w, D] and the vector "model" [B, D]; NaN where nothing was seen.

        The network has one month per frame: that of the first sensor that saw something in it.
        """
        observed: dict[str, Observed] = {}
        for sensor in self._bands:
            observed |= self._observe(sensor, batch.pixels[sensor], batch.valid[sensor])
        months = frame_dates(batch.month, batch.valid, list(self._bands))
        kinds = self.network(
            observed, months, batch.gsd, self._patch, self._layers, self._final_norm
        )
        return TokenMaps({"patch": mean_per_patch(kinds)}, {"model": mean_of_all(kinds)})

    def _observe(self, sensor: str, pixels: Tensor, valid: Tensor) -> dict[str, Observed]:
        """Channel groups of a sensor; a token is visible if its patch has a valid pixel.

        Upstream samples its masks at the top-left pixel of a patch, having made them constant
        within it; reducing to the patch first is that rule for a mask of any shape.
        """
        filled, share = fill_missing(pixels, valid, self._patch)
        visible = share.permute(0, 2, 3, 1) > 0
        bands = list(self._bands[sensor])
        return {
            group: Observed(filled[:, :, [bands.index(name) for name in names]], visible)
            for group, names in BAND_GROUPS[sensor].items()
        }


def build(settings: NetworkSettings) -> GalileoEmbedder:
    """Galileo with fresh parameters; reads `variant`, `patch_size`, `layer` and `final_norm`."""
    return GalileoEmbedder(settings)
