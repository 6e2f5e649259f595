"""Reading chips: each is the one scene of its ROI, on its own pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.digests import digests
from rsweep.core.errors import RoiError, SourceError
from rsweep.core.grid import Grid
from rsweep.core.roi import Roi
from rsweep.core.sensors import SENSORS
from rsweep.sources.chips.chip import Picture
from rsweep.sources.chips.index import Index, Options
from rsweep.sources.chips.places import grid_of
from rsweep.sources.protocol import DTYPE, NODATA, Pixels, Scene
from rsweep.sources.units import AMPLITUDE, LINEAR, REFLECTANCE, to_sensor


class ChipSource:
    """The chips of a data set. See `protocol.Source`."""

    quality_layers: tuple[str, ...] = ()

    def __init__(self, index: Index, options: Options, bands: Sequence[str]) -> None:
        self._index, self._options = index, options
        self._at = [index.bands.index(band) for band in bands]

    @cached_property
    def _sha256(self) -> dict[str, str]:
        return digests(self._index.root, {chip.file for chip in self._index.chips.values()})

    def of_roi(self, roi: Roi, scale_m: float) -> OneChip:
        """The chip that a ROI is.

        Raises:
            RoiError: there is none of its id, or it cannot be read.
        """
        chip = self._index.chips.get(roi.id)
        if chip is None:
            raise RoiError(
                f"is no chip of the data set {self._options['path']}; `rsweep chips` "
                f"makes the table of those that are"
            )
        picture = self._index.read(chip)
        if len(picture.values) != len(self._index.bands):
            raise RoiError(
                f"its image has {len(picture.values)} bands, and `bands` names "
                f"{len(self._index.bands)}: {', '.join(self._index.bands)}"
            )
        if self._options["georeference"] == "ignore":
            picture = Picture(picture.values)
        values, scaling = stored_values(picture.values[self._at], self._options)
        where = {"at": list(chip.at)} if chip.at else {}
        told = {"sha256": self._sha256[chip.file.path], **where, **scaling.properties}
        return OneChip(chip.id, grid_of(picture, roi, scale_m), values, told, scaling)

    def scenes(self, grid: Grid, start: str, end: str) -> list[Scene]:
        """Never asked: `of_roi` knows which chip a ROI is, a grid does not."""
        raise SourceError("chips: scenes of a place are not known, only those of a ROI's name")

    def read(self, scenes: Sequence[Scene], grid: Grid) -> Iterator[Pixels]:
        """Never asked, as `scenes`."""
        raise SourceError("chips: scenes of a place are not known, only those of a ROI's name")


@dataclass(frozen=True)
class Scaling:
    """How stored values become those of the sensor's unit: `gain * raw + offset`."""

    gain: float
    offset: float
    properties: dict[str, Any]


def stored_values(raw: NDArray[Any], options: Options) -> tuple[NDArray[Any], Scaling]:
    """Values as they are stored: in the file's own type, but power in dB and doubles in singles."""
    sensor = SENSORS[options["sensor"]]
    gain, offset, nodata = options["gain"], options["offset"], options["nodata"]
    if options["unit"] in (LINEAR, AMPLITUDE):
        valid = np.isfinite(raw) if nodata is None else raw != nodata
        decibels = to_sensor(raw, valid, sensor, options["unit"], gain, offset)
        return decibels, Scaling(1.0, 0.0, {DTYPE: "float32", NODATA: None})
    scale = 10_000.0 if options["unit"] == REFLECTANCE else 1.0
    values = raw.astype(np.float32) if raw.dtype.kind not in "iu" else raw
    told = {DTYPE: values.dtype.name, NODATA: nodata}
    return values, Scaling(gain * scale, offset * scale, told)


@dataclass(frozen=True)
class OneChip:
    """One chip as a source of its own. See `protocol.RoiSource`."""

    name: str
    grid: Grid
    values: NDArray[Any]
    properties: dict[str, Any]
    scaling: Scaling
    quality_layers: tuple[str, ...] = ()

    def scenes(self, grid: Grid, start: str, end: str) -> list[Scene]:
        """The one scene, of the day in the middle of the window: when it was is not known."""
        days = [date.fromisoformat(day).toordinal() for day in (start, end)]
        day = date.fromordinal(sum(days) // 2).isoformat()
        return [
            Scene(self.name, day, None, self.scaling.gain, self.scaling.offset, self.properties)
        ]

    def read(self, scenes: Sequence[Scene], grid: Grid) -> Iterator[Pixels]:
        """Its pixels as they are."""
        for _ in scenes:
            yield Pixels(self.values)
