"""`rsweep describe SOURCE`: what a provider serves, its bands and masks, and what it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from rsweep.core.errors import RsweepError
from rsweep.core.sensors import SENSORS
from rsweep.report import words
from rsweep.report.text_page import pairs, render, table
from rsweep.sources.levels import LEVELS
from rsweep.sources.provider import Provider
from rsweep.sources.registry import find_provider, parse_options

UNKNOWN = "depends on the options"


def describe_source(name: str, as_json: bool = False) -> str:
    """A provider, one of `PROVIDERS`: a page, or JSON for programs."""
    facts = _facts(find_provider(name))
    return json.dumps(facts, indent=1) if as_json else render(list(_page(facts)))


def _facts(provider: Provider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "about": provider.about,
        "needs": provider.needs,
        "options": [words.knob_facts(option) for option in provider.options],
        "composites": list(provider.composites),
        "collections": [
            _collection(provider, sensor, name)
            for sensor, names in provider.collections.items()
            for name in names
        ],
    }


def _collection(provider: Provider, name: str, collection: str) -> dict[str, Any]:
    """What a collection has by default options; None where those do not tell."""
    options, sensor = parse_options(provider.name, {}), SENSORS[name]
    masks: list[str] | None
    bands: list[str] | None
    try:
        bands = list(provider.available_bands(options, collection))
        masks = list(provider.cloud_layers(options, collection))
    except RsweepError:
        bands, masks = None, None
    cloudless = sensor.decibel or sensor.static
    return {
        "sensor": name,
        "collection": collection,
        "level": LEVELS.get(collection),
        "unit": sensor.unit,
        "bands": bands,
        "masks": [] if cloudless else masks,
    }


def _page(facts: dict[str, Any]) -> Iterator[RenderableType]:
    yield Text(facts["name"], style="bold")
    yield pairs(
        [
            ("is", facts["about"]),
            ("needs", facts["needs"]),
            *([("composites", ", ".join(facts["composites"]))] if facts["composites"] else []),
        ]
    )
    yield Text("\nCollections; the first of a sensor is the default", style="bold")
    yield table(
        ("collection", "sensor", "level", "unit", "clouds by", "bands"),
        [
            [
                one["collection"],
                one["sensor"],
                one["level"] or "",
                one["unit"],
                _text(one["masks"]),
                _text(one["bands"]),
            ]
            for one in facts["collections"]
        ],
    )
    yield Text("\nOptions, under its name in a study", style="bold")
    yield table(
        ("option", "default", "takes", "meaning"),
        [
            [o["name"], words.value_text(o["default"]), words.allowed_text(o), o["meaning"]]
            for o in facts["options"]
        ],
    )


def _text(names: list[str] | None) -> str:
    return UNKNOWN if names is None else " ".join(names) or "nothing"
