"""Networks that stay loaded from cell to cell, the one not used for longest let go first."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from rsweep.core.canonical import digest
from rsweep.core.settings import NetworkSettings
from rsweep.models.weights import load_embedder
from rsweep.stages.infer.engine import Engine, choose_device

log = logging.getLogger("rsweep")

SHARE = 1 / 3
"""Of the memory that a job asked for, what networks may hold; the rest is for tiles and tokens."""


@dataclass(frozen=True)
class Loaded:
    """A network on its device.

    Attributes:
        engine: runs it.
        weights: where its weights are from, for the record.
        bytes: what its parameters and buffers take.
    """

    engine: Engine
    weights: dict[str, Any]
    bytes: int


class Networks:
    """Loaded networks by everything that they were built from, within a bound on memory."""

    def __init__(self) -> None:
        self.device = choose_device()
        self._held: OrderedDict[str, Loaded] = OrderedDict()
        self._limit = 0

    def __len__(self) -> int:
        return len(self._held)

    def limit_mb(self, memory_mb: float) -> None:
        """Hold no more than fits beside a job that asked for so much memory (on a GPU: it has)."""
        total = memory_mb * 2**20
        if self.device.type == "cuda":
            total = torch.cuda.get_device_properties(self.device).total_memory
        self._limit = round(total * SHARE)
        self._shrink(self._limit)

    def get(self, settings: NetworkSettings, options: Mapping[str, Any]) -> tuple[Loaded, float]:
        """The network of an inference node's settings, and the seconds that loading it took now."""
        name = digest([dict(settings), str(options.get("weights"))])
        if name in self._held:
            self._held.move_to_end(name)
            return self._held[name], 0.0
        began = time.perf_counter()
        embedder, weights = load_embedder(settings, options)
        tensors = [*embedder.network.parameters(), *embedder.network.buffers()]
        size = sum(t.numel() * t.element_size() for t in tensors)
        self._shrink(self._limit - size)
        found = Loaded(Engine(embedder, settings, self.device), weights, size)
        self._held[name] = found
        seconds = time.perf_counter() - began
        log.info("loaded %s, %.0f MB, in %.1f s", settings["model"], size / 1e6, seconds)
        return found, seconds

    def clear(self) -> None:
        """Let every network go."""
        self._shrink(-1)

    def _shrink(self, limit: int) -> None:
        while self._held and sum(n.bytes for n in self._held.values()) > limit:
            self._held.popitem(last=False)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
