"""AgriFM for the inference stage: a batch of series in, a token map per chosen stage out."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from rsweep.core.settings import NetworkSettings
from rsweep.models.agrifm.card import STAGES
from rsweep.models.agrifm.swin import AgriFM, fold_time
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps


class AgriFMEmbedder:
    """AgriFM with the stages that a study asks for."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.network = AgriFM().eval()
        self._stages = tuple(dict.fromkeys(chosen(settings["layer"], len(STAGES))))
        self._final_norm = bool(settings["final_norm"])

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keys without wrappers' prefixes; of the sensors' patch embeddings Sentinel-2's alone."""
        own = self.network.state_dict().keys()
        bare = {re.sub(r"^(module\.|model\.)+", "", key): tensor for key, tensor in state.items()}
        named = {re.sub(r"^S2_patch_emd\b", "patch_emd", k): tensor for k, tensor in bare.items()}
        return {key: tensor for key, tensor in named.items() if key in own}

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """Token maps [B, h, w, C*t] by stage name."""
        outputs = self.network(batch.pixels["s2"], self._stages)
        return TokenMaps(
            {
                STAGES[number - 1].name: self._finish(number, features)
                for number, features in zip(self._stages, outputs, strict=True)
            }
        )

    def _finish(self, number: int, features: Tensor) -> Tensor:
        if self._final_norm and number == len(STAGES):
            features = self.network.backbone.norm(features)
        return fold_time(features)


def build(settings: NetworkSettings) -> AgriFMEmbedder:
    """AgriFM with fresh parameters; reads `layer` and `final_norm`."""
    return AgriFMEmbedder(settings)
