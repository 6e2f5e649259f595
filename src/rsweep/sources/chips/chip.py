"""What a chip is: one labelled image of a published data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.digests import File


@dataclass(frozen=True)
class Chip:
    """One image, and what its data set says of it.

    Attributes:
        id: its name, unique in the data set.
        file: the file that holds it.
        at: where in the file it is (a row; an offset and a length in bytes); empty: all of it.
        says: what is known of it: label, split, lon, lat, date, where the data set has them.
    """

    id: str
    file: File
    at: tuple[int, ...] = ()
    says: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A chip's pixels as its file holds them.

    Attributes:
        values: [C, H, W] in the file's own type.
        crs: coordinate system of its georeference, or None.
        transform: (a, b, c, d, e, f) of pixel (column, row) to `crs`.
    """

    values: NDArray[Any]
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None


def image_of(array: NDArray[Any], bands: int, where: str) -> NDArray[Any]:
    """One image as [C, H, W]: of [C, H, W], [H, W, C], or [H, W] of one band.

    Raises:
        ValueError: neither its first nor its last axis has so many bands; or both have.
    """
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3:
        raise ValueError(f"{where} has shape {list(array.shape)}; expected bands, rows, columns")
    first, last = array.shape[0] == bands, array.shape[-1] == bands
    if first == last:
        found = "both its first and its last axis have" if first else "no axis has"
        raise ValueError(
            f"{where} has shape {list(array.shape)}: {found} {bands} bands; `bands` "
            f"names those of the images, in their order"
        )
    return np.ascontiguousarray(array if first else np.moveaxis(array, -1, 0))
