"""The provider modules, by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rsweep.core.knobs import Option, Problem, nearest

PROVIDERS = ("synthetic", "local", "stac", "earthengine")


def provider_module(provider: str) -> Any:
    """The module of a provider; see `protocol.Source` for what it has."""
    return importlib.import_module(f"rsweep.sources.{provider}")


def parse_options(provider: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Canonical options of a provider, with defaults.

    Raises:
        ValueError: an option that the provider does not have, or a value that it does not take.
    """
    knobs: dict[str, Option] = {k.name: k for k in provider_module(provider).OPTIONS}
    unknown = [name for name in raw if name not in knobs]
    if unknown:
        raise ValueError(f"has no option {unknown[0]!r}; options: {', '.join(knobs)}"
                         f"{nearest(unknown[0], knobs)}")  # fmt: skip
    options = {name: knob.default for name, knob in knobs.items()}
    for name, value in raw.items():
        if value is None:
            continue
        try:
            options[name] = knobs[name].parse(value)
        except ValueError as error:
            raise ValueError(f"option {name} {error}") from None
    return options


def check_options(provider: str, raw: Mapping[str, Any]) -> list[Problem]:
    """What a provider finds wrong with its options: a folder that is not there, a bad layout."""
    check = getattr(provider_module(provider), "check", None)
    found: list[Problem] = check(parse_options(provider, raw), provider) if check else []
    return found


def endpoint(provider: str, options: Mapping[str, Any]) -> str:
    """Where a provider's scenes came from, without account; "" for one that is on no network."""
    address = getattr(provider_module(provider), "address", None)
    return str(address(options)) if address else ""


def provider_composites(provider: str) -> tuple[str, ...]:
    """Composite methods that a provider applies itself (`fetch_granularity: composite`)."""
    return tuple(getattr(provider_module(provider), "COMPOSITES", ()))


SCENE_SHARE = "scene"
"""Among `cloud_layers`: the provider gives the cloud share of whole scenes."""


def cloud_layers(provider: str, options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """What a collection tells of clouds: quality layers, and `SCENE_SHARE`."""
    return tuple(provider_module(provider).cloud_layers(options, collection))


def planning_reads(provider: str, options: Mapping[str, Any]) -> tuple[Path, ...]:
    """Files and folders that planning a study of a provider looks at; none of a service."""
    reads = getattr(provider_module(provider), "planning_reads", None)
    return tuple(reads(options)) if reads else ()


def choose_collection(provider: str, sensor: str, asked: Sequence[str] | None) -> str:
    """The collection of a sensor: the one asked for, or the provider's default.

    Raises:
        ValueError: the provider has none for this sensor, or none of those asked for is.
    """
    collections: Mapping[str, Sequence[str]] = provider_module(provider).COLLECTIONS
    served = collections.get(sensor, ())
    if not served:
        raise ValueError(f"is {provider!r}, which has no {sensor} collection; it has: "
                         f"{', '.join(collections)}")  # fmt: skip
    if asked is None:
        return served[0]
    known = [name for names in collections.values() for name in names]
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(f"collection {unknown[0]!r} is not one of {provider}'s: "
                         f"{', '.join(known)}{nearest(unknown[0], known)}")  # fmt: skip
    return next((name for name in asked if name in served), served[0])
