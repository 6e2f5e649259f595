"""What the stages say of a ROI: the rows of the table `rois` that each of their files has.

They are JSON in the files, and plain dictionaries here. A row has `error`: why the ROI has nothing,
or None beside what there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:  # planning reads these records, and needs no numpy
    from rsweep.core.grid import GridRecord


class MaskRecord(TypedDict):
    """A cloud rule as settings hold it: `layer` is "" where no pixel is cloud.

    `classes` are clear values of a layer of classes; of a layer of percent, `threshold` and on
    which side of it a pixel is clear.
    """

    layer: str
    classes: NotRequired[list[int]]
    threshold: NotRequired[float]
    clear_above: NotRequired[bool]


class Failed(TypedDict):
    """A ROI that has nothing, in every stage."""

    id: str
    error: str


class SceneRecord(TypedDict):
    """One acquisition; see `sources.protocol.Scene`.

    `roi_cloud_pct` is the cloud share of the ROI's own pixels, which the composite finds out.
    """

    id: str
    time: str
    cloud_pct: float | None
    gain: float
    offset: float
    properties: Mapping[str, Any]
    roi_cloud_pct: NotRequired[float | None]


class ListedScene(TypedDict):
    """What is left of a scene once it is in a composite."""

    id: str
    time: str
    cloud_pct: float | None
    roi_cloud_pct: NotRequired[float | None]


class ProviderFrame(TypedDict):
    """A frame that the provider reduced: its days (the last exclusive), ids of its scenes."""

    start: str
    end: str
    scenes: list[str]


class FetchedRoi(TypedDict):
    """What was fetched of a ROI.

    `polygon` is WKT in the grid's coordinates; `start` and `end` (exclusive) are the window;
    `request` says what was asked for and `sha256` what came, as digests.
    """

    id: str
    error: None
    grid: GridRecord
    polygon: str
    start: str
    end: str
    bands: list[str]
    scenes: list[SceneRecord]
    frames: NotRequired[list[ProviderFrame]]
    provider: str
    collection: str
    request: str
    sha256: str


class Frame(TypedDict):
    """A frame of a composite.

    `bin` is its number in the window; `repeats` that of the frame whose pixels it has, if it has
    none of its own; `scenes` the ids of those that it is made of; `start` and `end` (exclusive) the
    days that it covers; `date` the mean day of its scenes; `orbit`, of radar, their direction.
    """

    bin: int
    repeats: int | None
    scenes: list[str]
    start: str
    end: str
    date: str
    orbit: NotRequired[str]


class CompositedRoi(TypedDict):
    """A ROI's frames: `cloud_mask` is the rule that was applied."""

    id: str
    error: None
    grid: GridRecord
    polygon: str
    bands: list[str]
    start: str
    end: str
    cloud_mask: str
    warnings: list[str]
    frames: list[Frame]
    scenes: list[ListedScene]


class LatticeRecord(TypedDict):
    """JSON form of a `stages.prep.geometry.Lattice`: pixels of the grid."""

    size: int
    tops: Sequence[int]
    lefts: Sequence[int]


class TiledFrame(Frame):
    """A frame that is in the tiles; `at` is its place among the frames of the composite."""

    at: int


class SensorScenes(TypedDict):
    """What a ROI's tiles have of a sensor."""

    bands: list[str]
    scenes: list[ListedScene]
    cloud_mask: str
    warnings: list[str]


class TiledRoi(TypedDict):
    """How a ROI was tiled.

    `mode` is what `input_prep` came to, `side` of the network's input in pixels, `steps` the bins
    of the frames in order, `frames` by sensor and bin, `tiles` how many there are.
    """

    id: str
    error: None
    grid: GridRecord
    polygon: str
    start: str
    end: str
    mode: str
    side: int
    lattice: LatticeRecord
    steps: list[int]
    frames: dict[str, dict[int, TiledFrame]]
    sensors: dict[str, SensorScenes]
    tiles: int


class SensorNotes(TypedDict):
    """What is told of a sensor beside an embedding."""

    cloud_mask: str
    warnings: list[str]


class Untiled(Failed):
    """A ROI without tiles: `tiles` is 0."""

    tiles: int


class StitchedRoi(TypedDict):
    """A ROI's embedding; of a grid, `transform` leads from its cells to the map (a, b, c, d, e, f).

    `valid_share` is the part of the ROI that is valid, `real_share` that of the network's input
    which was measured; `scenes` the ids of all that were used.
    """

    id: str
    error: None
    grid: GridRecord
    start: str
    end: str
    mode: str
    side: int
    steps: list[int]
    frames: dict[str, dict[str, TiledFrame]]
    tiles: int
    sensors: dict[str, SensorNotes]
    scenes: list[str]
    valid_share: float
    real_share: float
    transform: NotRequired[list[float]]
