"""What a static catalogue on disk holds: its items, and the files of their assets, by digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.core.digests import File, walk
from rsweep.sources.vrt import content_digests, files_behind

if TYPE_CHECKING:
    from rsweep.sources.protocol import Window


def items_content(folder: Path, window: Window | None) -> dict[str, Any]:
    """Path of an item below a folder -> digests of its record and of its assets on disk.

    Assets may lie outside the folder. Those at an address are identified by it alone.

    Args:
        folder: the catalogue's.
        window: leaves out items of other days; None: all items.

    Raises:
        OSError: a file cannot be read.
    """
    items = {file: item for file in _records(folder) if (item := _item(folder / file.path))}
    asked = [file for file, item in items.items() if window is None or _within(item, window)]
    own = content_digests(folder, asked)
    return {file.path: [own[file.path], _assets(folder / file.path, items[file])] for file in asked}


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


def _within(item: dict[str, Any], window: Window) -> bool:
    """True unless an item is surely of another day; one of an interval where it touches it."""
    told = item.get("properties") or {}
    first = told.get("start_datetime") or told.get("datetime")
    last = told.get("end_datetime") or told.get("datetime")
    if not first or not last:
        return True
    # A day on either side, since times may be in another zone than UTC.
    return str(first)[:10] <= window[1] and window[0] <= _next_day(str(last)[:10])


def _next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


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
