"""STAC items as this project reads them: times, versions, footprints, duplicates."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shapely.affinity import translate
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

_DATATAKE_BASELINE = re.compile(r"_N\d\d\.\d\d$")
_PRODUCT = re.compile(r"_N(\d\d)(\d\d)_")


@dataclass(frozen=True)
class Item:
    """One item of a catalogue.

    Attributes:
        id, collection: its names.
        time: acquisition in UTC, "2022-06-03T10:20:30Z".
        footprint: in degrees.
        properties: the item's own.
        hrefs: asset key -> address, unsigned.
        checksums: asset key -> multihash, where the catalogue gives one.
    """

    id: str
    collection: str
    time: str
    footprint: BaseGeometry
    properties: Mapping[str, Any]
    hrefs: Mapping[str, str]
    checksums: Mapping[str, str]

    @property
    def baseline(self) -> str | None:
        """Sentinel-2's processing baseline, "05.09"; None where the item does not tell."""
        told = self.properties.get("s2:processing_baseline") or self.properties.get(
            "processing:version"
        )
        if told:
            return str(told)
        found = _PRODUCT.search(str(self.properties.get("s2:product_uri", self.id)))
        return f"{found[1]}.{found[2]}" if found else None

    @property
    def interval(self) -> tuple[str, str] | None:
        """What it stands for, where that is longer than a day; None for an acquisition."""
        told = [self.properties.get(name) for name in ("start_datetime", "end_datetime")]
        if not all(told):
            return None
        first, last = (utc_seconds(str(text)) for text in told)
        days = datetime.fromisoformat(last) - datetime.fromisoformat(first)
        return (first, last) if days > timedelta(days=1) else None

    def within(self, start: str, end: str) -> bool:
        """True if it is of start <= time < end, or its interval shares a part of that."""
        first, last = self.interval or (self.time, self.time)
        return first < end and (last > start or self.time >= start)

    @property
    def orbit(self) -> str | None:
        """ascending, descending, or None."""
        state = self.properties.get("sat:orbit_state")
        return str(state).lower() if state else None

    @property
    def cloud_pct(self) -> float | None:
        """Cloud share of the whole item in percent."""
        share = self.properties.get("eo:cloud_cover")
        return None if share is None else float(share)

    def touches(self, outline: BaseGeometry) -> bool:
        """True if the footprint shares area with an outline in degrees, east of 180 or not."""
        turned = (translate(outline, turn) for turn in (-360.0, 0.0, 360.0))
        return any(self.footprint.intersection(there).area > 0 for there in turned)


def parse_item(data: Mapping[str, Any]) -> Item:
    """An item from its JSON.

    Raises:
        ValueError: it has no time or no footprint.
    """
    properties = data.get("properties") or {}
    moment = properties.get("datetime") or properties.get("start_datetime")
    geometry, bounds = data.get("geometry"), data.get("bbox") or ()
    if not moment or not (geometry or bounds):
        raise ValueError(f"item {data.get('id')} has no time or no place")
    assets = data.get("assets") or {}
    return Item(
        str(data["id"]),
        str(data.get("collection") or ""),
        utc_seconds(str(moment)),
        shape(geometry) if geometry else box(*bounds),
        properties,
        {key: str(asset["href"]) for key, asset in assets.items()},
        {
            key: str(asset["file:checksum"])
            for key, asset in assets.items()
            if "file:checksum" in asset
        },
    )


def utc_seconds(text: str) -> str:
    """A time in UTC to the second: "2022-06-03T10:20:30Z"."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def without_duplicates(items: Iterable[Item]) -> list[Item]:
    """Items ordered by (time, id), each acquisition of a Sentinel-2 tile in its latest baseline.

    An acquisition that was received in two parts is two items of one baseline with different
    footprints, and both are kept.
    """
    groups: defaultdict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item in {item.id: item for item in items}.values():
        groups[_acquisition(item)].append(item)
    kept: list[Item] = []
    for group in groups.values():
        latest = max(item.baseline or "" for item in group)
        newest = [item for item in group if (item.baseline or "") == latest]
        # Newest first, so that of two that lie alike the one made last stays.
        for item in sorted(newest, key=_made, reverse=True):
            if not any(_lie_alike(item, other) for other in kept if other in newest):
                kept.append(item)
    return sorted(kept, key=lambda item: (item.time, item.id))


def _acquisition(item: Item) -> tuple[str, ...]:
    tell = item.properties
    tile = tell.get("grid:code") or tell.get("s2:mgrs_tile")
    if not tile:
        return (item.id,)
    datatake = tell.get("s2:datatake_id")
    when = _DATATAKE_BASELINE.sub("", str(datatake)) if datatake else item.time
    return (str(tile), str(tell.get("platform", "")), when)


def _made(item: Item) -> tuple[str, str, str]:
    tell = item.properties
    return (str(tell.get("s2:generation_time", "")), str(tell.get("updated", "")), item.id)


def _lie_alike(one: Item, other: Item) -> bool:
    union = one.footprint.union(other.footprint).area
    return bool(one.footprint.intersection(other.footprint).area > 0.95 * union)
