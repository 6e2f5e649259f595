"""What there is: one request per place and window lists scenes and their quality images.

Pixels are then asked for by the ids listed, never by the filter again, so that what is recorded is
what was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rsweep.core.errors import RoiError, SourceError
from rsweep.core.grid import Grid
from rsweep.sources.earthengine.client import Client
from rsweep.sources.earthengine.collections import Collection, Layer
from rsweep.sources.interval import chosen, interval_of
from rsweep.sources.protocol import Scene

INDEX, TIME, VERSION = "system:index", "system:time_start", "system:version"
TIME_END = "system:time_end"
PINS_PER_REQUEST = 200
"""A pin is about 300 bytes of expression; the service takes requests of 10 MB."""

Row = Mapping[str, Any]


def list_scenes(
    client: Client,
    collection: Collection,
    bands: Sequence[str],
    orbit: str,
    grid: Grid,
    start: str,
    end: str,
    what: str,
) -> list[Scene]:
    """Scenes that touch the grid with start <= time < end, ordered by (time, id).

    Raises:
        RoiError: there are none.
        SourceError: the collection does not exist or may not be read.
        TransientError: the service does not answer.
    """
    client.connect()  # expressions can only be built in a session
    wanted = _expression(collection, bands, orbit, grid, start, end)
    try:
        answer = client.compute(f"the list of {what}", wanted)
    except RoiError as error:
        if "ImageCollection.load" in str(error):  # no ROI has it
            raise SourceError(str(error)) from error
        raise
    tables = {name: [f["properties"] for f in t["features"]] for name, t in answer.items()}
    listed = _scenes(collection, tables)
    scenes = chosen(listed, [interval_of(scene) for scene in listed], (start, end))
    if not scenes:
        raise RoiError(f"no scene of {what}")
    return scenes


def check_pinned(client: Client, scenes: Sequence[Scene]) -> list[str]:
    """What is missing or changed of listed scenes and their quality images: a line each.

    One request per 200 images, before any pixel is read.
    """
    client.connect()
    pins = {pin["id"]: pin for scene in scenes for pin in _pins(scene)}
    problems: list[str] = []
    todo = list(pins.values())
    for first in range(0, len(todo), PINS_PER_REQUEST):
        part = todo[first : first + PINS_PER_REQUEST]
        answer = client.compute("the versions of locked scenes", _versions(part))
        problems += [
            p for pin, found in zip(part, answer, strict=True) for p in _compare(pin, found)
        ]
    return problems


def _pins(scene: Scene) -> Iterable[Row]:
    yield {"id": scene.id, "time": scene.time, "version": scene.properties.get("version")}
    yield from scene.properties.get("quality", {}).values()


def _compare(pin: Row, found: Sequence[int]) -> list[str]:
    if not found:
        return [f"{pin['id']}: missing"]
    if pin["version"] not in found:
        return [f"{pin['id']}: changed: version {pin['version']} is now {found[0]}"]
    return []


def _versions(pins: Sequence[Row]) -> Any:
    """For each pin the versions under its id: none if it is gone.

    Loading an image that is gone fails the whole request, so each is looked for by its time,
    which the service has an index for, and then by its name.
    """
    import ee

    found = []
    for pin in pins:
        asset, _, index = pin["id"].rpartition("/")
        time = milliseconds(pin["time"])
        images = ee.ImageCollection(asset).filterDate(time, time + 1)
        found.append(images.filter(ee.Filter.eq(INDEX, index)).aggregate_array(VERSION))
    return ee.List(found)


def _expression(
    collection: Collection, bands: Sequence[str], orbit: str, grid: Grid, start: str, end: str
) -> Any:
    import ee

    # Pixel centres, not edges: an image that only shares an edge with the grid has no pixel in it.
    left, bottom, right, top = grid.bounds
    inset = grid.scale_m / 4
    corners = [left + inset, bottom + inset, right - inset, top - inset]
    region = ee.Geometry.Rectangle(corners, grid.crs, False)
    tables = {}
    for asset in collection.assets:
        images = _in_window(ee.ImageCollection(asset), collection, start, end)
        images = _radar(images, bands, orbit) if collection.radar else images
        names = [collection.cloud, *collection.properties.values()]
        names += [TIME_END] if collection.whole_interval else []
        tables[asset] = _table(images.filterBounds(region), [n for n in names if n])
    for layer in collection.layers:
        if layer.asset:
            images = ee.ImageCollection(layer.asset).filterDate(start, end)
            tables[layer.name] = _table(images.filterBounds(region), [])
    return ee.Dictionary(tables)


def _in_window(images: Any, collection: Collection, start: str, end: str) -> Any:
    import ee

    if not collection.whole_interval:
        return images.filterDate(start, end)
    return images.filter(ee.Filter.lt(TIME, milliseconds(end))).filter(
        ee.Filter.gt(TIME_END, milliseconds(start))
    )


def _radar(images: Any, bands: Sequence[str], orbit: str) -> Any:
    import ee

    images = images.filter(ee.Filter.eq("instrumentMode", "IW"))
    for band in bands:
        images = images.filter(ee.Filter.listContains("transmitterReceiverPolarisation", band))
    if orbit in ("", "any"):
        return images
    return images.filter(ee.Filter.eq("orbitProperties_pass", orbit.upper()))


def _table(images: Any, names: Sequence[str]) -> Any:
    """Properties alone, without footprints and band lists: about 300 bytes a scene."""
    import ee

    kept = [INDEX, TIME, VERSION, *names]
    return images.map(lambda image: ee.Feature(None, {name: image.get(name) for name in kept}))


def _scenes(collection: Collection, tables: Mapping[str, Sequence[Row]]) -> list[Scene]:
    layers = [layer for layer in collection.layers if layer.asset]
    quality = {layer.name: {row[INDEX]: row for row in tables[layer.name]} for layer in layers}
    scenes = []
    for asset in collection.assets:
        for row in _latest(collection, tables[asset]):
            found = {layer: quality[layer.name].get(row[INDEX]) for layer in layers}
            scenes.append(_scene(collection, asset, row, found))
    return sorted(scenes, key=lambda scene: (scene.time, scene.id))


def _scene(
    collection: Collection, asset: str, row: Row, quality: Mapping[Layer, Row | None]
) -> Scene:
    properties = {"version": row[VERSION]}
    properties |= {ours: row.get(theirs) for ours, theirs in collection.properties.items()}
    pins = {
        layer.name: {
            "id": f"{layer.asset}/{found[INDEX]}",
            "time": timestamp(found[TIME]),
            "version": found[VERSION],
        }
        for layer, found in quality.items()
        if found
    }
    if collection.whole_interval:
        properties["interval"] = [timestamp(row[TIME]), timestamp(row[TIME_END])]
    cloud = row.get(collection.cloud) if collection.cloud else None
    return Scene(
        f"{asset}/{row[INDEX]}",
        timestamp(row[TIME]),
        None if cloud is None else float(cloud),
        collection.gain,
        collection.offset,
        {k: v for k, v in {**properties, "quality": pins}.items() if v not in (None, {})},
    )


def _latest(collection: Collection, rows: Sequence[Row]) -> list[Row]:
    """Rows without those that a later processing baseline replaces.

    A tile that two data strips of one datatake share has a scene of each: both are kept.
    """
    if "datatake" not in collection.properties:
        return list(rows)
    best: dict[Any, Row] = {}
    names = collection.properties

    def rank(row: Row) -> tuple[str, str]:
        return str(row.get(names["baseline"]) or ""), str(row[INDEX])

    for row in rows:
        key = _acquisition(row, names)
        if key not in best or rank(row) > rank(best[key]):
            best[key] = row
    return list(best.values())


def _acquisition(row: Row, names: Mapping[str, str]) -> tuple[str, ...]:
    """What two processings of the same acquisition have in common."""
    datatake = row.get(names["datatake"])
    if not datatake:
        return (str(row[INDEX]),)
    # GS2A_20220603T101031_036301_N04.00: the name of a datatake ends with the baseline;
    # S2A_OPER_MSI_L2A_DS_2BPS_20220603T142500_S20220603T101026_N04.00: S… starts the strip.
    strip = re.search(r"_(S\d{8}T\d{6})", str(row.get(names["datastrip"])))
    without_baseline = re.sub(r"_N[\d.]+$", "", str(datatake))
    return str(row.get(names["tile"])), without_baseline, strip[1] if strip else ""


def timestamp(time_ms: float) -> str:
    """A time of the service in ISO 8601, always with milliseconds, so that text sorts as time."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(time_ms) % 1000:03d}Z"


def milliseconds(time: str) -> int:
    """A time of the service from an ISO date or time (UTC unless it says otherwise)."""
    moment = datetime.fromisoformat(time)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
