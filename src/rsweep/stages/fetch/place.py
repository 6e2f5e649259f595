"""Where and when a ROI is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from rsweep.core.grid import Grid, GridRecord, roi_grid
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.stages.fetch.reach import window_of


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
        return {"grid": self.grid.to_dict(), "polygon": self.polygon,
                "start": self.start, "end": self.end}  # fmt: skip


def place_of(node: Node, roi: Roi) -> Place:
    """Where a fetch node looks for a ROI; the ROI's own window wins.

    Raises:
        RoiError: UTM has no place for it, or it is too large.
    """
    settings = node.settings
    grid, polygon = roi_grid(
        roi, settings["scale_m"], settings["context_m"], settings["least_side_m"]
    )
    return Place(grid, polygon.wkt, *window_of(settings, roi))
