"""Composite: the scenes of a window become frames."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict, cast

from rsweep.core.knobs import MODEL, Knob
from rsweep.core.nodes import Node
from rsweep.core.records import MaskRecord
from rsweep.core.sensors import SENSORS
from rsweep.core.stage import Extent, NodeSettings, Settings, Stage
from rsweep.models.registry import find_card
from rsweep.sources.registry import find_provider
from rsweep.stages.composite.rules import MASK_RULES

BLOCKS_MB = 250
"""Blocks of scenes that are reduced at once; see `scenes.BLOCK_BYTES`."""

KNOBS = (
    Knob(
        "composite",
        "composite",
        "str",
        "median",
        "how the scenes of a frame become one image; least_cloudy needs a mask or the provider's "
        "cloud share",
        allowed=("median", "mean", "mosaic", "least_cloudy"),
    ),
    Knob(
        "cloudy_pct",
        "composite",
        "float",
        80.0,
        "scenes with a larger cloud share are left out: the share of the ROI's own pixels where "
        "the mask tells, else of the whole scene",
        unit="%",
        minimum=0,
        maximum=100,
    ),
    Knob(
        "cloud_mask",
        "composite",
        "str",
        "auto",
        "which pixels are cloud: by scene classification (scl), Cloud Score+ (clear), cloud "
        "probability (cloud), none; auto takes the first of those that the scenes have",
        allowed=("auto", "scl", "clear", "cloud", "none"),
    ),
    Knob(
        "mask_threshold",
        "composite",
        "float",
        None,
        "percent at which `cloud` (unset: 40) or below which `clear` (unset: 60) masks a pixel",
        unit="%",
        minimum=0,
        maximum=100,
    ),
    Knob(
        "mask_dilation",
        "composite",
        "int",
        0,
        "pixels of the grid around a cloud that are masked too, against thin edges and shadows",
        unit="px",
        minimum=0,
        maximum=100,
    ),
    Knob(
        "frames",
        "composite",
        "int",
        MODEL,
        "frames in time, which together cover the window: 1 is all of it; auto: as many as the "
        "window has, up to the model's limit",
        minimum=1,
        maximum=366,
        words=("auto",),
        otherwise=1,
    ),
    Knob(
        "frame_policy",
        "composite",
        "str",
        MODEL,
        "how the window is cut into several frames: equal parts, 30-day steps, calendar months, "
        "single days; fewer frames than steps join neighbours",
        allowed=("equal", "30d", "month", "day"),
        otherwise="equal",
    ),
    Knob(
        "empty_frame",
        "composite",
        "str",
        "drop",
        "a frame without a valid pixel: drop it, error, or repeat the nearest frame (recorded)",
        allowed=("drop", "error", "repeat"),
    ),
)


class CompositeSettings(TypedDict):
    """Settings of the key.

    `composite` is not there where the provider composites. Without a `frame_policy` one frame is
    the window; `frames: auto` has a `max_frames`. `cloud_mask` has the rules that may be applied.
    """

    frames: int | Literal["auto"]
    composite: NotRequired[str]
    max_frames: NotRequired[int]
    empty_frame: NotRequired[str]
    frame_policy: NotRequired[str]
    cloudy_pct: NotRequired[float]
    cloud_mask: NotRequired[dict[str, MaskRecord]]
    mask_dilation: NotRequired[int]


def composite_settings_of(node: Node) -> CompositeSettings:
    """The settings of a composite node."""
    return cast(CompositeSettings, node.settings)


def reads(settings: Settings, sensor: str) -> CompositeSettings:
    """Settings of the key; a provider that composites has left only frames to look at."""
    # Of one image, or of tiles of one image, of which no two differ where they overlap.
    if SENSORS[sensor].static or find_provider(settings["provider"]).own_grid:
        return {"composite": "mosaic", "frames": 1}
    if settings["fetch_granularity"] == "composite":
        return _frames(settings)
    return composite_settings(settings, sensor)


def composite_settings(settings: Settings, sensor: str) -> CompositeSettings:
    """What makes frames of a sensor's scenes."""
    found = _frames(settings)
    found["composite"] = settings["composite"]
    if SENSORS[sensor].decibel:  # radar sees through cloud
        return found
    found["cloudy_pct"] = settings["cloudy_pct"]
    found["cloud_mask"] = {
        name: rule.constants(settings["mask_threshold"])
        for name, rule in MASK_RULES.items()
        if settings["cloud_mask"] in (name, "auto")
    }
    if settings["mask_dilation"] and settings["cloud_mask"] != "none":
        found["mask_dilation"] = settings["mask_dilation"]
    return found


def _frames(settings: Settings) -> CompositeSettings:
    """How the window becomes frames: one frame is the window, whatever the policy."""
    limit = find_card(settings["model"]).frames_range[1]
    asked = settings["frames"]
    auto = asked == "auto" and limit > 1
    found: CompositeSettings = {"frames": 1 if asked == "auto" and not auto else asked}
    if auto:
        found["max_frames"] = limit
    if found["frames"] != 1:
        found["empty_frame"] = settings["empty_frame"]
        found["frame_policy"] = settings["frame_policy"]
    return found


def roi_mb(settings: NodeSettings, extent: Extent) -> float:
    """A frame of every band and its copy, blocks of scenes, counts of every frame."""
    bands = len(SENSORS[settings["sensor"]].bands)
    return BLOCKS_MB + extent.megapixels * (2 * 4 * bands + 4 * extent.frames)


STAGE = Stage(
    "composite",
    version=3,  # frames of radar say their orbit direction
    about="Scenes to frames: what is cloud, how scenes become one image, how many frames.",
    knobs=KNOBS,
    reads=reads,
    inputs={"scenes": "fetch"},
    by_sensor=True,
    tolerance=1e-6,
    memory_mb=lambda settings: 1500,
    seconds=lambda settings, work: 1.0 * work.rois,
    roi_mb=roi_mb,
)
