"""What the vision transformers here share: sinusoids, running blocks, a checkpoint's own part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from rsweep.core.settings import NetworkSettings
from rsweep.models.card import Variant
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps


def sincos(values: Tensor, width: int) -> Tensor:
    """Sines, then cosines of values [...] at geometric frequencies: [..., width].

    In float32, as upstream: a year or a wavelength in nanometres is an angle of 2000 radians, where
    that is seen.
    """
    exponents = torch.arange(width // 2, dtype=torch.float32, device=values.device)
    angles = values[..., None] * (1 / 10000 ** (exponents / (width / 2)))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def grid_sincos(side: int, width: int) -> Tensor:
    """Positions [1, side * side, D] of a square grid, row by row, as masked autoencoders have them:
    the first half encodes the column, the second the row.
    """
    line = sincos(torch.arange(side, dtype=torch.float32), width // 2)
    columns, rows = line.repeat(side, 1), line.repeat_interleave(side, dim=0)
    return torch.cat([columns, rows], dim=1)[None]


def run_blocks(
    blocks: Iterable[nn.Module], tokens: Tensor, layers: Sequence[int], **options: Any
) -> list[Tensor]:
    """Outputs of the blocks numbered `layers` (from 1), in that order; none beyond them is run."""
    outputs = {}
    for number, block in enumerate(blocks, start=1):
        tokens = block(tokens, **options)
        if number in layers:
            outputs[number] = tokens
        if number == max(layers):
            break
    return [outputs[number] for number in layers]


def dino_positions(table: Tensor, h: int, w: int) -> Tensor:
    """A learned table of positions [1, 1 + n * n, D] for a grid: [1, 1 + h * w, D], class first.

    As DINO and DINOv2 resize it: by a factor of (h + 0.1) / n, at which they also sample.
    """
    side = math.isqrt(table.shape[1] - 1)
    if (h, w) == (side, side):
        return table
    image = torch.unflatten(table[:, 1:], 1, (side, side)).permute(0, 3, 1, 2)
    factors = ((h + 0.1) / side, (w + 0.1) / side)
    resized = functional.interpolate(image, scale_factor=factors, mode="bicubic")
    return torch.cat([table[:, :1], resized.flatten(2).mT], dim=1)


def encoder_state(
    state: dict[str, Tensor],
    network: nn.Module,
    prefixes: Sequence[str] = ("module.", "model.", "encoder."),
) -> dict[str, Tensor]:
    """The tensors of a published checkpoint that a network has, without the usual prefixes."""
    state, own = dict(state), network.state_dict()
    for prefix in prefixes:
        consume_prefix_in_state_dict_if_present(state, prefix)
    return {key: tensor for key, tensor in state.items() if key in own}


class ClassTokenEmbedder:
    """A transformer with a class token before its patches, as an inference job runs it.

    Args:
        network: takes pixels [B, C, H, W] and numbers of layers, gives an output [B, 1 + L, D] for
            each of them, and has a final `norm`.
        settings: of the inference.
        size: of the variant.
        groups: names of its token maps, whose patches of equal number follow each other.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: NetworkSettings,
        size: Variant,
        groups: Sequence[str] = ("patches",),
    ) -> None:
        self.network, self.groups = network, groups
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        (self.sensor,) = settings["bands"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint."""
        return encoder_state(state, self.network)

    def outputs(self, pixels: Tensor, batch: TileBatch) -> list[Tensor]:
        """What the network gives for pixels [B, C, H, W] of a batch, one for each layer."""
        found: list[Tensor] = self.network(pixels, self.layers)
        return found

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """A map of patch tokens for each group, and the class token."""
        outputs = self.outputs(batch.pixels[self.sensor][:, 0], batch)
        if self.final_norm:
            norm = self.network.get_submodule("norm")
            outputs = [norm(tokens) for tokens in outputs]
        tokens = torch.cat(outputs, dim=2)
        side = math.isqrt((tokens.shape[1] - 1) // len(self.groups))
        maps = tokens[:, 1:].reshape(len(tokens), len(self.groups), side, side, -1).unbind(1)
        return TokenMaps(dict(zip(self.groups, maps, strict=True)), {"cls": tokens[:, 0]})
