"""Algorithms on one image."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from ee_server.graph import ALGORITHMS, algorithm
from ee_server.values import Band, Feature, Geom, Grid, Image, Unsupported, UserError, as_image

SAMPLE_PIXELS = 262_144


def select(image: Image, selectors: Any, names: list[str] | None = None) -> Image:
    chosen: list[str] = []
    for selector in selectors if isinstance(selectors, list) else [selectors]:
        chosen += _matches(image, selector)
    new = names or chosen
    if len(new) != len(chosen):
        raise UserError(f"Image.select: {len(chosen)} bands, {len(new)} names.")

    def px(grid: Grid) -> dict[str, Band]:
        bands = image.px(grid)
        return {to: bands[name] for name, to in zip(chosen, new, strict=True)}

    types = {to: image.bands[name] for name, to in zip(chosen, new, strict=True)}
    return image.computed(
        bands=types, px=px, leaf=image.leaf and _leaf_select(image, selectors, names)
    )


def _leaf_select(image: Image, selectors: Any, names: list[str] | None) -> Callable:
    return lambda resampling: select(image.leaf(resampling), selectors, names)


def _matches(image: Image, selector: Any) -> list[str]:
    if isinstance(selector, int):
        return [list(image.bands)[selector]]
    found = [b for b in image.bands if b == selector or re.fullmatch(selector, b)]
    if not found:
        raise UserError(
            f"Image.select: Band pattern '{selector}' did not match any bands. "
            f"Available bands: [{', '.join(image.bands)}]"
        )
    return found


def stacked(first: Image, second: Image) -> Image:
    """Bands of both; a name that is taken gets a suffix, as on the service."""
    renamed = {}
    for name in second.bands:
        new, number = name, 1
        while new in first.bands or new in renamed.values():
            new, number = f"{name}_{number}", number + 1
        renamed[name] = new

    def px(grid: Grid) -> dict[str, Band]:
        return {**first.px(grid), **{renamed[n]: band for n, band in second.px(grid).items()}}

    types = {renamed[name]: kind for name, kind in second.bands.items()}
    return first.computed(bands={**first.bands, **types}, px=px)


@algorithm("Image.select")
def _select(_ev, input, bandSelectors, newNames=None):
    return select(input, bandSelectors, newNames)


@algorithm("Image.rename")
def _rename(_ev, input, names):
    return select(input, list(input.bands), [names] if isinstance(names, str) else names)


@algorithm("Image.addBands")
def _add_bands(_ev, dstImg, srcImg, names=None, overwrite=False):
    return stacked(dstImg, srcImg if names is None else select(srcImg, names))


@algorithm("Image.linkCollection")
def _link(
    _ev,
    input,
    imageCollection,
    linkedBands=None,
    linkedProperties=None,
    matchPropertyName="system:index",
):
    wanted = input.props.get(matchPropertyName)
    matches = [i for i in imageCollection.images if i.props.get(matchPropertyName) == wanted]
    bands = [linkedBands] if isinstance(linkedBands, str) else (linkedBands or [])
    if not matches:  # the service adds fully masked bands
        empty = Image(
            dict.fromkeys(bands, np.dtype("float32")),
            lambda g: {b: (np.zeros(g.shape, "f4"), np.zeros(g.shape, bool)) for b in bands},
        )
        return stacked(input, empty)
    linked = stacked(input, select(matches[0], bands)) if bands else input
    extra = {name: matches[0].props.get(name) for name in linkedProperties or []}
    return linked.computed(props={**linked.props, **extra})


@algorithm("Image.constant")
def _constant(_ev, value):
    return as_image(value)


def _binary(function: Callable, dtype: str = "float64") -> Callable:
    def run(_ev, image1, image2, **_other):
        first, second = as_image(image1), as_image(image2)
        a, b = list(first.bands), list(second.bands)
        count = max(len(a), len(b))
        if len(a) != len(b) and 1 not in (len(a), len(b)):
            raise UserError(f"band count mismatch {len(a)} vs {len(b)}")
        names = a if len(a) == count else b
        a, b = (bands * count if len(bands) == 1 else bands for bands in (a, b))

        def px(grid: Grid) -> dict[str, Band]:
            left, right = first.px(grid), second.px(grid)
            return {
                name: (function(left[x][0], right[y][0]).astype(dtype), left[x][1] & right[y][1])
                for x, y, name in zip(a, b, names, strict=True)
            }

        kept = first if first.props else second
        return kept.computed(bands=dict.fromkeys(names, np.dtype(dtype)), px=px)

    return run


for _name, _function in {
    "eq": np.equal,
    "neq": np.not_equal,
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
}.items():
    ALGORITHMS[f"Image.{_name}"] = _binary(_function, "uint8")
for _name, _function in {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "pow": np.power,
}.items():
    ALGORITHMS[f"Image.{_name}"] = _binary(lambda a, b, f=_function: f(a.astype("f8"), b))
ALGORITHMS["Image.bitwiseAnd"] = _binary(lambda a, b: a.astype("i8") & b.astype("i8"), "int64")


def _unary(function: Callable, dtype: str | None = None) -> Callable:
    def run(_ev, **arguments):
        (value,) = arguments.values()

        def px(grid: Grid) -> dict[str, Band]:
            bands = value.px(grid).items()
            with np.errstate(all="ignore"):
                return {n: (function(v).astype(dtype or v.dtype), m) for n, (v, m) in bands}

        types = {n: np.dtype(dtype) if dtype else t for n, t in value.bands.items()}
        return value.computed(bands=types, px=px)

    return run


def _cast(dtype: str) -> Callable:
    if np.dtype(dtype).kind == "f":
        return _unary(lambda v: v, dtype)
    limits = np.iinfo(dtype)
    return _unary(lambda v: np.clip(np.trunc(v), limits.min, limits.max), dtype)


for _name, _dtype in {
    "toByte": "uint8",
    "toUint8": "uint8",
    "toInt8": "int8",
    "toUint16": "uint16",
    "toInt16": "int16",
    "toInt32": "int32",
    "toUint32": "uint32",
    "toFloat": "float32",
    "toDouble": "float64",
}.items():
    ALGORITHMS[f"Image.{_name}"] = _cast(_dtype)
ALGORITHMS["Image.round"] = _unary(lambda v: np.floor(v + 0.5))
ALGORITHMS["Image.exp"] = _unary(np.exp, "float64")
ALGORITHMS["Image.log10"] = _unary(np.log10, "float64")
ALGORITHMS["Image.not"] = _unary(lambda v: v == 0, "uint8")


@algorithm("Image.mask")
def _mask(_ev, image, mask=None):
    if mask is not None:
        raise Unsupported("Image.mask with a mask: use updateMask")
    types = dict.fromkeys(image.bands, np.dtype("uint8"))
    return image.computed(
        bands=types,
        px=lambda g: {n: (m.astype("u1"), np.ones_like(m)) for n, (_, m) in image.px(g).items()},
    )


@algorithm("Image.updateMask")
def _update_mask(_ev, image, mask):
    def px(grid: Grid) -> dict[str, Band]:
        masks = as_image(mask).px(grid)
        only = next(iter(masks.values())) if len(masks) == 1 else None
        out = {}
        for name, (values, valid) in image.px(grid).items():
            keep, known = only or masks[name]
            out[name] = values, valid & (keep != 0) & known
        return out

    return image.computed(px=px)


@algorithm("Image.unmask")
def _unmask(_ev, input, value=0, sameFootprint=True):
    fill = as_image(value)

    def px(grid: Grid) -> dict[str, Band]:
        (filling, _) = next(iter(fill.px(grid).values()))
        inside = np.ones(grid.shape, bool)
        if sameFootprint and input.geom is not None:
            inside = input.geom.covers(grid)
        return {n: (np.where(m, v, filling), inside | m) for n, (v, m) in input.px(grid).items()}

    kind = next(iter(fill.bands.values()))
    types = {name: np.result_type(t, kind) for name, t in input.bands.items()}
    return input.computed(bands=types, px=px)


@algorithm("Image.clip")
def _clip(_ev, input, geometry):
    region = geometry.geom if isinstance(geometry, Feature) else geometry

    def px(grid: Grid) -> dict[str, Band]:
        inside = region.covers(grid)
        return {name: (v, m & inside) for name, (v, m) in input.px(grid).items()}

    return input.computed(px=px, geom=region)


@algorithm("Image.resample")
def _resample(_ev, image, mode="bilinear"):
    if image.leaf is None:
        raise Unsupported("resample of a computed image")
    return image.leaf({"bilinear": Resampling.bilinear, "bicubic": Resampling.cubic}[mode])


@algorithm("Image.projection")
def _projection(_ev, image):
    return {"type": "Projection", "of": image.proj}


@algorithm("Image.reproject")
def _reproject(_ev, image, crs, crsTransform=None, scale=None):
    if isinstance(crs, dict) and crs["of"] == image.proj:  # its own pixels, as leaves are read
        return image
    return image.computed(proj=(crs, float(scale)))


@algorithm("Image.reduceResolution")
def _reduce_resolution(_ev, image, reducer=None, bestEffort=False, maxPixels=64):
    """The mean of the pixels in each coarser one, each by the share of it that lies inside.

    Only of pixels that lie on whole fractions of the grid asked for.
    """
    native = image.proj[1].a

    def px(grid: Grid) -> dict[str, Band]:
        if grid.affine.a <= native:
            return image.px(grid)
        if ((grid.affine.a / native) + 1) ** 2 > maxPixels and not bestEffort:
            raise UserError("Image.reduceResolution: Too many input pixels per output pixel.")
        parts = round(grid.affine.a / math.gcd(round(grid.affine.a), round(native)))
        fine = Grid(
            grid.crs, grid.affine @ Affine.scale(1 / parts), grid.width * parts, grid.height * parts
        )
        shape = (grid.height, parts, grid.width, parts)
        out = {}
        for name, (values, valid) in image.px(fine).items():
            known = valid.reshape(shape).sum(axis=(1, 3))
            total = np.where(valid, values, 0).astype("f8").reshape(shape).sum(axis=(1, 3))
            out[name] = total / np.maximum(known, 1), known > 0
        return out

    return image.computed(bands=dict.fromkeys(image.bands, np.dtype("float64")), px=px)


@algorithm("Image.sampleRectangle")
def _sample(_ev, image, region, properties=None, defaultValue=None, defaultArrayValue=None):
    """The JSON way to read pixels, which the benchmark compares with; after reproject only."""
    if image.proj is None or len(image.proj) != 2:
        raise Unsupported("sampleRectangle without reproject")
    crs, scale = image.proj
    bounds = transform_bounds(region.crs, crs, *region.bounds)
    left, bottom, right, top = (round(edge / scale) for edge in bounds)
    width, height = right - left, top - bottom
    if width * height > SAMPLE_PIXELS:
        raise UserError(
            f"Image.sampleRectangle: Too many pixels in sampled region: {width * height} "
            f"(> {SAMPLE_PIXELS})."
        )
    affine = Affine(scale, 0, left * scale, 0, -scale, top * scale)
    bands = image.px(Grid(crs, affine, width, height))
    return Feature(
        Geom(crs, bounds), {n: np.where(m, v, defaultValue).tolist() for n, (v, m) in bands.items()}
    )


@algorithm("Element.get")
def _get(_ev, object, property):
    return object.props.get(property)


@algorithm("Element.set")
def _set(_ev, object, key, value):
    return object.computed(props={**object.props, key: value}, leaf=object.leaf)


@algorithm("Image.date")
def _image_date(_ev, image):
    return {"type": "Date", "value": image.props["system:time_start"]}


@algorithm("Date.millis")
def _millis(_ev, date):
    return date["value"]


@algorithm("Image.bandNames")
def _band_names(_ev, image):
    return list(image.bands)
