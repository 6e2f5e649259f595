"""Provider `stac`: any STAC API, or a static catalogue on disk or at an address.

    collections.py  bands, units and offsets of each collection, and the public services
    catalogue.py    finding items            items.py    what an item says; duplicates
    offsets.py      Sentinel-2's -1000       signing.py  tokens of the Planetary Computer
    remote.py       reading, and errors      source.py   the provider: scenes on a grid

This module imports none of those that read until a source is opened.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rsweep.core.errors import SourceError
from rsweep.core.knobs import Option, Problem
from rsweep.core.sensors import SENSORS
from rsweep.sources.held import Held
from rsweep.sources.provider import Provider
from rsweep.sources.stac.collections import COLLECTIONS, PRESETS, TABLE, Collection
from rsweep.sources.stac.content import held_items, planning_files

if TYPE_CHECKING:
    from rsweep.sources.stac.catalogue import Catalogue
    from rsweep.sources.stac.source import StacSource

__all__ = ["COLLECTIONS", "OPTIONS", "available_bands", "check", "identity", "open_source"]

OPTIONS = (
    Option(
        "url",
        "str",
        "earth-search",
        f"{' or '.join(PRESETS)}, the address of an API, or a static catalogue's JSON file",
    ),
    Option(
        "name",
        "str",
        None,
        "what keys call the catalogue, so that a mirror shares them; unset: the preset, or the "
        "address without its scheme",
    ),
    Option(
        "resampling",
        "str",
        "auto",
        "how values are put on the grid; auto: averaged by area where pixels become coarser "
        "(backscatter as power), else nearest; classes are always nearest",
        allowed=("auto", "nearest", "bilinear", "cubic", "average"),
    ),
    Option("workers", "int", 8, "assets read at a time; changes no pixel", minimum=1, maximum=64),
)
CATALOGUE_FILES = ("catalog.json", "collection.json")


def check(options: Mapping[str, Any], where: str) -> list[Problem]:
    """What is wrong with the options, without asking the service."""
    url = _url(options)
    if url in PRESETS or urlsplit(url).scheme in ("http", "https"):
        return []
    if _file(url) is None:
        return [
            Problem(
                f"{where}.url",
                f"is {url!r}; expected {', '.join(PRESETS)}, an address, "
                "or a folder or file of a static catalogue",
            )
        ]
    return []


def _url(options: Mapping[str, Any]) -> str:
    return str(options.get("url") or "earth-search")


def _file(url: str) -> Path | None:
    """The JSON file of a catalogue on disk."""
    path = Path(url)
    found = [path / name for name in CATALOGUE_FILES if (path / name).is_file()]
    if found:
        return found[0]
    return path if path.is_file() else None


def entry_of(options: Mapping[str, Any], collection: str) -> Collection:
    """What is known of a collection at a catalogue.

    A sensor's name stands for its first collection, wherever its items are: the items of a static
    catalogue of one's own are in collections of any name.

    Raises:
        SourceError: it is not known, or the service does not have it.
    """
    preset = PRESETS.get(_url(options))
    if preset and collection not in preset.collections:
        raise SourceError(
            f"stac: {_url(options)} has no collection {collection}; it has "
            f"{', '.join(preset.collections)}"
        )
    if collection in SENSORS and COLLECTIONS.get(collection):
        entry = TABLE[COLLECTIONS[collection][0]]
        return replace(entry, baseline="own") if entry.baseline == "raw" else entry
    if collection not in TABLE:
        raise SourceError(f"stac: no collection {collection!r}; known: {', '.join(TABLE)}")
    entry = TABLE[collection]
    if preset and collection in preset.baseline:
        return replace(entry, baseline=preset.baseline[collection])
    return entry


def planning_reads(options: Mapping[str, Any]) -> list[Path]:
    """The folder of a catalogue on disk, and the files that it is made of, wherever they lie."""
    file = None if "://" in _url(options) else _file(_url(options))
    return [file.parent, *planning_files(file)] if file else []


def identity(options: Mapping[str, Any], collection: str) -> dict[str, Any]:
    """What the catalogue's values mean, and its name; one on disk is known by its items: `held`.

    Raises:
        SourceError: the collection is not known.
    """
    url = _url(options)
    told = {
        "entry": entry_of(options, collection).to_dict(),
        "resampling": options.get("resampling") or "auto",
    }
    if _is_on_disk(url):
        return {**told, "catalogue": "on disk"}
    name = options.get("name") or (url if url in PRESETS else _plain(url))
    return {**told, "catalogue": name}


def _is_on_disk(url: str) -> bool:
    return url not in PRESETS and "://" not in url


def held(options: Mapping[str, Any], collection: str) -> tuple[Held, ...]:
    """The items of a collection in a catalogue on disk; see `Provider`.

    Raises:
        SourceError: the catalogue on disk cannot be read.
    """
    url = _url(options)
    if not _is_on_disk(url):
        return ()
    return _held(_static(url), "" if collection in SENSORS else collection)


def _plain(url: str) -> str:
    """An address without scheme, account and query."""
    parts = urlsplit(url)
    return (parts.netloc.rpartition("@")[2] + parts.path).rstrip("/")


def address(options: Mapping[str, Any]) -> str:
    """The catalogue's address without account and query; of one on disk its path."""
    url = _url(options)
    known = PRESETS[url].url if url in PRESETS else url
    scheme = urlsplit(known).scheme
    return f"{scheme}://{_plain(known)}" if scheme else known


def _static(url: str) -> Path:
    file = _file(url)
    if file is None:
        raise SourceError(f"stac: {url} is neither a folder nor a file of a static catalogue")
    return file


@functools.lru_cache(maxsize=32)
def _held(root: Path, collection: str) -> tuple[Held, ...]:
    try:
        return held_items(root, collection)
    except OSError as error:
        raise SourceError(f"stac: {error.filename}: {error.strerror}") from error


def cloud_layers(options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """What a collection tells of clouds; see `Provider`."""
    return ("scl", "scene") if entry_of(options, collection).quality else ()


def available_bands(options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """The bands that a collection has, in the sensor's order.

    Raises:
        SourceError: the collection is not known.
    """
    entry = entry_of(options, collection)
    return tuple(band for band in SENSORS[entry.sensor].bands if band in entry.assets)


def open_source(
    options: Mapping[str, Any], collection: str, bands: Sequence[str], orbit: str | None = "any"
) -> StacSource:
    """The catalogue's scenes of one collection.

    Args:
        options: see `OPTIONS`.
        collection: one of `COLLECTIONS`, or a sensor's name for items of any collection.
        bands: bands to read, in this order.
        orbit: ascending or descending; anything else means both.

    Raises:
        SourceError: the collection is not known or has no such band, or there is no catalogue.
    """
    entry = entry_of(options, collection)
    absent = [band for band in bands if band not in entry.assets]
    if absent:
        raise SourceError(
            f"stac: {collection} has no band {', '.join(absent)}; it has {', '.join(entry.assets)}"
        )
    from rsweep.sources.stac.remote import Remote
    from rsweep.sources.stac.signing import Signer
    from rsweep.sources.stac.source import StacSource

    url = _url(options)
    preset = PRESETS.get(url)
    on_disk = _is_on_disk(url)
    remote = Remote(
        Signer(preset.token_url) if preset and preset.token_url else None,
        _static(url).parent.resolve() if on_disk else None,
    )
    address = preset.url if preset else (str(_static(url).resolve()) if on_disk else url)
    return StacSource(
        _catalogue(address),
        remote,
        "" if collection in SENSORS else collection,
        entry,
        bands,
        orbit,
        options.get("resampling") or "auto",
        int(options.get("workers") or 8),
    )


@functools.lru_cache(maxsize=8)
def _catalogue(address: str) -> Catalogue:
    from rsweep.sources.stac.catalogue import open_catalogue

    return open_catalogue(address)


PROVIDER = Provider(
    "stac",
    OPTIONS,
    COLLECTIONS,
    identity,
    available_bands,
    cloud_layers,
    open_source,
    check=check,
    address=address,
    cores=2,
    planning_reads=planning_reads,
    held=held,
    about="a STAC API or a static catalogue",
    needs="a network, or a catalogue on disk; a preset or an address (docs/sources.md)",
)
