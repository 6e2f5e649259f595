"""What value:compute answers for each kind of value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from ee_server.values import Collection, Feature, Image

_AFFINE = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")


def describe(value: Any) -> Any:
    if isinstance(value, Image):
        return _image(value)
    if isinstance(value, Collection):
        features = [describe(item) for item in value.images]
        if features and features[0]["type"] == "Feature":
            return {"type": "FeatureCollection", "columns": {}, "features": features}
        return {"type": "ImageCollection", "bands": [], "id": value.cid, "features": features}
    if isinstance(value, Feature):
        props = dict(value.props)
        return {"type": "Feature", "geometry": None, "properties": props}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {name: describe(item) for name, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _image(image: Image) -> dict[str, Any]:
    props = {k: v for k, v in image.props.items() if not isinstance(v, Image)}
    out = {"type": "Image", "bands": [_band(image, n, t) for n, t in image.bands.items()]}
    for name in ("id", "version"):
        if f"system:{name}" in props:
            out[name] = props.pop(f"system:{name}")
    return {**out, "properties": props}


def _band(image: Image, name: str, kind: np.dtype) -> dict[str, Any]:
    pixel = {
        "type": "PixelType",
        "precision": {"f4": "float", "f8": "double"}.get(kind.str[1:], "int"),
    }
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        pixel |= {"min": int(limits.min), "max": int(limits.max)}
    band: dict[str, Any] = {"id": name, "data_type": pixel, "crs": "EPSG:4326"}
    if image.proj and len(image.proj) == 4:
        crs, transform, width, height = image.proj
        band |= {"crs": crs, "dimensions": [width, height], "crs_transform": list(transform)[:6]}
    return band


def asset(image: Image) -> dict[str, Any]:
    """What GET assets/ID answers."""
    props = image.props
    start = datetime.fromtimestamp(props["system:time_start"] / 1000, UTC)
    crs, transform, width, height = image.proj
    grid = {
        "crsCode": crs,
        "dimensions": {"width": width, "height": height},
        "affineTransform": dict(zip(_AFFINE, list(transform)[:6], strict=True)),
    }
    return {
        "type": "IMAGE",
        "name": f"projects/earthengine-public/assets/{props['system:id']}",
        "id": props["system:id"],
        "startTime": start.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "properties": {k: v for k, v in props.items() if ":" not in k},
        "bands": [{"id": name, "grid": grid} for name in image.bands],
    }
