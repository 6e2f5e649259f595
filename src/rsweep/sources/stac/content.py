"""What a static catalogue on disk holds: its items, and the files of their assets, by digest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rsweep.core.canonical import digest
from rsweep.core.digests import File, walk
from rsweep.sources.held import Degrees, Held
from rsweep.sources.vrt import content_digests, files_behind

TIMES = ("datetime", "start_datetime", "end_datetime")


def held_items(folder: Path, collection: str) -> tuple[Held, ...]:
    """The items below a folder of a collection ("" for any), with their assets on disk.

    Assets may lie outside the folder. Those at an address are identified by it alone.

    Args:
        folder: the catalogue's.
        collection: name of the collection that items must be of.

    Raises:
        OSError: a file cannot be read.
    """
    items = {file: item for file in _records(folder) if (item := _item(folder / file.path))}
    asked = {f: i for f, i in items.items() if not collection or i.get("collection") == collection}
    own = content_digests(folder, asked)
    ids = Counter(str(item.get("id")) for item in asked.values())
    return tuple(
        _held(file.path, item, ids, [own[file.path], _assets(folder / file.path, item)])
        for file, item in asked.items()
    )


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


def asset_files(folder: Path) -> list[Path]:
    """Files on disk of the assets of all items of a catalogue, wherever they lie."""
    paths = [folder / file.path for file in _records(folder)]
    found = [p for path in paths if (item := _item(path)) for _, p in _files(path, item)]
    here = [path for path in dict.fromkeys(found) if path.is_file()]
    return [*here, *files_behind(Path(), [str(path) for path in here])]


def _records(folder: Path) -> list[File]:
    return [f for f in walk(folder) if f.path.lower().endswith((".json", ".geojson"))]


def _item(path: Path) -> dict[str, Any] | None:
    """A JSON file's item; None where it holds something else."""
    try:
        data = json.loads(path.read_bytes())
    except ValueError:
        return None
    return data if isinstance(data, dict) and data.get("type") == "Feature" else None


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
