"""What a stage is: declared once, in `stages/<stage>/spec.py`; all else follows from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rsweep.core.knobs import Knob
from rsweep.core.nodes import Node
from rsweep.core.settings import ProfileSettings

Settings = ProfileSettings
NodeSettings = Mapping[str, Any]
"""Settings of a node: what its stage reads, so each stage has a TypedDict of its own."""

EACH_SENSOR = "each sensor"
"""Name of an input that stands for one per sensor, each under the sensor's name."""


@dataclass(frozen=True)
class Work:
    """What a job has before it, about, and with what: ROIs, tiles over all frames, cores, GPUs."""

    rois: int
    tiles: int
    cores: int
    gpus: int


@dataclass(frozen=True)
class Extent:
    """The largest ROI of a job, about: pixels per side with its surroundings, and frames."""

    side_px: float
    frames: int

    @property
    def megapixels(self) -> float:
        """Millions of pixels of one band of one frame."""
        return self.side_px**2 / 1e6


@dataclass(frozen=True)
class Stage:
    """One step from scenes to embeddings.

    Attributes:
        name: its folder under `stages/` and in the store, and its rule.
        version: raised when its output changes for the same settings; a test holds golden digests.
        about: what it does, in a line.
        knobs: the knobs that it is the first to read.
        reads: canonical settings that enter its key, of a profile's settings and a sensor ("" for a
            stage that is not by sensor). A value that a model's card supplies is given as the
            value; a knob that the other settings leave unread is left out.
        inputs: name -> stage that it reads.
        by_sensor: True if it runs once for each sensor of the modality.
        memory_mb: memory that a first attempt asks for, of its node's settings.
        roi_mb: memory that one ROI takes beside libraries and networks, of the settings of its node
            and of all before it; what is above `memory_mb` is asked for.
        seconds: how long a job takes on slow cores and disks, of its node's settings.
        tolerance: how far its values may be from those of another machine, as the norm of the
            difference over the norm.
        options: what a job needs that changes no result, of a profile's settings: a provider's
            options, where weights lie.
    """

    name: str
    version: int
    about: str
    knobs: tuple[Knob, ...]
    reads: Callable[[Settings, str], NodeSettings]
    memory_mb: Callable[[NodeSettings], float]
    seconds: Callable[[NodeSettings, Work], float]
    inputs: Mapping[str, str] = field(default_factory=dict)
    by_sensor: bool = False
    tolerance: float = 0.0
    options: Callable[[Settings], dict[str, Any]] = lambda settings: {}
    roi_mb: Callable[[NodeSettings, Extent], float] = lambda settings, extent: 0.0

    def node(self, settings: NodeSettings, inputs: Mapping[str, Node]) -> Node:
        """The stage under these settings."""
        return Node(self.name, self.version, settings, inputs)
