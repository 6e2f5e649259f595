"""Copernicus-FM's encoder (arXiv 2503.11849) on torch and timm blocks, under the published keys."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.copernicusfm.card import CARD
from rsweep.models.hypernetwork import WAVE_WIDTH, GeneratedPatches
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import encoder_state, run_blocks

ensure_torchvision()

from timm.layers.pos_embed import resample_abs_pos_embed  # noqa: E402
from timm.models.vision_transformer import Block  # noqa: E402

GRID = 14  # tokens per side that the position table was made for
LANGUAGE_WIDTH = 2048  # of Llama 3.2 1B

Periods = tuple[float, float]
WAVELENGTHS: Periods = (100, 1e9)  # nm
BANDWIDTHS: Periods = (1, 1e9)  # nm
DEGREES: Periods = (1e-4, 720)
AREAS: Periods = (1e-3, 5.1e8)  # km²
DAYS: Periods = (1, 365.25)


class SpectralPatches(GeneratedPatches):
    """Patch embedding generated from the bands' wavelengths and bandwidths."""

    def waves(self, wavelengths_nm: Tensor, bandwidths_nm: Tensor) -> Tensor:
        """Encodings [C, 128] of bands [C], in nm."""
        spectrum = fourier(wavelengths_nm, WAVELENGTHS, WAVE_WIDTH)
        mixed: Tensor = self.fclayer(spectrum + fourier(bandwidths_nm, BANDWIDTHS, WAVE_WIDTH))
        return mixed


class VariablePatches(GeneratedPatches):
    """Patch embedding generated from a language model's embedding of a variable's name.

    Args:
        width: width of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.language_proj = nn.Linear(LANGUAGE_WIDTH, WAVE_WIDTH)

    def waves(self, language: Tensor) -> Tensor:
        """Encoding [1, 128] of the one band of a variable, whose name's embedding is [2048]."""
        mixed: Tensor = self.fclayer(self.language_proj(language)[None])
        return mixed


class CopernicusFm(nn.Module):
    """Copernicus-FM's encoder without a head.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        variable: also build the patch embedding of variables without a spectrum.
    """

    def __init__(self, width: int, depth: int, heads: int, variable: bool = False) -> None:
        super().__init__()
        self.patch_embed_spectral = SpectralPatches(width)
        if variable:
            self.patch_embed_variable = VariablePatches(width)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + GRID**2, width) * 0.02)
        for name in ("coord", "scale", "time"):
            token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
            self.register_parameter(f"{name}_token", token)
            self.register_module(f"{name}_fc", nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.fc_norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, grid: Tensor, known: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers` (from 1), class token first.

        Args:
            grid: [B, D, h, w], from one of the patch embeddings.
            known: [B, 4] float32, longitude and latitude in degrees, days since 1970-01-01, and
                km² per patch; NaN where it is not known.
            layers: numbers of blocks.
        """
        positions = resample_abs_pos_embed(self.pos_embed, list(grid.shape[2:]))
        first = self.cls_token.expand(len(grid), -1, -1)
        tokens = torch.cat([first, grid.flatten(2).mT], dim=1) + positions
        return run_blocks(self.blocks, tokens + sum(self.told(known).values()), layers)

    def told(self, known: Tensor) -> dict[str, Tensor]:
        """What is added to all tokens of an item: of its "coord", "scale" and "time" [B, 1, D]."""
        lon, lat, days, area = known.unbind(1)
        half = self.cls_token.shape[2] // 2
        # Degrees are shifted in float32, as upstream: their fastest waves read its last digits.
        place = [fourier(lon + 180, DEGREES, half), fourier(lat + 90, DEGREES, half)]
        codes = {
            "coord": torch.cat(place, dim=1),
            "scale": fourier(area, AREAS, 2 * half),
            "time": fourier(days, DAYS, 2 * half),
        }
        return {name: self._read(name, code) for name, code in codes.items()}

    def _read(self, name: str, code: Tensor) -> Tensor:
        """A code [B, D] through its linear map; one with a NaN is the learned unknown one."""
        unknown = self.get_parameter(f"{name}_token")[0]
        code = torch.where(code.isnan().any(1, keepdim=True), unknown, code)
        found: Tensor = self.get_submodule(f"{name}_fc")(code)[:, None]
        return found


class CopernicusFmEmbedder:
    """Copernicus-FM as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self.network = CopernicusFm(size.width, size.depth, size.heads)
        self.patch: int = settings["patch_size"]
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        self.told: bool = settings["told"]
        (self.sensor,) = settings["bands"]
        self.wavelengths_nm: list[float] = settings["constants"]["wavelengths_nm"]
        self.bandwidths_nm: list[float] = settings["constants"]["bandwidths_nm"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, with the fc_norm that it lacks.

        Upstream starts that norm at scale 1 and shift 0.
        """
        width = self.network.fc_norm.normalized_shape
        fresh = {"fc_norm.weight": torch.ones(width), "fc_norm.bias": torch.zeros(width)}
        return fresh | encoder_state(state, self.network)

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map of patch tokens, the class token, and the network's own pooled output."""
        outputs = self.network(self._patches(batch), self._known(batch), self.layers)
        pooled = [self.network.fc_norm(tokens[:, 1:].mean(1)) for tokens in outputs]
        if self.final_norm:
            outputs = [self.network.fc_norm(tokens) for tokens in outputs]
        tokens = torch.cat(outputs, dim=2)
        h, w = (side // self.patch for side in batch.pixels[self.sensor].shape[3:])
        grid = torch.unflatten(tokens[:, 1:], 1, (h, w))
        return TokenMaps({"patches": grid}, {"cls": tokens[:, 0], "model": torch.cat(pooled, 1)})

    def _patches(self, batch: TileBatch) -> Tensor:
        """Patch tokens [B, D, h, w]."""
        pixels, part = batch.pixels[self.sensor][:, 0], self.network.patch_embed_spectral
        bands = (
            torch.tensor(values, dtype=torch.float32, device=pixels.device)
            for values in (self.wavelengths_nm, self.bandwidths_nm)
        )
        with torch.autocast(pixels.device.type, enabled=False):  # once per batch, in full precision
            kernel, bias = part.kernel(part.waves(*bands), self.patch)
        return part.cut(pixels, kernel, bias)

    def _known(self, batch: TileBatch) -> Tensor:
        """What the network is told of each tile [B, 4]; NaN if it is told nothing."""
        year, day = batch.year[self.sensor][:, 0], batch.day_of_year[self.sensor][:, 0]
        area_km2 = (self.patch * batch.gsd / 1000) ** 2
        columns = [*batch.lonlat.unbind(1), days_since_1970(year, day), area_km2]
        known = torch.stack([column.float() for column in columns], dim=1)
        return known if self.told else torch.full_like(known, math.nan)


def build(settings: NetworkSettings) -> CopernicusFmEmbedder:
    """Copernicus-FM with fresh parameters."""
    return CopernicusFmEmbedder(settings)


def fourier(values: Tensor, periods: Periods, width: int) -> Tensor:
    """Sines, then cosines of values [...] at geometric periods from least to most: [..., width].

    In float64 and then float32, as upstream: the shortest periods turn often.
    """
    low, high = (math.log10(period) for period in periods)
    steps = torch.logspace(low, high, width // 2, dtype=torch.float64, device=values.device)
    angles = values.double()[..., None] * (2 * math.pi / steps)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


def days_since_1970(year: Tensor, day_of_year: Tensor) -> Tensor:
    """Days from 1970-01-01 to the days numbered from 0 in their years."""
    before = year - 1
    leap = before // 4 - before // 100 + before // 400
    return 365 * (year - 1970) + leap - (1969 // 4 - 1969 // 100 + 1969 // 400) + day_of_year
