"""Which providers there are."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from rsweep.core.knobs import Option, Problem, nearest
from rsweep.sources.provider import Provider

PROVIDERS = ("synthetic", "local", "stac", "earthengine", "chips")


@functools.cache
def find_provider(name: str) -> Provider:
    """A provider by its name, one of `PROVIDERS`."""
    found = importlib.import_module(f"rsweep.sources.{name}").PROVIDER
    assert isinstance(found, Provider)
    return found


def parse_options(provider: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Canonical options of a provider, with defaults.

    Raises:
        ValueError: an option that the provider does not have, or a value that it does not take.
    """
    knobs: dict[str, Option] = {k.name: k for k in find_provider(provider).options}
    unknown = [name for name in raw if name not in knobs]
    if unknown:
        raise ValueError(
            f"has no option {unknown[0]!r}; options: {', '.join(knobs)}{nearest(unknown[0], knobs)}"
        )
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
    return find_provider(provider).check(parse_options(provider, raw), provider)


SCENE_SHARE = "scene"
"""Among `cloud_layers`: the provider gives the cloud share of whole scenes."""


def choose_collection(provider: str, sensor: str, asked: Sequence[str] | None) -> str:
    """The collection of a sensor: the one asked for, or the provider's default.

    Raises:
        ValueError: the provider has none for this sensor, or none of those asked for is.
    """
    collections = find_provider(provider).collections
    served = collections.get(sensor, ())
    if not served:
        raise ValueError(
            f"is {provider!r}, which has no {sensor} collection; it has: {', '.join(collections)}"
        )
    if asked is None:
        return served[0]
    known = [name for names in collections.values() for name in names]
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(
            f"collection {unknown[0]!r} is not one of {provider}'s: "
            f"{', '.join(known)}{nearest(unknown[0], known)}"
        )
    return next((name for name in asked if name in served), served[0])
