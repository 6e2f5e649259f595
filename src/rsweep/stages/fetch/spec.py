"""Fetch: every scene of a window on the grid of each ROI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, cast

from rsweep.core.knobs import MODEL, Knob
from rsweep.core.nodes import Node
from rsweep.core.places import Places
from rsweep.core.sensors import SENSORS
from rsweep.core.settings import Temporal, provider_options
from rsweep.core.stage import Extent, NodeSettings, Settings, Stage
from rsweep.models.registry import find_card
from rsweep.sources.registry import PROVIDERS, choose_collection, find_provider, parse_options
from rsweep.stages.bands import sensor_bands
from rsweep.stages.composite.spec import CompositeSettings, composite_settings

SCENE_COPIES = 6
"""Copies of a scene, in 4 bytes a value, while it is read, resampled, masked and compressed."""

KNOBS = (
    Knob("provider", "fetch", "str", "synthetic", "where scenes come from", allowed=PROVIDERS),
    Knob(
        "collection",
        "fetch",
        "names",
        None,
        "collections to read, one per sensor; unset: the provider's default for each sensor",
    ),
    Knob("synthetic", "fetch", "mapping", {}, "options of the synthetic provider"),
    Knob("local", "fetch", "mapping", {}, "options of the local provider: its folder and layout"),
    Knob("chips", "fetch", "mapping", {}, "options of the chips provider: its data set"),
    Knob("stac", "fetch", "mapping", {}, "options of the STAC provider: its API or catalogue"),
    Knob("earthengine", "fetch", "mapping", {}, "options of Earth Engine: endpoint and project"),
    Knob(
        "temporal",
        "fetch",
        "mapping",
        None,
        "window: {start, end} (ISO dates, end exclusive) or {year}; a ROI's own window wins",
    ),
    Knob(
        "scale_m",
        "fetch",
        "float",
        MODEL,
        "pixel of the grid on the ground",
        unit="m",
        minimum=0.1,
        maximum=10_000,
        otherwise=10.0,
    ),
    Knob(
        "context_m",
        "fetch",
        "float",
        None,
        "imagery read around the ROI's square; unset: what the study's tiles reach beyond a ROI",
        unit="m",
        minimum=0,
        maximum=50_000,
    ),
    Knob(
        "least_side_m",
        "fetch",
        "float",
        None,
        "side of the square that is read at least, so that a tile around a small ROI is of real "
        "pixels; unset: that of the study's largest tile, or 0 with a context_m of your own",
        unit="m",
        minimum=0,
        maximum=100_000,
    ),
    Knob(
        "fetch_bands",
        "fetch",
        "str",
        "all",
        "`all` bands of the collection, shared by every model; or those of this `model` only",
        allowed=("all", "model"),
    ),
    Knob(
        "orbit",
        "fetch",
        "str",
        "any",
        "radar orbit direction; `any` warns of a ROI whose scenes have both, since slopes look "
        "different from each side",
        allowed=("any", "ascending", "descending"),
    ),
    Knob(
        "fetch_cloudy_pct",
        "fetch",
        "float",
        100.0,
        "scenes with a larger cloud share are not fetched at all",
        unit="%",
        minimum=0,
        maximum=100,
    ),
    Knob(
        "fetch_granularity",
        "fetch",
        "str",
        "scene",
        "fetch every `scene`, so that composite settings need no new download; or the "
        "`composite` that the provider makes (earthengine), whose settings are then fetch's and "
        "whose cloudy_pct goes by whole scenes",
        allowed=("scene", "composite"),
    ),
)


class FetchSettings(TypedDict):
    """Settings of the key.

    `source` is what identifies the source; `bands` are "all" of the collection or named. A static
    product has no `temporal`, which is None where every ROI has its own window. `composite` is
    there where the provider composites.
    """

    provider: str
    collection: str
    sensor: str
    source: Mapping[str, Any]
    bands: str | list[str]
    scale_m: float
    context_m: NotRequired[float]
    least_side_m: NotRequired[float]
    temporal: NotRequired[Temporal | None]
    orbit: NotRequired[str]
    fetch_cloudy_pct: NotRequired[float]
    composite: NotRequired[CompositeSettings]


def fetch_settings(node: Node) -> FetchSettings:
    """The settings of a fetch node."""
    return cast(FetchSettings, node.settings)


def reads(settings: Settings, sensor: str) -> FetchSettings:
    """Settings of the key: without what says nothing of radar, optical sensors or maps."""
    provider = settings["provider"]
    collection = choose_collection(provider, sensor, settings["collection"])
    bands = sensor_bands(settings, find_card(settings["model"]))[sensor]
    windows, temporal = settings.get("places", Places()).windows, settings["temporal"]
    found: FetchSettings = {
        "provider": provider,
        "collection": collection,
        "sensor": sensor,
        "source": find_provider(provider).identity(options(settings), collection),
        "bands": "all" if settings["fetch_bands"] == "all" else bands,
        "scale_m": settings["scale_m"],
    }
    if not find_provider(provider).own_grid:  # around an image that is a ROI there is nothing
        found["context_m"] = settings["context_m"]
        found["least_side_m"] = settings["least_side_m"]
    if SENSORS[sensor].static:
        return found
    # A window that no ROI uses is read by nobody.
    found["temporal"] = None if windows == "all" else temporal
    if SENSORS[sensor].decibel:
        found["orbit"] = settings["orbit"]
    else:
        found["fetch_cloudy_pct"] = settings["fetch_cloudy_pct"]
    if settings["fetch_granularity"] == "composite":
        found["composite"] = composite_settings(settings, sensor)
        # What becomes of an empty frame is settled later, so it needs no new download.
        found["composite"].pop("empty_frame", None)
    return found


def options(settings: Settings) -> dict[str, Any]:
    """The provider's options, with their defaults."""
    provider = settings["provider"]
    return parse_options(provider, provider_options(settings))


def roi_mb(settings: NodeSettings, extent: Extent) -> float:
    """A scene as it is read, resampled, masked and compressed."""
    named = settings["bands"]
    bands = len(SENSORS[settings["sensor"]].bands if named == "all" else named)
    return SCENE_COPIES * 4 * extent.megapixels * bands


STAGE = Stage(
    "fetch",
    version=3,
    about="Every scene of the window on the ROI's own pixel grid, raw.",
    knobs=KNOBS,
    reads=reads,
    by_sensor=True,
    memory_mb=lambda settings: 1500,
    seconds=lambda settings, work: 10.0 * work.rois,
    options=options,
    roi_mb=roi_mb,
)
