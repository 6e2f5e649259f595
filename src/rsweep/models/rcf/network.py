"""Random convolutional features in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rsweep.core.settings import NetworkSettings
from rsweep.models.protocol import TileBatch, TokenMaps

POOL_SIDE = 256
"""Side of the invented scene that patch filters are drawn from, in pixels."""
HELD = {"cpu": 1 << 19, "cuda": 1 << 28}
"""Responses that are held at once: on a CPU what its caches hold (2 MB)."""


def gaussian_filters(count: int, bands: int, kernel: int, seed: int) -> Tensor:
    """[count, bands, kernel, kernel] of unit norm, the same on every machine."""
    rng = np.random.Generator(np.random.PCG64(seed))
    filters = rng.standard_normal((count, bands, kernel, kernel), dtype=np.float32)
    norm = np.sqrt((filters**2).sum(axis=(1, 2, 3), keepdims=True))
    return torch.from_numpy(filters / norm)


def patch_filters(count: int, bands: int, kernel: int, seed: int) -> Tensor:
    """Patches of a smooth random scene (power falls with frequency as in images), ZCA-whitened."""
    rng = np.random.Generator(np.random.PCG64(seed))
    scene = _pink_scene(rng, bands)
    corner = rng.integers(0, POOL_SIDE - kernel, size=(max(count, 4 * bands * kernel**2), 2))
    offsets = np.arange(kernel)
    rows = corner[:, 0, None, None] + offsets[None, :, None]
    cols = corner[:, 1, None, None] + offsets[None, None, :]
    patches = scene[:, rows, cols].transpose(1, 0, 2, 3).reshape(len(corner), -1)
    patches = patches - patches.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(patches, rowvar=False).reshape(patches.shape[1], -1))
    white = patches @ (vectors / np.sqrt(np.maximum(values, 0) + 1e-2)) @ vectors.T
    white = white[:count].reshape(count, bands, kernel, kernel)
    norm = np.sqrt((white**2).sum(axis=(1, 2, 3), keepdims=True))
    return torch.from_numpy((white / np.maximum(norm, 1e-6)).astype(np.float32))


def _pink_scene(rng: np.random.Generator, bands: int) -> np.ndarray[Any, Any]:
    noise = rng.standard_normal((bands, POOL_SIDE, POOL_SIDE))
    fy, fx = np.fft.fftfreq(POOL_SIDE)[:, None], np.fft.fftfreq(POOL_SIDE)[None]
    falloff = 1 / np.maximum(np.hypot(fy, fx), 1 / POOL_SIDE)
    scene = np.fft.ifft2(np.fft.fft2(noise) * falloff).real
    return np.asarray((scene - scene.mean()) / scene.std())


def torchgeo_filters(count: int, bands: int, kernel: int, seed: int) -> Tensor:
    """As torchgeo.models.RCF draws them: not of unit norm; seed 0 leaves a generator as it is."""
    generator = torch.Generator()
    if seed:
        generator.manual_seed(seed)
    return torch.randn(count, bands, kernel, kernel, generator=generator)


DRAW = {"gaussian": gaussian_filters, "patches": patch_filters, "torchgeo": torchgeo_filters}
TORCHGEO_BIAS = 1.0
"""What torchgeo.models.RCF subtracts from responses unless told otherwise (its `bias` is -1)."""


class RandomFeatures(nn.Module):
    """Half-wave rectified responses to fixed filters, averaged over each patch.

    Responses x become max(x - up, 0) and max(-x - down, 0).
    """

    filters: Tensor

    def __init__(self, filters: Tensor, patch: int, up: float, down: float) -> None:
        super().__init__()
        self.register_buffer("filters", filters)
        self.patch, self.up, self.down = patch, up, down

    def forward(self, images: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, H/p, W/p, features]."""
        batch, bands, height, width = images.shape
        p, rows, cols = self.patch, height // self.patch, width // self.patch
        patches = images.reshape(batch, bands, rows, p, cols, p).permute(0, 2, 4, 1, 3, 5)
        side = p - self.filters.shape[-1] + 1
        at_once = max(1, HELD[images.device.type] // (len(self.filters) * side**2))
        parts = torch.split(patches.reshape(-1, bands, p, p), at_once)
        return torch.cat([self._respond(part) for part in parts]).reshape(batch, rows, cols, -1)

    def _respond(self, patches: Tensor) -> Tensor:
        """[N, C, p, p] -> [N, features]."""
        found = functional.conv2d(patches, self.filters)
        up = (found - self.up).relu_().mean(dim=(2, 3))
        down = found.neg_().sub_(self.down).relu_().mean(dim=(2, 3))
        return torch.cat([up, down], dim=1)


class RcfEmbedder:
    """The features of the one sensor that the modality reads, averaged over frames."""

    def __init__(self, settings: NetworkSettings) -> None:
        ((self.sensor, bands),) = settings["bands"].items()
        draw, up = DRAW[settings["variant"]], settings["bias"]
        filters = draw(
            settings["features"] // 2, len(bands), settings["kernel_size"], settings["seed"]
        )
        down = up
        if settings["variant"] == "torchgeo":  # which rectifies x - 1 and its negative
            up = up + TORCHGEO_BIAS
            down = -up
        self.network: nn.Module = RandomFeatures(filters, settings["patch_size"], up, down)

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """There are no published weights."""
        return state

    def embed(self, batch: TileBatch) -> TokenMaps:
        """Token map "patches" [B, h, w, features]."""
        return TokenMaps({"patches": self.network(batch.pixels[self.sensor][:, 0])})


def build(settings: NetworkSettings) -> RcfEmbedder:
    """The features for given settings; nothing is learned and nothing is loaded."""
    return RcfEmbedder(settings)
