"""OlmoEarth's patches: one linear layer per band set, for images resized to patches of 8 px."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BASE_PX = 8
"""Side of a patch that the weights are for; the image is resized to it, not the kernel."""


@dataclass(frozen=True)
class Modality:
    """What the network calls a kind of image, and the numbers of bands of its sets in version 1."""

    name: str
    sets: tuple[int, ...]


_S2, _S1 = Modality("sentinel2_l2a", (4, 6, 2)), Modality("sentinel1", (2,))
_LANDSAT = Modality("landsat", (1, 10))
MODALITIES: Mapping[str, Modality] = {
    "s2": _S2,
    "s1": _S1,
    "s1_rtc": _S1,
    "landsat_l1": _LANDSAT,
}
"""Sensor -> what the encoder takes it as."""

EVERY = (
    _S2,
    _S1,
    _LANDSAT,
    Modality("worldcover", (1,)),
    Modality("srtm", (1,)),
    Modality("openstreetmap_raster", (30,)),
    Modality("wri_canopy_height_map", (1,)),
    Modality("cdl", (1,)),
    Modality("worldcereal", (8,)),
)
"""In the order of the file. Maps were only predicted: their layers are untrained as inputs."""


def band_sets(modality: Modality, version: str) -> tuple[int, ...]:
    """Numbers of bands of a modality's sets: from version 1.1 on one set has all."""
    return modality.sets if version == "v1" else (sum(modality.sets),)


class ConvPatches(nn.Module):
    """Version 1: a convolution over a patch."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, width, BASE_PX, stride=BASE_PX)

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, 8h, 8w] to [N, h, w, D]."""
        patches: Tensor = self.proj(images)
        return patches.permute(0, 2, 3, 1)


class PixelPatches(nn.Module):
    """From version 1.1 on: a hidden layer for every pixel, then a linear layer over a patch."""

    def __init__(self, bands: int, width: int, hidden: int) -> None:
        super().__init__()
        self.pixel_proj = nn.Sequential(nn.Linear(bands, hidden), nn.ReLU())
        self.proj = nn.Linear(BASE_PX**2 * hidden, width)

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, 8h, 8w] to [N, h, w, D]."""
        pixels: Tensor = self.pixel_proj(images.permute(0, 2, 3, 1))
        cut = pixels.unfold(1, BASE_PX, BASE_PX).unfold(2, BASE_PX, BASE_PX)  # [N, h, w, F, 8, 8]
        patches: Tensor = self.proj(cut.permute(0, 1, 2, 4, 5, 3).flatten(3))
        return patches


class Patches(nn.Module):
    """Patch layers of every modality, under the published keys."""

    def __init__(self, width: int, version: str, hidden: int) -> None:
        super().__init__()
        self.per_modality_embeddings = nn.ModuleDict()
        for modality in EVERY:
            layers = nn.ModuleDict()
            for number, bands in enumerate(band_sets(modality, version)):
                v1 = version == "v1"
                layer = ConvPatches(bands, width) if v1 else PixelPatches(bands, width, hidden)
                layers[f"{modality.name}__{number}"] = layer
            self.per_modality_embeddings[modality.name] = layers

    def forward(self, name: str, images: Tensor, sets: Sequence[int], patch: int) -> Tensor:
        """Images [B, T, C, H, W] of a modality to [B, h, w, T, S, D]."""
        flat = images.flatten(0, 1)
        if patch != BASE_PX:
            size = [side // patch * BASE_PX for side in images.shape[3:]]
            flat = F.interpolate(flat, size, mode="bicubic", antialias=True)
        layers = self.per_modality_embeddings.get_submodule(name).children()
        parts = zip(layers, torch.split(flat, list(sets), 1), strict=True)
        tokens = torch.stack([layer(part) for layer, part in parts], 3)
        return torch.unflatten(tokens, 0, images.shape[:2]).permute(0, 2, 3, 1, 4, 5)
