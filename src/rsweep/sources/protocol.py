"""What every source does: list the scenes of a place and a window, and read them on its grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsweep.core.grid import Grid
from rsweep.core.roi import Roi
from rsweep.core.sensors import Sensor

Window = tuple[str, str]
"""ISO dates: the first day, and the day after the last."""
DTYPE, NODATA = "dtype", "nodata"
"""Properties of a scene that is stored in a type of its own: the type, and the value of a missing
pixel (None: none is missing but NaN)."""


@dataclass(frozen=True)
class Scene:
    """One acquisition, as its provider names it.

    Attributes:
        id: the provider's identifier.
        time: acquisition, ISO 8601 in UTC ("2022-06-03T10:20:30Z" or a date).
        cloud_pct: the provider's cloud share of the whole scene in percent, or None.
        gain, offset: a value of a frame is `gain * raw + offset` (a processing baseline of
            Sentinel-2 from 04.00 on has offset -1000).
        properties: what else identifies it: version, baseline, orbit, platform, sha256, …; JSON.
            `DTYPE` and `NODATA` among them where it is not stored as its sensor's scenes are.
    """

    id: str
    time: str
    cloud_pct: float | None = None
    gain: float = 1.0
    offset: float = 0.0
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pixels:
    """A scene on a grid.

    Attributes:
        bands: [C, H, W] raw values in the order asked for, the sensor's nodata where missing.
        quality: layer -> [H, W]: "scl" (uint8 classes), "cloud" (uint8, cloud probability in
            percent, 255 missing), "clear" (uint8, Cloud Score+ in percent, 255 missing).
    """

    bands: NDArray[Any]
    quality: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


class Source(Protocol):
    """A provider opened for one collection: what `Provider.open_source` gives."""

    @property
    def quality_layers(self) -> tuple[str, ...]:
        """Layers that `read` gives beside the bands."""
        ...

    def scenes(self, grid: Grid, start: str, end: str) -> list[Scene]:
        """Scenes that touch the grid with start <= time < end, ordered by (time, id).

        Raises:
            RoiError: there are none, for a reason that will not pass.
            TransientError: the provider cannot say now.
        """
        ...

    def read(self, scenes: Sequence[Scene], grid: Grid) -> Iterator[Pixels]:
        """Pixels of each scene in the order given, on the grid.

        Raises:
            RoiError: a scene cannot be read, for good; the text names it.
            TransientError: a scene cannot be read now.
        """
        ...


@runtime_checkable
class Metered(Protocol):
    """A source whose requests are counted against a quota."""

    def meter(self, key: str, store: Path, budget: Mapping[str, float]) -> None:
        """Write down in a store's ledger what is asked for from here on.

        Args:
            key: of the fetch node that asks.
            store: folder of the store.
            budget: what may be spent, by name of the limit; empty: anything.

        Raises:
            SourceError: the account is refused.
        """
        ...


class RoiSource(Source, Protocol):
    """The images of one ROI, which come with a grid of their own."""

    @property
    def grid(self) -> Grid:
        """Their own pixels."""
        ...


@runtime_checkable
class SourceOfRois(Protocol):
    """A source whose images are the ROIs: of a provider with `own_grid`."""

    def of_roi(self, roi: Roi, scale_m: float) -> RoiSource:
        """What there is of one ROI.

        Raises:
            RoiError: nothing, for a reason that will not pass.
        """
        ...


def stored_as(properties: Mapping[str, Any], sensor: Sensor) -> tuple[str, float | None]:
    """Type in which a scene is stored, and the value of a missing pixel."""
    if DTYPE in properties:
        return properties[DTYPE], properties[NODATA]
    return sensor.dtype, sensor.nodata
