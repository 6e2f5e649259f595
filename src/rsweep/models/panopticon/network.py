"""Panopticon's encoder (arXiv 2503.10845) on timm blocks, under the published keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.masks import unseen
from rsweep.models.panopticon.card import CARD, ORBITS, PATCH_PX, POLARIZATIONS
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.models.vit import dino_positions, encoder_state, run_blocks, sincos

ensure_torchvision()

from timm.models.vision_transformer import Block  # noqa: E402

GRID = 37  # tokens per side that the table of positions was made for
FUSION_HEADS = 16
TRANSMITTED = (0, 0, 1, 1)  # vertical or horizontal, by polarisation
RECEIVED = (0, 1, 1, 0)


class ChannelCodes(nn.Module):
    """What a channel is, as a vector.

    Args:
        width: width of the vector; a third each for what is sent, what is received, and the orbit.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.embed_transmit = nn.Parameter(torch.randn(2, width // 3) * 0.02)
        self.embed_receive = nn.Parameter(torch.randn(2, width // 3) * 0.02)
        self.embed_orbit = nn.Parameter(torch.randn(2, width // 3) * 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors [..., W] of channel numbers [...]: wavelengths in nm, radar below zero."""
        optical = sincos(ids.float().floor().clamp(min=0), self.width)
        number = (-ids.floor().long() - 1).clamp(min=0, max=len(self._radar()) - 1)
        return torch.where((ids < 0)[..., None], self._radar()[number], optical)

    def _radar(self) -> Tensor:
        """Vectors [12, W] of the radar channels: by orbit, then polarisation."""
        none = self.embed_orbit.mean(0, keepdim=True)
        orbits = torch.cat([none, self.embed_orbit]).repeat_interleave(len(POLARIZATIONS), 0)
        sent = self.embed_transmit[list(TRANSMITTED)].repeat(len(ORBITS), 1)
        received = self.embed_receive[list(RECEIVED)].repeat(len(ORBITS), 1)
        return torch.cat([sent, received, orbits], dim=1)


class KeysAndValues(nn.Module):
    """Projections of the attention over channels.

    Args:
        width: width of a channel's token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inproj_k = nn.Linear(width, width, bias=False)
        self.inproj_v = nn.Linear(width, width, bias=False)


class ChannelFusion(nn.Module):
    """Attention of one learned query over the channels of a patch.

    Args:
        width: width of a channel's token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.chnemb = ChannelCodes(width)
        self.xattn = KeysAndValues(width)

    def forward(self, tokens: Tensor, ids: Tensor, masked: Tensor | None) -> Tensor:
        """Fused tokens [B, L, W].

        As there is one query, keys and values need not be made for every channel: the query goes
        through the keys' projection once, and values are projected after they are averaged.

        Args:
            tokens: [B, C, L, W] of single channels.
            ids: [B, C], their numbers.
            masked: [B, C], True for a channel that is to be left out; None for none.
        """
        tokens = tokens + self.chnemb(ids)[:, :, None]
        keys = torch.unflatten(self.xattn.inproj_k.weight, 0, (FUSION_HEADS, -1))
        values = torch.unflatten(self.xattn.inproj_v.weight, 0, (FUSION_HEADS, -1))
        query = self.query.view(FUSION_HEADS, -1) * keys.shape[1] ** -0.5
        scores = torch.einsum("bclw,hw->bhlc", tokens, torch.einsum("hd,hdw->hw", query, keys))
        if masked is not None:
            scores = scores.masked_fill(masked[:, None, None], -torch.inf)
        averaged = torch.einsum("bhlc,bclw->blhw", scores.softmax(-1), tokens)
        return torch.einsum("blhw,hdw->blhd", averaged, values).flatten(2)


class SingleChannels(nn.Module):
    """The patch kernel that every channel has in common.

    Args:
        width: width of a channel's token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        kernel = (1, PATCH_PX, PATCH_PX)
        self.conv3d = nn.Conv3d(1, width, kernel, stride=kernel)

    def forward(self, pixels: Tensor) -> Tensor:
        """Tokens [B, C, L, W] of pixels [B, C, H, W]."""
        grid: Tensor = self.conv3d(pixels[:, None])
        return grid.flatten(3).permute(0, 2, 3, 1)


class FusedPatches(nn.Module):
    """Patch embedding of any channels.

    Args:
        width: width of a token; channels are fused at three times that.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv3d = SingleChannels(3 * width)
        self.chnfus = ChannelFusion(3 * width)
        self.proj = nn.Linear(3 * width, width)

    def forward(self, pixels: Tensor, ids: Tensor, masked: Tensor | None) -> Tensor:
        """Tokens [B, L, D] of pixels [B, C, H, W] of channels numbered [B, C]."""
        tokens: Tensor = self.proj(self.chnfus(self.conv3d(pixels), ids, masked))
        return tokens


class Panopticon(nn.Module):
    """Panopticon's encoder.

    Args:
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
    """

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + GRID**2, width) * 0.02)
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # in the file; read in training alone
        self.patch_embed = FusedPatches(width)
        self.blocks = nn.ModuleList(
            Block(width, heads, qkv_bias=True, init_values=1e-5) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(
        self, pixels: Tensor, ids: Tensor, layers: Sequence[int], masked: Tensor | None = None
    ) -> list[Tensor]:
        """Outputs [B, 1 + h * w, D] of the blocks numbered `layers`, before the final norm.

        Args:
            pixels: [B, C, H, W], each channel standardised.
            ids: [B, C], wavelengths in nm, or the numbers of radar channels.
            layers: numbers of blocks from 1.
            masked: [B, C], True for a channel that an item lacks.
        """
        tokens = self.patch_embed(pixels, ids, masked)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        h, w = (side // PATCH_PX for side in pixels.shape[2:])
        return run_blocks(self.blocks, tokens + dino_positions(self.pos_embed, h, w), layers)


class PanopticonEmbedder:
    """Panopticon as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self.network = Panopticon(size.width, size.depth, size.heads)
        self.layers = chosen(settings["layer"], size.depth)
        self.final_norm: bool = settings["final_norm"]
        self.ids: dict[str, list[float]] = settings["constants"]["channel_ids"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The published checkpoint, without what training wraps it in."""
        return encoder_state(state, self.network, ("module.", "teacher.", "backbone."))

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map of patch tokens and the class token."""
        pixels = torch.cat([batch.pixels[sensor][:, 0] for sensor in self.ids], dim=1)
        numbers = [number for ids in self.ids.values() for number in ids]
        ids = torch.tensor(numbers, device=pixels.device).expand(len(pixels), -1)
        outputs = self.network(pixels, ids, self.layers, self._masked(batch))
        if self.final_norm:
            outputs = [self.network.norm(tokens) for tokens in outputs]
        tokens = torch.cat(outputs, dim=2)
        h, w = (side // PATCH_PX for side in pixels.shape[2:])
        grid = torch.unflatten(tokens[:, 1:], 1, (h, w))
        return TokenMaps({"patches": grid}, {"cls": tokens[:, 0]})

    def _masked(self, batch: TileBatch) -> Tensor | None:
        """Channels [B, C] of a sensor that saw nothing of a tile that another saw."""
        table = unseen(batch, list(self.ids))
        if table is None:
            return None
        counts = torch.tensor([len(ids) for ids in self.ids.values()], device=table.device)
        return table.repeat_interleave(counts, dim=1)


def build(settings: NetworkSettings) -> PanopticonEmbedder:
    """Panopticon with fresh parameters."""
    return PanopticonEmbedder(settings)
