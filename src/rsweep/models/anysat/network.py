"""AnySat for the inference stage: series of tiles in, a map of patches or pixels out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.anysat.card import BLOCKS, PIXEL_M, RATIO_WEIGHTS
from rsweep.models.anysat.parts import in_parts
from rsweep.models.anysat.positions import grid_table
from rsweep.models.anysat.spatial import DEPTH, HEADS, FusingBlock, PatchEncoder
from rsweep.models.anysat.temporal import (
    IMAGES,
    SERIES,
    WIDTH,
    ImageProjector,
    Series,
    SeriesProjector,
)
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()
from timm.models.vision_transformer import Block  # noqa: E402


class AnySat(nn.Module):
    """Projectors of eleven sensors, the patch encoder they share, and the blocks on top."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        for name, spec in SERIES.items():
            self.add_module(f"projector_{name}", SeriesProjector(spec))
        for name, (bands, kernel) in IMAGES.items():
            self.add_module(f"projector_{name}", ImageProjector(bands, kernel))
        self.spatial_encoder = PatchEncoder()
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        blocks = [Block(WIDTH, HEADS, qkv_bias=True, norm_layer=norm) for _ in range(DEPTH)]
        self.blocks = nn.ModuleList([*blocks, FusingBlock()])

    def forward(
        self, inputs: Mapping[str, Series], patch: int, layers: Sequence[int]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Outputs of blocks, and the tokens of single pixels.

        Args:
            inputs: sensor (of `SERIES`, but not modis) -> its series; all cover the same ground.
            patch: side of a patch in units of 10 m.
            layers: blocks, from 1, whose outputs are wanted, in that order.

        Returns:
            By layer [B, 1 + M * P, D]: the tile's token, then the patches of each of the M
            sensors row by row (of the fusing block, M is 1); and by sensor [B, P, pixels, D].
        """
        encoded = {name: self._encode(name, series, patch) for name, series in inputs.items()}
        first = next(iter(encoded.values()))
        side = math.isqrt(first.shape[1])
        table = grid_table(side, patch, WIDTH, first.device)
        patches = [tokens[:, :, 0] + table[1:] for tokens in encoded.values()]
        tokens = torch.cat([self.cls_token.expand(len(first), -1, -1), *patches], 1)
        outputs = {}
        for number, block in enumerate(self.blocks[: max(layers)], 1):
            tokens = block(tokens, side, patch) if number == BLOCKS else block(tokens)
            outputs[number] = tokens
        pixels = {name: tokens[:, :, 1:] for name, tokens in encoded.items()}
        return [outputs[number] for number in layers], pixels

    def _encode(self, name: str, series: Series, patch: int) -> Tensor:
        """[B, P, 1 + pixels, D] of a sensor: the patch's token, then those of its pixels."""
        coarseness = SERIES[name].coarseness
        side = max(1, patch // coarseness)
        tokens = self.get_submodule(f"projector_{name}")(series, side)
        encode = partial(self.spatial_encoder, pixel_m=float(PIXEL_M * coarseness))
        tokens = in_parts(encode, 1 + side * side, tokens)
        return torch.unflatten(tokens, 0, (len(series.values), -1))


class AnySatEmbedder:
    """AnySat with the patch size, layers and features that a study asks for."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.network = AnySat().eval()
        self._sensors = tuple(settings["bands"])
        self._patch = int(settings["patch_m"]) // PIXEL_M
        self._layers = chosen(settings["layer"], BLOCKS)
        self._features = str(settings["features"])

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keys without wrappers' prefixes."""
        own = self.network.state_dict().keys()
        bare = {re.sub(r"^(module\.|model\.)+", "", key): tensor for key, tensor in state.items()}
        return {key: tensor for key, tensor in bare.items() if key in own}

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map "patch" [B, h, w, D] or "dense" [B, H, W, D + 768], and the vector "model"."""
        inputs = {sensor: _series(batch, sensor) for sensor in self._sensors}
        outputs, pixels = self.network(inputs, self._patch, self._layers)
        own = pixels[self._sensors[0]]
        patches = torch.cat([_mean_of_modalities(tokens, own.shape[1]) for tokens in outputs], 2)
        tile = torch.cat([tokens[:, 0] for tokens in outputs], 1)
        tokens = patches[:, :, None]
        if self._features == "dense":
            tokens = torch.cat([tokens.expand(*own.shape[:3], -1), own], 3)
        return TokenMaps({self._features: to_map(tokens)}, {"model": tile})


def to_map(tokens: Tensor) -> Tensor:
    """Tokens [B, patches, pixels of a patch, D], row by row, to a map [B, H, W, D]."""
    batch, patches, pixels, width = tokens.shape
    side, inner = math.isqrt(patches), math.isqrt(pixels)
    grid = tokens.reshape(batch, side, side, inner, inner, width).transpose(2, 3)
    return grid.reshape(batch, side * inner, side * inner, width)


def _mean_of_modalities(tokens: Tensor, patches: int) -> Tensor:
    """[B, 1 + M * P, D] to [B, P, D]."""
    return torch.unflatten(tokens[:, 1:], 1, (-1, patches)).mean(1)


def _series(batch: TileBatch, sensor: str) -> Series:
    values = batch.pixels[sensor]
    if sensor == "s1":
        values = torch.cat([values, _ratio(values)], 2)
    valid = batch.valid[sensor]
    return Series(values, batch.day_of_year[sensor], valid[:, :, None], valid.any(3).any(2))


def _ratio(values: Tensor) -> Tensor:
    """Standardised VV - VH [B, T, 1, H, W] from standardised VV and VH."""
    vv, vh = values[:, :, :1], values[:, :, 1:2]
    return RATIO_WEIGHTS[0] * vv - RATIO_WEIGHTS[1] * vh


def build(settings: NetworkSettings) -> AnySatEmbedder:
    """AnySat with fresh parameters; reads `bands`, `patch_m`, `layer` and `features`."""
    return AnySatEmbedder(settings)
