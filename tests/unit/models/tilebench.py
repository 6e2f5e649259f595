"""Networks of models without a checkpoint, and batches of tiles to run them on."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from rsweep.models.initialize import initialize
from rsweep.models.protocol import TileBatch
from rsweep.models.registry import find_card
from rsweep.plan.profiles import resolve
from rsweep.stages.bands import sensor_bands


def embedder(model: str, seed: int = 0, **own: Any) -> Any:
    """A network as a job builds it, with random weights of a seed."""
    settings, errors = resolve({"model": model, **own}, {})
    assert not errors, errors
    card = find_card(model)
    more = {"bands": sensor_bands(settings, card), "constants": card.constants(settings)}
    built = importlib.import_module(f"rsweep.models.{model}.network").build(settings | more)
    initialize(built.network, seed)
    built.network.eval()
    return built


def batch(size: int, b: int = 2, low: float = 0.0, **bands: int) -> TileBatch:
    """Tiles of sensors with so many bands each: values from `low` to 1."""
    seed = torch.Generator().manual_seed(1)
    day = {sensor: torch.zeros(b, 1, dtype=torch.int64) for sensor in bands}

    def values(count: int) -> torch.Tensor:
        return low + (1 - low) * torch.rand(b, 1, count, size, size, generator=seed)

    return TileBatch(
        pixels={s: values(count) for s, count in bands.items()},
        valid={s: torch.ones(b, 1, size, size, dtype=torch.bool) for s in bands},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(b, 2, dtype=torch.float64),
        gsd=torch.full((b,), 10.0),
    )


def alone(tiles: TileBatch, index: int) -> TileBatch:
    """One tile of a batch."""
    one = slice(index, index + 1)
    return TileBatch(
        pixels={s: p[one] for s, p in tiles.pixels.items()},
        valid={s: v[one] for s, v in tiles.valid.items()},
        day_of_year={s: d[one] for s, d in tiles.day_of_year.items()},
        month={s: d[one] for s, d in tiles.month.items()},
        year={s: d[one] for s, d in tiles.year.items()},
        lonlat=tiles.lonlat[one],
        gsd=tiles.gsd[one],
    )


def problems(model: str, **own: Any) -> dict[str, str]:
    """What is wrong with settings, by knob."""
    return dict(resolve({"model": model, **own}, {})[1])
