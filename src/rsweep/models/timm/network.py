"""Networks of timm as an inference job runs them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from rsweep.core.settings import NetworkSettings
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.timm.table import find
from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()

import timm  # noqa: E402
from timm.models import adapt_input_conv, model_entrypoint  # noqa: E402

FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")
"""What timm's modules call the function that brings published keys and tables into their form."""


def create(name: str, *, bands: int = 3, image_size: int | None = None) -> nn.Module:
    """A network of timm with fresh parameters and without a classifier."""
    sized: dict[str, Any] = {} if image_size is None else {"img_size": image_size}
    network: nn.Module = timm.create_model(
        name, pretrained=False, num_classes=0, in_chans=bands, **sized
    )
    return network


def convert(name: str, network: Any, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict fitted to the network: its image size, its bands, no classifier."""
    found = dict(state)
    consume_prefix_in_state_dict_if_present(found, "module.")
    module = sys.modules[model_entrypoint(name.partition(".")[0]).__module__]
    change = next((getattr(module, f) for f in FILTERS if hasattr(module, f)), None)
    if change is not None:
        takes_network = len(inspect.signature(change).parameters) > 1
        found = dict(change(found, network) if takes_network else change(found))
    own, about = network.state_dict(), network.pretrained_cfg
    heads = {part.partition(".")[0] for part in _listed(about.get("classifier"))}
    found = {k: t for k, t in found.items() if k in own or k.partition(".")[0] not in heads}
    for part in _listed(about.get("first_conv")):
        kernel = found.get(f"{part}.weight")
        if kernel is not None and kernel.shape[1] == 3 != own[f"{part}.weight"].shape[1]:
            found[f"{part}.weight"] = adapt_input_conv(own[f"{part}.weight"].shape[1], kernel)
    return found


def _listed(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


class TimmEmbedder:
    """A network of timm and which of its outputs are wanted."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.name: str = settings["model"].partition(":")[2]
        self.entry, _ = find(self.name)
        ((self.sensor, bands),) = settings["bands"].items()
        size = settings["image_size"] if self.entry.sized else None
        self.network: Any = create(self.name, bands=len(bands), image_size=size)
        self.layers = chosen(settings["layer"], len(self.entry.strides))
        self.final_norm: bool = settings["final_norm"]

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Published weights, with positions and input convolution fitted as timm fits them."""
        return convert(self.name, self.network, state)

    def compile(self) -> None:
        """Compile what `embed` runs, which is not the network's `forward`."""
        self.network.forward_intermediates = torch.compile(self.network.forward_intermediates)

    def embed(self, batch: TileBatch) -> TokenMaps:
        """Maps of the chosen blocks or stages; the class token; and the pooled output.

        The pooled output is the network's own, so it is there if its last layer is among those
        chosen: else the layers above the chosen ones are not run.
        """
        with torch.inference_mode():
            maps, prefixes, end = self._run(batch.pixels[self.sensor][:, 0])
            vectors = {}
            if prefixes:
                vectors["cls"] = torch.cat([prefixes[n][:, 0] for n in self.layers], dim=1)
            if end is not None:
                vectors["model"] = self.network.forward_head(end, pre_logits=True)
        grids = {n: grid.permute(0, 2, 3, 1) for n, grid in maps.items()}
        if self.entry.tokens:
            joined = torch.cat([grids[n] for n in self.layers], dim=3)
            return TokenMaps({"patches": joined}, vectors)
        return TokenMaps({f"stage{n}": grids[n] for n in self.layers}, vectors)

    def _run(self, pixels: Tensor) -> tuple[dict[int, Tensor], dict[int, Tensor], Tensor | None]:
        """Layer -> map [B, D, h, w], layer -> prefix tokens, and the output if it was reached."""
        numbers = sorted(set(self.layers))
        to_the_end = numbers[-1] == len(self.entry.strides)
        prefix = {"return_prefix_tokens": True} if self.entry.cls else {}
        found = self.network.forward_intermediates(
            pixels,
            indices=[n - 1 for n in numbers],
            intermediates_only=not to_the_end,
            norm=self.final_norm and not self.entry.bare,
            stop_early=not to_the_end,
            **prefix,
        )
        end, taken = found if to_the_end else (None, found)
        prefixes = {}
        if self.entry.cls:
            prefixes = {n: tokens for n, (_, tokens) in zip(numbers, taken, strict=True)}
            taken = [grid for grid, _ in taken]
        maps = dict(zip(numbers, taken, strict=True))
        if end is not None and self.final_norm:
            maps[numbers[-1]] = self._last(end, maps[numbers[-1]])
        return maps, prefixes, end

    def _last(self, end: Tensor, stage: Tensor) -> Tensor:
        """The network's own last map: a norm or convolution may follow its last stage."""
        h, w = stage.shape[2:]
        if end.ndim == 3 and end.shape[1] == h * w:
            return end.transpose(1, 2).reshape(len(end), -1, h, w)
        if end.ndim == 4 and _channels_last(self.network):
            end = end.permute(0, 3, 1, 2)
        return end if end.shape[2:] == (h, w) else stage


def _channels_last(network: Any) -> bool:
    return str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")


def build(settings: NetworkSettings) -> TimmEmbedder:
    """A network of timm with fresh parameters."""
    return TimmEmbedder(settings)
