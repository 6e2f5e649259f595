"""Running a network over many tiles: reading ahead, copying beside compute, halving when memory
runs out.

A reader thread loads batches, and on a GPU copies them there on a stream of its own from pinned
memory; the caller's thread computes; results come back while the next batch computes.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from rsweep.core.settings import NetworkSettings
from rsweep.models.protocol import Embedder, TileBatch, TokenMaps

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
BATCH = {"cpu": 16, "cuda": 256}
"""Tiles per forward pass to begin with; results agree between batch sizes to rounding."""
USUAL_PX = 224
"""Side of the input that those numbers are for; a native input may be larger."""
AHEAD = 2
"""Batches read while one is computed."""

BEHIND = 2
"""Batches of results that wait to be written; more would only hold memory."""

Load = Callable[[range], TileBatch]
Write = Callable[[range, TokenMaps], None]
T = TypeVar("T")
Ready: TypeAlias = "queue.Queue[tuple[range, T] | BaseException | None]"


def choose_device() -> torch.device:
    """The first CUDA device, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def state_precision() -> None:
    """Let fp32 mean fp32: TF32, which a GPU may use in its place, has ten bits of mantissa."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@dataclass(frozen=True)
class Staged:
    """A batch on the device; on a GPU `copied` says when it is there, `refused` why it is not."""

    batch: TileBatch
    copied: torch.cuda.Event | None = None
    refused: torch.OutOfMemoryError | None = None


@dataclass(frozen=True)
class Launched:
    """Results on their way to the host; on a GPU `copied` says when they are there."""

    maps: TokenMaps
    copied: torch.cuda.Event | None = None

    def wait(self) -> TokenMaps:
        """The results, once they are there."""
        if self.copied is not None:
            self.copied.synchronize()
        return self.maps


def first_batch(device: torch.device, side: int) -> int:
    """Tiles per forward pass to begin with: fewer where they are larger than usual."""
    return max(BATCH[device.type] * min(USUAL_PX**2, side**2) // side**2, 1)


class Engine:
    """A network on a device, with a batch size that shrinks when memory runs out.

    Attributes:
        batch: tiles per forward pass.
    """

    def __init__(
        self,
        embedder: Embedder,
        settings: NetworkSettings,
        device: torch.device,
        batch: int | None = None,
    ) -> None:
        state_precision()
        self.embedder, self.device = embedder, device
        self.batch = batch or first_batch(device, settings["image_size"])
        self.dtype = DTYPES[settings["precision"]]
        embedder.network.to(device).eval()
        if convolutional(embedder.network):
            put_channels_last(embedder.network)
        if settings["compile"]:
            compile_network(embedder)
        self._copies: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run(self, count: int, load: Load) -> Iterator[tuple[range, TokenMaps]]:
        """Token maps of tiles 0 … count-1 in order, on the CPU.

        Args:
            count: number of tiles, all of one shape.
            load: reads a range of tiles; called ahead, from a thread.
        """
        done = 0
        behind = 1 if self._copies else 0
        while done < count:
            flying: deque[tuple[range, Launched]] = deque()
            ranges = _ranges(done, count, self.batch)
            for tiles, staged in read_ahead(ranges, lambda span: self._stage(load(span))):
                launched = self._attempt(staged)
                if launched is None:
                    break  # memory ran out: read on in smaller batches from here
                flying.append((tiles, launched))
                done = tiles.stop
                if len(flying) > behind:
                    yield _landed(flying)
            while flying:
                yield _landed(flying)

    def seconds(self, batch: TileBatch) -> float:
        """How long a batch takes from host to host, alone; infinite if memory runs out."""
        began = time.perf_counter()
        try:
            self._launch(self._stage(batch)).wait()
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            self._free()
            return math.inf
        return time.perf_counter() - began

    def _stage(self, batch: TileBatch) -> Staged:
        """Bring a batch to the device: on a GPU beside compute, from pinned memory."""
        if self._copies is None:
            return Staged(batch)
        try:
            with torch.cuda.stream(self._copies):
                copy = over(batch, Tensor.pin_memory).to(self.device)
                return Staged(copy, self._copies.record_event())
        except torch.OutOfMemoryError as error:
            return Staged(batch, refused=error)  # this is the reader's thread; the caller halves

    def _attempt(self, staged: Staged) -> Launched | None:
        """A forward pass, or None after halving the batch size when memory ran out."""
        try:
            return self._launch(staged)
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            if not out_of_memory(error) or self.batch == 1:
                raise
        self.batch = max(self.batch // 2, 1)
        self._free()
        return None

    def _free(self) -> None:
        """Give back what the allocator keeps for later."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()

    def _launch(self, staged: Staged) -> Launched:
        """Start a forward pass and the copy of its results; on the CPU it is then complete."""
        if staged.refused is not None:
            raise staged.refused
        if staged.copied is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(staged.copied)
            over(staged.batch, lambda tensor: _used_by(tensor, stream))
        with torch.inference_mode(), self._autocast():
            maps = self.embedder.embed(staged.batch)
            found = TokenMaps(self._host(maps.maps), self._host(maps.vectors))
        if self.device.type != "cuda":
            return Launched(found)
        return Launched(found, torch.cuda.current_stream(self.device).record_event())

    def _autocast(self) -> Any:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def _host(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: self._to_host(tensor.float()) for name, tensor in tensors.items()}

    def _to_host(self, tensor: Tensor) -> Tensor:
        if tensor.device.type != "cuda":
            return tensor
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return host.copy_(tensor, non_blocking=True)


def over(batch: TileBatch, change: Callable[[Tensor], Tensor]) -> TileBatch:
    """A batch with every tensor changed."""
    values: dict[str, Any] = {f.name: getattr(batch, f.name) for f in fields(batch)}
    for name, value in values.items():
        if isinstance(value, dict):
            values[name] = {key: change(tensor) for key, tensor in value.items()}
        else:
            values[name] = change(value)
    return TileBatch(**values)


def _used_by(tensor: Tensor, stream: torch.cuda.Stream) -> Tensor:
    """Keep a tensor's memory from being used again before a stream is done with it."""
    tensor.record_stream(stream)
    return tensor


def _landed(flying: deque[tuple[range, Launched]]) -> tuple[range, TokenMaps]:
    tiles, launched = flying.popleft()
    return tiles, launched.wait()


def compile_network(embedder: Embedder) -> None:
    """Compile the network's `forward`, or what an embedder that runs another function compiles."""
    own: Callable[[], None] = getattr(embedder, "compile", embedder.network.compile)
    own()


def convolutional(network: nn.Module) -> bool:
    """True if most parameters are of 2-D convolutions, to which channels-last layout is kind.

    In a transformer the only convolution cuts patches, and a change of layout costs more than it.
    """
    inside = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))
    return inside > sum(p.numel() for p in network.parameters()) / 2


def put_channels_last(network: nn.Module) -> None:
    """Lay convolutions' weights out channels last; their outputs follow."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def out_of_memory(error: BaseException) -> bool:
    """True for the errors by which torch says that memory ran out, on a GPU or the CPU."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(
        sign in text for sign in ("out of memory", "can't allocate memory", "CUDNN_STATUS_ALLOC")
    )


def _ranges(first: int, count: int, size: int) -> list[range]:
    return [range(i, min(i + size, count)) for i in range(first, count, size)]


def read_ahead(ranges: list[range], load: Callable[[range], T]) -> Iterator[tuple[range, T]]:
    """Load ranges in order, a few ahead of the one in use; an error of `load` surfaces here."""
    ready: Ready[T] = queue.Queue(AHEAD)
    stopped = threading.Event()
    reader = threading.Thread(target=_read, args=(ranges, load, ready, stopped), daemon=True)
    reader.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        reader.join()


def _read(
    ranges: list[range], load: Callable[[range], T], ready: Ready[T], stopped: threading.Event
) -> None:
    """Fill a queue with what is loaded, then None; with the error that ended it instead."""

    def put(item: tuple[range, T] | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    try:
        for tiles in ranges:
            if stopped.is_set():
                return
            put((tiles, load(tiles)))
        put(None)
    except BaseException as error:
        put(error)


def write_behind(items: Iterable[tuple[range, TokenMaps]], write: Write) -> Iterator[range]:
    """Write results in order in a thread, a few behind the one in hand; yield what was computed.

    An error of `write` surfaces here; when the last item is out, everything is written.
    """
    with ThreadPoolExecutor(max_workers=1) as writer:
        pending: deque[Future[None]] = deque()
        for tiles, maps in items:
            pending.append(writer.submit(write, tiles, maps))
            if len(pending) > BEHIND:
                pending.popleft().result()
            yield tiles
        for written in pending:
            written.result()
