"""Geometries, dates, filters, joins, and what is done to whole collections."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ee_server.graph import ALGORITHMS, algorithm
from ee_server.values import Collection, Feature, Geom, Image, Unsupported


def milliseconds(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, dict):
        return milliseconds(value.get("value"))
    moment = datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


@algorithm("Projection")
def _projection(_ev, crs, transform=None, transformWkt=None):
    return crs


@algorithm("GeometryConstructors.Rectangle")
def _rectangle(_ev, coordinates, crs=None, geodesic=None, maxError=None, evenOdd=None):
    corners = np.array(coordinates, float).reshape(-1, 2)
    return Geom(crs or "EPSG:4326", (*corners.min(0), *corners.max(0)))


@algorithm("GeometryConstructors.Polygon")
def _polygon(_ev, coordinates, crs=None, geodesic=None, maxError=None, evenOdd=None):
    ring = np.array(coordinates[0], float)
    low, high = ring.min(0), ring.max(0)
    if len(ring) not in (4, 5) or not np.all(np.isclose(ring, low) | np.isclose(ring, high)):
        raise Unsupported("only axis-aligned rectangles")
    return Geom(crs or "EPSG:4326", (*low, *high))


@algorithm("GeometryConstructors.Point")
def _point(_ev, coordinates, crs=None, geodesic=None):
    return Geom(crs or "EPSG:4326", (*coordinates, *coordinates))


@algorithm("Feature")
def _feature(_ev, geometry=None, metadata=None):
    return Feature(geometry, metadata or {})


@algorithm("DateRange")
def _date_range(_ev, start, end=None, timeZone=None):
    first = milliseconds(start)
    return first, first + 1 if end is None else milliseconds(end)


@algorithm("Date")
def _date(_ev, value, timeZone=None):
    return {"type": "Date", "value": milliseconds(value)}


@algorithm("Filter.dateRangeContains")
def _in_dates(_ev, leftValue, rightField, **_other):
    low, high = leftValue
    return lambda image: rightField in image.props and low <= image.props[rightField] < high


@algorithm("Filter.intersects")
def _intersects(_ev, leftField=None, rightValue=None, rightField=None, leftValue=None, **_other):
    region = rightValue if rightValue is not None else leftValue
    region = region.geom if isinstance(region, Feature) else region
    return lambda image: image.geom.touches(region)


def _comparison(compare: Callable[[Any, Any], bool]) -> Callable:
    def make(_ev, leftField=None, rightValue=None, leftValue=None, rightField=None):
        if leftField is not None and rightField is not None:
            return lambda a, b: compare(a.props.get(leftField), b.props.get(rightField))
        name = leftField if leftField is not None else rightField

        def test(image: Image) -> bool:
            if image.props.get(name) is None:  # kept or dropped? not verified against the service
                raise Unsupported(f"filter on {name!r}, which {image.props['system:id']} lacks")
            value = image.props[name]
            return (
                compare(value, rightValue) if leftField is not None else compare(leftValue, value)
            )

        return test

    return make


for _name, _compare in {
    "equals": operator.eq,
    "greaterThan": operator.gt,
    "lessThan": operator.lt,
    "listContains": operator.contains,
}.items():
    ALGORITHMS[f"Filter.{_name}"] = _comparison(_compare)


@algorithm("Filter.not")
def _not(_ev, filter):
    return lambda image: not filter(image)  # lte is sent as not(greaterThan)


@algorithm("Filter.and")
def _and(_ev, filters):
    return lambda image: all(test(image) for test in filters)


@algorithm("Filter.or")
def _or(_ev, filters):
    return lambda image: any(test(image) for test in filters)


@algorithm("Filter.notNull")
def _not_null(_ev, properties):
    return lambda image: all(image.props.get(name) is not None for name in properties)


@algorithm("ImageCollection.load")
def _load_collection(ev, id, version=None):
    return ev.store.collection(id)


@algorithm("Image.load")
def _load_image(ev, id, version=None):
    return ev.store.image(id)


@algorithm("ImageCollection.fromImages")
def _from_images(_ev, images):
    return Collection(images)


@algorithm("Collection.filter")
def _filter(_ev, collection, filter):
    return Collection([i for i in collection.images if filter(i)], collection.cid)


@algorithm("Collection.size")
def _size(_ev, collection):
    return len(collection.images)


@algorithm("Collection.first")
def _first(_ev, collection):
    return collection.images[0] if collection.images else None


@algorithm("Collection.merge")
def _merge(_ev, collection1, collection2):
    return Collection(collection1.images + collection2.images)


@algorithm("Collection.limit")
def _limit(_ev, collection, limit=None, key=None, ascending=True):
    images = collection.images
    if key:
        images = sorted(images, key=lambda i: i.props.get(key), reverse=not ascending)
    return Collection(images[:limit] if limit else images, collection.cid)


@algorithm("Collection.map")
def _map(_ev, collection, baseAlgorithm, dropNulls=None):
    results = []
    for image in collection.images:
        result = baseAlgorithm(image)
        result.props.setdefault("system:index", image.props.get("system:index"))
        results.append(result)
    return Collection(results, collection.cid)


@algorithm("AggregateFeatureCollection.array")
def _aggregate(_ev, collection, property):
    return [i.props[property] for i in collection.images if i.props.get(property) is not None]


@algorithm("Join.saveFirst")
def _save_first(_ev, matchKey, ordering=None, ascending=True, measureKey=None, outer=None):
    return matchKey, outer


@algorithm("Join.apply")
def _join(_ev, join, primary, secondary, condition):
    key, outer = join
    joined = []
    for image in primary.images:
        match = next((other for other in secondary.images if condition(image, other)), None)
        if match is not None:
            joined.append(image.computed(props={**image.props, key: match}, leaf=image.leaf))
        elif outer:
            joined.append(image)
    return Collection(joined, primary.cid)
