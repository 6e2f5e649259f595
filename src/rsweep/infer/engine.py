"""Running a network over many tiles: reading ahead, batching, halving when memory runs out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from rsweep.models.protocol import Embedder, TileBatch, TokenMaps

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
AHEAD = 2
"""Batches read while one is computed."""


def choose_device() -> torch.device:
    """The first CUDA device, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Engine:
    """A network on a device, with a batch size that shrinks when memory runs out."""

    def __init__(
        self, embedder: Embedder, settings: Mapping[str, Any], device: torch.device, batch: int
    ) -> None:
        self.embedder, self.device, self.batch = embedder, device, batch
        self.dtype = DTYPES[settings["precision"]]
        embedder.network.to(device).eval()
        if settings["compile"]:
            embedder.network.compile()

    def run(
        self, count: int, load: Callable[[range], TileBatch]
    ) -> Iterator[tuple[range, TokenMaps]]:
        """Token maps of tiles 0 … count-1 in order, on the CPU.

        Args:
            count: number of tiles, all of one shape.
            load: reads a range of tiles; called ahead, from a thread.
        """
        done = 0
        while done < count:
            for tiles, batch in read_ahead(_ranges(done, count, self.batch), load):
                maps = self._attempt(batch)
                if maps is None:
                    break  # memory ran out: read on in smaller batches from here
                yield tiles, maps
                done = tiles.stop

    def _attempt(self, batch: TileBatch) -> TokenMaps | None:
        """A forward pass, or None after halving the batch size when memory ran out."""
        try:
            return self._forward(batch)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not out_of_memory(error) or self.batch == 1:
                raise
        self.batch = max(self.batch // 2, 1)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _forward(self, batch: TileBatch) -> TokenMaps:
        mixed = self.dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=mixed):
            maps = self.embedder.embed(batch.to(self.device))

        def host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: t.float().cpu() for name, t in tensors.items()}

        return TokenMaps(host(maps.maps), host(maps.vectors))


def out_of_memory(error: BaseException) -> bool:
    """True for the errors by which torch says that memory ran out, on a GPU or the CPU."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(
        sign in text for sign in ("out of memory", "can't allocate memory", "CUDNN_STATUS_ALLOC")
    )


def _ranges(first: int, count: int, size: int) -> list[range]:
    return [range(i, min(i + size, count)) for i in range(first, count, size)]


def read_ahead(
    ranges: list[range], load: Callable[[range], TileBatch]
) -> Iterator[tuple[range, TileBatch]]:
    """Load ranges in order, a few ahead of the one in use; an error of `load` surfaces here."""
    ready: queue.Queue[tuple[range, TileBatch] | BaseException | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(item: tuple[range, TileBatch] | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for tiles in ranges:
                if stopped.is_set():
                    return
                put((tiles, load(tiles)))
            put(None)
        except BaseException as error:
            put(error)

    reader = threading.Thread(target=work, daemon=True)
    reader.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        reader.join()
