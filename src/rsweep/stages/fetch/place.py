"""Where and when a ROI is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from shapely.geometry import box

from rsweep.core.grid import Grid, GridRecord, roi_grid
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.sources.protocol import Source, SourceOfRois
from rsweep.stages.fetch.reach import window_of
from rsweep.stages.fetch.spec import fetch_settings


class PlaceRecord(TypedDict):
    """JSON form of a `Place`."""

    grid: GridRecord
    polygon: str
    start: str
    end: str


@dataclass(frozen=True)
class Place:
    """A ROI under the settings of a fetch.

    Attributes:
        grid: its pixels.
        polygon: its outline in the grid's coordinates, as WKT.
        start, end: its window, ISO dates, end exclusive.
    """

    grid: Grid
    polygon: str
    start: str
    end: str

    def to_dict(self) -> PlaceRecord:
        """JSON form, part of what a fetch says of a ROI."""
        return {
            "grid": self.grid.to_dict(),
            "polygon": self.polygon,
            "start": self.start,
            "end": self.end,
        }


def source_and_place(source: Source, node: Node, roi: Roi) -> tuple[Source, Place]:
    """What a fetch node reads a ROI from, and where it looks; the ROI's own window wins.

    Raises:
        RoiError: UTM has no place for it, it is too large, or a source of ROIs does not have it.
    """
    settings = fetch_settings(node)
    if isinstance(source, SourceOfRois):
        own = source.of_roi(roi, settings["scale_m"])
        return own, Place(own.grid, box(*own.grid.bounds).wkt, *window_of(settings, roi))
    grid, polygon = roi_grid(
        roi, settings["scale_m"], settings["context_m"], settings["least_side_m"]
    )
    return source, Place(grid, polygon.wkt, *window_of(settings, roi))
