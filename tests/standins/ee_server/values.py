"""What expressions evaluate to: images, collections, features, geometries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

Band = tuple[np.ndarray, np.ndarray]  # values, valid


class Unsupported(Exception):
    """An algorithm or a use of one that the stand-in does not have: answered with a 400."""


class UserError(Exception):
    """What the service, too, answers with a 400."""


@dataclass(frozen=True)
class Grid:
    crs: str
    affine: Affine
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    def xy(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixel centres."""
        x = self.affine.c + (np.arange(self.width) + 0.5) * self.affine.a
        y = self.affine.f + (np.arange(self.height) + 0.5) * self.affine.e
        return tuple(np.meshgrid(x, y))


@dataclass(frozen=True)
class Geom:
    """A box in its own coordinate system: all that the fetch stage needs."""

    crs: str
    bounds: tuple[float, float, float, float]

    def lonlat(self) -> tuple[float, float, float, float]:
        return transform_bounds(self.crs, "EPSG:4326", *self.bounds, densify_pts=21)

    def touches(self, other: Geom) -> bool:
        a, b = self.lonlat(), other.lonlat()
        return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]

    def covers(self, grid: Grid) -> np.ndarray:
        """Which pixel centres of a grid lie in it."""
        from rasterio.warp import transform

        x, y = grid.xy()
        if grid.crs != self.crs:
            xs, ys = transform(grid.crs, self.crs, x.ravel(), y.ravel())
            x, y = np.reshape(xs, x.shape), np.reshape(ys, y.shape)
        left, bottom, right, top = self.bounds
        return (x >= left) & (x <= right) & (y >= bottom) & (y <= top)


@dataclass(frozen=True)
class Image:
    """A lazy image: `px(grid)` is its bands there, each resampled from its own pixels.

    As on the service, the grid asked for is pushed down to the leaves.
    """

    bands: dict[str, np.dtype]
    px: Callable[[Grid], dict[str, Band]]
    props: dict[str, Any] = field(default_factory=dict)
    geom: Geom | None = None
    proj: tuple | None = None
    leaf: Callable | None = None  # a stored image read with another resampling

    def computed(self, **changes: Any) -> Image:
        return replace(self, **{"leaf": None, **changes})


@dataclass
class Collection:
    images: list
    cid: str | None = None


@dataclass
class Feature:
    geom: Geom | None
    props: dict[str, Any]


def as_image(value: Any) -> Image:
    if isinstance(value, Image):
        return value
    if not isinstance(value, int | float):
        raise UserError(f"cannot convert {type(value).__name__} to Image")
    kind = np.dtype("float64") if isinstance(value, float) else np.dtype("int32")
    return Image(
        {"constant": kind},
        lambda g: {"constant": (np.full(g.shape, value, kind), np.ones(g.shape, bool))},
    )
