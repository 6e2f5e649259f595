"""Provider `earthengine`: scenes and pixels from Google Earth Engine, on earthengine-api alone.

Nothing here imports `ee` until a request is made, so planning a study costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rsweep.core.errors import SourceError
from rsweep.core.knobs import Option, Problem
from rsweep.sources.earthengine import collections
from rsweep.sources.earthengine.endpoint import endpoint
from rsweep.sources.provider import Provider

if TYPE_CHECKING:
    from rsweep.sources.earthengine.source import EarthEngine

OPTIONS = (
    Option(
        "url", "str", "high-volume", "endpoint: standard, high-volume, or an address (https://…)"
    ),
    Option("project", "str", "", "Cloud project that is billed; unset: the one of the credentials"),
    Option(
        "key",
        "str",
        "",
        "key file of a service account; unset: the user's `earthengine authenticate`",
    ),
    Option(
        "deadline_s",
        "float",
        180.0,
        "longest wait for one answer",
        unit="s",
        minimum=1,
        maximum=3600,
    ),
    Option("attempts", "int", 8, "tries of one request", minimum=1, maximum=50),
    Option(
        "parallel",
        "int",
        4,
        "requests in flight of one job; the project's limit is 40 over all jobs",
        minimum=1,
        maximum=40,
    ),
    Option(
        "profile",
        "str",
        "budget",
        "ask the service what each request cost, by a second request: where the study has a "
        "`budget`, `always` or `never`; else a model of cost says it",
        allowed=("budget", "always", "never"),
    ),
)
"""The study's `earthengine:` section. None of it changes a pixel, so none is in a key."""


COMPOSITES = ("median", "mean", "mosaic")
"""Methods of a composite that the service applies itself."""


COLLECTIONS: Mapping[str, tuple[str, ...]] = collections.by_sensor()
"""Sensor -> collections that deliver it, the default first."""


def check(options: Mapping[str, Any], where: str) -> list[Problem]:
    """What is wrong with the options, without asking the service or for credentials."""
    try:
        endpoint(options.get("url") or OPTIONS[0].default)
    except SourceError as error:
        return [Problem(f"{where}.url", str(error))]
    return []


def address(options: Mapping[str, Any]) -> str:
    """The service's address."""
    return endpoint(options.get("url") or OPTIONS[0].default)


def cloud_layers(options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """What a collection tells of clouds; see `Provider`."""
    entry = collections.find(collection)
    return (*entry.quality_layers, *(("scene",) if entry.cloud else ()))


def available_bands(options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """All bands of a collection, in the sensor's order; no option changes them.

    Raises:
        SourceError: there is no such collection.
    """
    return collections.find(collection).bands


def identity(options: Mapping[str, Any], collection: str) -> dict[str, Any]:
    """What of the collection changes pixels; no option does.

    Raises:
        SourceError: there is no such collection.
    """
    return {"collection": collection, **collections.find(collection).pixel_identity()}


def open_source(
    options: Mapping[str, Any], collection: str, bands: Sequence[str], orbit: str = "any"
) -> EarthEngine:
    """The service opened for one collection.

    Args:
        options: values of `OPTIONS`; those that are absent have their defaults.
        collection: its name in `COLLECTIONS`.
        bands: bands of the sensor, in the order in which they are wanted.
        orbit: any, ascending or descending (radar only).

    Raises:
        SourceError: an unknown collection, band or endpoint.
    """
    from rsweep.sources.earthengine.client import Client
    from rsweep.sources.earthengine.source import EarthEngine

    known = {knob.name: knob.default for knob in OPTIONS} | dict(options)
    client = Client(
        known["url"],
        known["project"],
        known["key"],
        deadline_s=known["deadline_s"],
        attempts=known["attempts"],
        parallel=known["parallel"],
    )
    return EarthEngine(client, collection, bands, orbit, known["parallel"], known["profile"])


PROVIDER = Provider(
    "earthengine",
    OPTIONS,
    COLLECTIONS,
    identity,
    available_bands,
    cloud_layers,
    open_source,
    composites=COMPOSITES,
    check=check,
    address=address,
    cores=2,
    about="Google Earth Engine",
    needs="a network, an Earth Engine project and an account for it (docs/sources.md)",
)
