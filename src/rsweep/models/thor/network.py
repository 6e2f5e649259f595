"""THOR's encoder (arXiv 2601.16011) on timm blocks, under the published state-dict keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.thor.card import CARD
from rsweep.models.thor.channels import (
    BAND_CHANNELS,
    FINEST_GSD_M,
    GROUPS,
    Group,
    embedding_name,
    present,
)
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import encoder_state, run_blocks, sincos

ensure_torchvision()

from timm.layers.patch_embed import PatchEmbedResamplerFixedOrigSize  # noqa: E402
from timm.models.vision_transformer import Block  # noqa: E402

KERNEL_PX = 16  # side of the published patch kernels, which are resized to the patch in use
GROUP_WIDTH = {"tiny": 32, "small": 64, "base": 128, "large": 256}  # of the group's embedding
REFERENCE_PATCHES = 4  # patch sizes enter the embedding in units of four 10 m pixels


class ChannelPatches(nn.Module):
    """One patch kernel per channel; a group's token is the mean over its channels.

    Args:
        width: width of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict(
            {
                channel: nn.Conv2d(1, width, KERNEL_PX, stride=KERNEL_PX)
                for group in GROUPS
                for channel in group.channels
            }
        )
        self.resize = PatchEmbedResamplerFixedOrigSize((KERNEL_PX, KERNEL_PX))

    def forward(self, channels: Sequence[str], pixels: Tensor, patch: int) -> Tensor:
        """Tokens [B, h * w, D] of a group's pixels [B, C, H, W].

        The mean of the channels' convolutions is one convolution with the mean of their kernels.
        """
        names = [embedding_name(channel) for channel in channels]
        weight = torch.cat([self.get_parameter(f"patch_embed.{n}.weight") for n in names], dim=1)
        bias = torch.stack([self.get_parameter(f"patch_embed.{n}.bias") for n in names]).mean(0)
        with torch.autocast(pixels.device.type, enabled=False):  # a kernel is worth full precision
            weight = self.resize(weight, [patch, patch]) / len(names)
        tokens = functional.conv2d(pixels, weight, bias, stride=patch)
        return tokens.flatten(2).transpose(1, 2)


class Thor(nn.Module):
    """THOR's encoder. It has no class token and no learned position.

    What a token stands for is said by an embedding of its group and patch size; where it lies, by
    an attention bias that falls with distance on the ground (2-D ALiBi over all groups).

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
        group_width: width of the group's part of the embedding.
    """

    encoder_slopes: Tensor

    def __init__(self, width: int, depth: int, heads: int, group_width: int) -> None:
        super().__init__()
        self.register_buffer("encoder_slopes", alibi_slopes(heads))
        self.ind_patch_embed = ChannelPatches(width)
        indices = torch.arange(len(GROUPS), dtype=torch.float32)
        self.band_embed = nn.ParameterDict(
            {
                f"group{index}": nn.Parameter(values, requires_grad=False)
                for index, values in enumerate(sincos(indices, group_width))
            }
        )
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(
        self, channels: Mapping[str, Tensor], patch: int, gsd_m: Tensor, layers: Sequence[int]
    ) -> list[Tensor]:
        """Outputs of the blocks numbered `layers` (from 1), before the final norm.

        Args:
            channels: channel -> [B, h, w], each on the grid of its group.
            patch: side of a patch in pixels of its own group.
            gsd_m: [B], true metres on the ground per pixel of the 10 m group.
            layers: numbers of blocks.

        Returns:
            Per block [B, N, D]: the tokens of all present groups, in the order of groups.
        """
        groups = present(channels)
        tokens = self.tokens(channels, patch)
        sides = [_token_side(channels[names[0]], patch) for _, names in groups]
        embedding = self.group_embedding([group for group, _ in groups], patch, gsd_m)
        counts = torch.tensor([side**2 for side in sides], device=tokens.device)
        tokens = tokens + embedding.repeat_interleave(counts, dim=1, output_size=tokens.shape[1])
        bias = self.position_bias([group for group, _ in groups], sides, patch).to(tokens.dtype)
        return run_blocks(self.blocks, tokens, layers, attn_mask=bias)

    def tokens(self, channels: Mapping[str, Tensor], patch: int) -> Tensor:
        """Patch tokens [B, N, D] of all present groups, before anything is added."""
        return torch.cat(
            [
                self.ind_patch_embed(names, torch.stack([channels[n] for n in names], 1), patch)
                for _, names in present(channels)
            ],
            dim=1,
        )

    def group_embedding(self, groups: Sequence[Group], patch: int, gsd_m: Tensor) -> Tensor:
        """What is added to all tokens of a group: [B, G, D], of its patch size on the ground.

        `gsd_m` [B] are the true metres per pixel of the 10 m group; the other groups' are in
        proportion, so a token is told the ground that it covers.
        """
        dtype, device = self.norm.weight.dtype, gsd_m.device
        indices = torch.stack([self.band_embed[f"group{group.index}"] for group in groups])
        ratios = torch.tensor([float(group.pixel_ratio) for group in groups], device=device)
        patch_m = patch * gsd_m.float()[:, None] * ratios
        width = self.norm.weight.shape[0] - indices.shape[1]
        sizes = sincos(patch_m / (REFERENCE_PATCHES * FINEST_GSD_M), width)
        return torch.cat([sizes.to(dtype), indices.expand(len(gsd_m), -1, -1)], dim=2)

    def position_bias(self, groups: Sequence[Group], sides: Sequence[int], patch: int) -> Tensor:
        """Attention bias [1, heads, N, N]: minus slope times the distance of two patch centres.

        Distances are in units of the largest patch present. Both grow with the true pixel size, so
        nominal ones give the bias of every tile of a batch.
        """
        device = self.encoder_slopes.device
        patches_m = [patch * group.gsd_m for group in groups]
        centres = torch.cat(
            [
                torch.cartesian_prod(*2 * [(torch.arange(side, device=device) + 0.5) * patch_m])
                for side, patch_m in zip(sides, patches_m, strict=True)
            ]
        )
        places = centres / max(patches_m)
        distance = torch.cdist(places, places)  # as upstream, whose rounding shows at 60 m
        return -self.encoder_slopes.float()[None, :, None, None] * distance


class ThorEmbedder:
    """THOR as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self.network = Thor(size.width, size.depth, size.heads, GROUP_WIDTH[settings["variant"]])
        self.patch: int = settings["patch_size"]
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        self.channels = {
            sensor: [BAND_CHANNELS[sensor][band] for band in bands]
            for sensor, bands in settings["bands"].items()
        }

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's part of a published checkpoint, whose keys begin with `encoder.`."""
        return encoder_state(state, self.network)

    def embed(self, batch: TileBatch) -> TokenMaps:
        """Token maps by group, finest first, and the mean of all tokens of all groups.

        Tiles may differ in metres per pixel.
        """
        with torch.inference_mode():
            channels = self._to_group_grids(batch)
            outputs = self.network(channels, self.patch, batch.gsd, self.layers)
            if self.final_norm:
                outputs = [self.network.norm(tokens) for tokens in outputs]
            tokens = torch.cat(outputs, dim=2)
            return TokenMaps(_by_group(tokens, channels, self.patch), {"model": tokens.mean(dim=1)})

    def _to_group_grids(self, batch: TileBatch) -> dict[str, Tensor]:
        """Every channel [B, h, w], on the grid of its group.

        A group keeps its resolution relative to the 10 m group, which has the tile's own pixels.
        """
        stacks = {
            channel: batch.pixels[sensor][:, 0, index]
            for sensor, channels in self.channels.items()
            for index, channel in enumerate(channels)
        }
        resampled: dict[str, Tensor] = {}
        for group, names in present(stacks):
            pixels = torch.stack([stacks[name] for name in names], dim=1)
            pixels = resample(pixels, pixels.shape[-1] // group.pixel_ratio)
            resampled.update(zip(names, pixels.unbind(1), strict=True))
        return resampled


def build(settings: NetworkSettings) -> ThorEmbedder:
    """THOR with fresh parameters."""
    return ThorEmbedder(settings)


def resample(pixels: Tensor, side: int) -> Tensor:
    """Square pixels [B, C, H, H] on a grid of `side` pixels, bilinearly as upstream does it."""
    if pixels.shape[-1] == side:
        return pixels
    return functional.interpolate(pixels, size=(side, side), mode="bilinear", align_corners=False)


def alibi_slopes(heads: int) -> Tensor:
    """ALiBi's slope per head: a geometric series for a power of two.

    For other numbers, the series of the power of two below, then every second of the one above.
    """
    power = 2 ** (heads.bit_length() - 1)
    series = 2.0 ** (-8 / power * torch.arange(1, power + 1))
    between = 2.0 ** (-4 / power * (2 * torch.arange(heads - power) + 1))
    return torch.cat([series, between])


def _by_group(tokens: Tensor, channels: Mapping[str, Tensor], patch: int) -> dict[str, Tensor]:
    sides = {
        group.name: _token_side(channels[names[0]], patch) for group, names in present(channels)
    }
    parts = torch.split(tokens, [side**2 for side in sides.values()], dim=1)
    return {
        name: part.reshape(len(part), side, side, -1)
        for (name, side), part in zip(sides.items(), parts, strict=True)
    }


def _token_side(pixels: Tensor, patch: int) -> int:
    return pixels.shape[-1] // patch
