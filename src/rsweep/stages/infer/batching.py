"""Finding a batch size once per network and device, and remembering it on this machine.

The size is in no key: results agree between sizes to rounding.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from rsweep.core.canonical import digest
from rsweep.core.files import write_json
from rsweep.core.settings import NetworkSettings
from rsweep.models.protocol import TileBatch
from rsweep.stages.infer.engine import BATCH, Engine, Load

log = logging.getLogger("rsweep")

LARGEST = {"cpu": 128, "cuda": 4096}
SMALLEST = {"cpu": 1, "cuda": 16}
WORTH_S = {"cpu": 30.0, "cuda": 5.0}
"""Less work than that is not worth a search."""
BUDGET_S = 10.0
BUDGET_SHARE = 0.2
"""A search may take so long, and so much of the time that all tiles will take."""
GAIN = 1.05
"""A larger batch must be that much faster: it takes memory, and more is lost when it runs out."""
UNREAD = ("weights", "seed", "sha256", "constants")
"""Settings of an inference node that say nothing of its speed."""


def tune_batch_size(engine: Engine, settings: NetworkSettings, count: int, load: Load) -> None:
    """Give an engine the batch size found before for such a network here, or find it now.

    Args:
        engine: the network; its batch size is changed.
        settings: those of its inference node.
        count: tiles to come; few are not worth a search.
        load: reads a range of them.
    """
    kind = engine.device.type
    if count < BATCH[kind]:
        return
    name = cache_key(engine, settings, load(range(1)))
    known = _read().get(name)
    if not known:
        known = _find(engine, settings, count, load)
        if not known:
            return
        _remember(name, known)
    engine.batch = int(known["batch"])


def _find(
    engine: Engine, settings: NetworkSettings, count: int, load: Load
) -> dict[str, Any] | None:
    """The best batch size, and what was measured; None if that is not worth it."""
    kind = engine.device.type
    largest = min(LARGEST[kind], count // 2)
    sizes = [2**n for n in range(13) if SMALLEST[kind] <= 2**n <= largest]
    rates = measure(engine, sizes, count, load)
    if not rates:
        return None
    found = {
        "batch": choose(rates),
        "model": settings["model"],
        "device": device_name(engine.device),
        "tiles_per_s": {size: round(rate, 2) for size, rate in rates.items()},
    }
    log.info("found a batch size: %s", found)
    return found


def measure(engine: Engine, sizes: list[int], count: int, load: Load) -> dict[int, float]:
    """Tiles per second by batch size, smallest first, until time or memory is up or gains end.

    Empty if `count` tiles take too little time for a search to pay.
    """
    rates: dict[int, float] = {}
    began = time.perf_counter()
    if sizes:
        engine.seconds(load(range(sizes[0])))  # the first pass of a process is no measure
    for size in sizes:
        batch = load(range(size))
        seconds = min(engine.seconds(batch) for _ in range(2))  # the other may have been disturbed
        if seconds == float("inf"):
            break
        gained = not rates or size / seconds > max(rates.values())
        rates[size] = size / seconds
        expected = count / max(rates.values())
        if expected < WORTH_S[engine.device.type]:
            return {}
        budget = min(BUDGET_S, BUDGET_SHARE * expected)
        if not gained or time.perf_counter() - began + 4 * seconds > budget:
            break
    return rates


def choose(rates: Mapping[int, float]) -> int:
    """The smallest size that the fastest does not beat by enough."""
    best = max(rates.values())
    return min(size for size, rate in rates.items() if rate * GAIN >= best)


def cache_key(engine: Engine, settings: NetworkSettings, tile: TileBatch) -> str:
    """What a batch size depends on, as a name: network, shape of a tile, device, threads, torch."""
    shape = {sensor: list(pixels.shape[1:]) for sensor, pixels in tile.pixels.items()}
    threads = torch.get_num_threads() if engine.device.type == "cpu" else 0
    own = {name: value for name, value in settings.items() if name not in UNREAD}
    return digest([own, shape, device_name(engine.device), threads, torch.__version__])[:32]


def device_name(device: torch.device) -> str:
    """A GPU's product name, or the processor's architecture and number of cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {os.cpu_count()} cores"


def cache_path() -> Path:
    """File of remembered sizes; it may be deleted at any time."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "rsweep" / "batch.json"


def _read() -> dict[str, Any]:
    try:
        found = json.loads(cache_path().read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(name: str, entry: dict[str, Any]) -> None:
    """Add an entry; a folder that cannot be written costs a search each time and nothing else."""
    path = cache_path()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            write_json(path, {**_read(), name: entry})
