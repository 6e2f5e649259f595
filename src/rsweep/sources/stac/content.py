"""What a static catalogue on disk holds: its items, and the files of their assets, by digest."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rsweep.core.canonical import digest
from rsweep.core.digests import File
from rsweep.core.redact import without_secrets
from rsweep.sources.held import Degrees, Held
from rsweep.sources.vrt import content_digests, files_behind

TIMES = ("datetime", "start_datetime", "end_datetime")


LINKS = ("child", "item")


def held_items(root: Path, collection: str) -> tuple[Held, ...]:
    """The items of a collection ("" for any) that a catalogue's links lead to, with their assets.

    Items and assets may lie outside its folder. What is at an address is identified by it alone:
    an asset by what its item says, and an item or catalogue by its link.

    Args:
        root: the catalogue's file.
        collection: name of the collection that items must be of.

    Raises:
        OSError: a file cannot be read.
    """
    found = read_records(root)
    items = {f: i for f, i in found.items.items() if collection in ("", i.get("collection"))}
    files = {path: _file_of(path, root.parent) for path in items}
    own = content_digests(root.parent, files.values())
    ids = Counter(str(item.get("id")) for item in items.values())
    held = [
        _held(files[path].path, item, ids, [own[files[path].path], _assets(path, item)])
        for path, item in sorted(items.items(), key=lambda each: files[each[0]].path)
    ]
    return (*held, *(Held(at, (), "", "9999", None, digest(at)) for at in found.addresses))


def _file_of(path: Path, folder: Path) -> File:
    return File.of(os.path.relpath(path, folder).replace(os.sep, "/"), path.stat())


@dataclass(frozen=True)
class Records:
    """What the links of a catalogue on disk lead to.

    Attributes:
        items: by their files.
        catalogues: files of it and of those below it.
        addresses: of items and catalogues elsewhere, without accounts and queries.
    """

    items: dict[Path, dict[str, Any]]
    catalogues: list[Path]
    addresses: list[str]


def read_records(root: Path) -> Records:
    """Follow a catalogue's links; a file that is not there or holds no record is left out.

    Raises:
        OSError: a file cannot be read.
    """
    found, seen, waiting = Records({}, [], []), set[str](), [str(root)]
    while waiting:
        name = os.path.normpath(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        record = _record(Path(name))
        if record.get("type") == "Feature":
            found.items[Path(name)] = record
            continue
        found.catalogues.append(Path(name))
        for href in _links(record):
            local = _local(href)
            if local is None:
                found.addresses.append(without_secrets(href))
            else:
                waiting.append(os.path.join(os.path.dirname(name), local))
    return replace(found, addresses=sorted(set(found.addresses)))


def _record(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _links(record: Mapping[str, Any]) -> Iterator[str]:
    links = record.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") in LINKS and link.get("href"):
            yield str(link["href"])


def _local(href: str) -> str | None:
    """The path that a link says; None of an address."""
    parts = urlsplit(href)
    if parts.scheme == "file":
        return parts.path
    return None if "://" in href else href


def _held(path: str, item: dict[str, Any], ids: Mapping[str, int], content: Any) -> Held:
    name = str(item.get("id"))
    orbit = (item.get("properties") or {}).get("sat:orbit_state")
    return Held(
        name if ids[name] == 1 else f"{name} ({path})",
        _boxes(item),
        *_times(item),
        str(orbit).lower() if orbit else None,
        digest(content),
    )


def _boxes(item: dict[str, Any]) -> tuple[Degrees, ...]:
    """The box around an item's footprint; nothing if it says none that can be understood."""
    try:
        points = list(_points((item.get("geometry") or {})["coordinates"]))
        lons, lats = [float(point[0]) for point in points], [float(point[1]) for point in points]
        return ((min(lons), min(lats), max(lons), max(lats)),)
    except (KeyError, TypeError, ValueError, IndexError):
        return ()


def _points(coordinates: Any) -> Iterator[Any]:
    if isinstance(coordinates[0], int | float):
        yield coordinates
        return
    for part in coordinates:
        yield from _points(part)


def planning_files(root: Path) -> list[Path]:
    """Files on disk that a catalogue is made of, wherever they lie: records and assets."""
    found = read_records(root)
    assets = [path for record, item in found.items.items() for _, path in _files(record, item)]
    here = [path for path in dict.fromkeys(assets) if path.is_file()]
    behind = files_behind(Path(), [str(path) for path in here])
    return [*found.catalogues, *found.items, *here, *behind]


def _times(item: dict[str, Any]) -> tuple[str, str]:
    """Days around an item's time: one more on either side, since it may be in another zone."""
    told = item.get("properties") or {}
    days = [str(told[name])[:10] for name in TIMES if told.get(name)]
    try:
        return _day(min(days), -1), _day(max(days), 1)
    except ValueError:
        return "", "9999"


def _day(text: str, later: int) -> str:
    return (date.fromisoformat(text) + timedelta(days=later)).isoformat()


def _assets(record: Path, item: dict[str, Any]) -> dict[str, str]:
    """Asset -> digest of its file; those that are not on disk are left out."""
    found = {}
    for key, path in _files(record, item):
        if path.is_file():
            held = File.of(path.name, path.stat())
            found[key] = content_digests(path.parent, [held])[path.name]
    return found


def _files(record: Path, item: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    for key, asset in (item.get("assets") or {}).items():
        href = str(asset.get("href", "")) if isinstance(asset, dict) else ""
        if href and "://" not in href:
            yield str(key), record.parent / href
