"""Models side by side: what each reads, costs and allows, and which of them fit a need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rsweep.core.errors import RsweepError
from rsweep.core.knobs import nearest
from rsweep.core.sensors import SENSORS
from rsweep.models.card import ModelCard
from rsweep.plan.catalogue import cards, defaults
from rsweep.report.operations import counted, frames_of

COMMERCIAL = "commercial"
FREE = re.compile(r"\b(Apache-2\.0|MIT|BSD-\d-Clause|CC-BY-4\.0|CC0-1\.0)\b|there are no weights")
"""Licences that allow commercial use with no condition but to name the authors."""


@dataclass(frozen=True)
class Row:
    """One model under its default settings.

    Attributes:
        modalities: name -> the sensors read together.
        token_m: metres on the ground per token, of each token map.
        width: values of a token; None where a knob decides.
        parameters_m: in millions, 0 without weights.
        frames: frames of one input, of a year where the window decides.
        gflop_per_km2: operations in 1e9 for a square kilometre covered by tiles side by side.
        licence: of the weights.
        trained_on: sensors of the pre-training, with their levels where these are known.
        pretraining: the same in words.
    """

    model: str
    title: str
    modalities: dict[str, list[str]]
    variant: str
    token_m: list[float]
    width: int | None
    parameters_m: float
    frames: int
    gflop_per_km2: float | None
    licence: str
    trained_on: list[str]
    pretraining: str


def compare(sensors: Sequence[str] = (), licence: str = "") -> list[Row]:
    """A row per model, or per model that fits.

    Args:
        sensors: what there is: only modalities that read nothing else are kept.
        licence: "commercial", or a part of the name of the weights' licence.

    Raises:
        RsweepError: there is no such sensor; the text names those there are.
    """
    for sensor in sensors:
        if sensor not in SENSORS:
            raise RsweepError(
                f"--for has {sensor!r}; sensors: {', '.join(SENSORS)}{nearest(sensor, SENSORS)}"
            )
    found = [_row(card, sensors) for card in cards() if allows(card.licence_weights, licence)]
    return [row for row in found if row.modalities]


def allows(licence: str, asked: str) -> bool:
    """Whether a licence is what was asked for: everything is if nothing was."""
    if asked == COMMERCIAL:
        return bool(FREE.search(licence))
    return asked.lower() in licence.lower()


def _row(card: ModelCard, sensors: Sequence[str]) -> Row:
    preset = defaults(card)
    variant = card.variants[preset["variant"]]
    pixel_m = preset["scale_m"]
    operations = counted().get(card.id)
    tile_km2 = (preset["image_size"] * pixel_m / 1000) ** 2
    return Row(
        model=card.id,
        title=card.title,
        modalities=dict(_fitting(card, sensors)),
        variant=preset["variant"],
        token_m=[group.patch_px * pixel_m for group in card.groups(preset)],
        width=variant.width or None,
        parameters_m=variant.parameters_m,
        frames=frames_of(card, preset),
        gflop_per_km2=None if operations is None else float(f"{operations / tile_km2:.3g}"),
        licence=card.licence_weights,
        trained_on=list(_trained_on(card)),
        pretraining=card.pretraining,
    )


def _fitting(card: ModelCard, sensors: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for name, inputs in card.modalities.items():
        read = [needed.sensor for needed in inputs]
        if not sensors or set(read) <= set(sensors):
            yield name, read


def _trained_on(card: ModelCard) -> Iterator[str]:
    for sensor, levels in card.envelope.levels.items():
        told = [level for level in levels if level.lower() not in sensor]
        yield " ".join([sensor, *told])


def cells(row: Row) -> list[Any]:
    """A row of the printed table; see `HEADS`."""
    tokens = " + ".join(dict.fromkeys(f"{size:g}" for size in row.token_m))
    cost = "?" if row.gflop_per_km2 is None else f"{row.gflop_per_km2:,.4g}"
    size = f"{row.parameters_m:g}" if row.parameters_m else "-"
    short = re.split("[:,]", row.licence)[0]
    trained = ", ".join(row.trained_on) or "not known"
    return [row.model, _inputs(row), tokens, row.width or "-", size, cost, short, trained]


def _inputs(row: Row) -> str:
    """Sensors, each once, and whether any are read together."""
    sensors = dict.fromkeys(name for read in row.modalities.values() for name in read)
    joined = any(len(read) > 1 for read in row.modalities.values())
    return " ".join(sensors) + (", joined too" if joined else "")


HEADS = ("model", "inputs", "token m", "width", "params M", "GFLOP/km²", "weights", "trained on")
