"""Stitch: token maps become a vector or a grid per ROI."""

from __future__ import annotations

from typing import NotRequired, TypedDict, cast

from rsweep.core.knobs import MODEL, Knob
from rsweep.core.nodes import Node
from rsweep.core.stage import Extent, NodeSettings, Settings, Stage
from rsweep.models.registry import find_card
from rsweep.stages.prep.tiling import has_tiles

MAP_COPIES = 6
"""Copies of a ROI's token map: tiles, groups, merged, grid, and what is pooled."""
PIXEL_BYTES = 40
"""Valid shares of a ROI's pixels, and the part of each that it covers."""
LEAST_PATCH = 8
"""Pixels of a token of a model that has no patch size, about."""
TOKEN_POOLINGS = ("mean", "max", "stats", "mean_std", "mean_max", "gem", "percentiles", "centre")
"""Values of `pooling` that are made of tokens; a test holds them to those of `pool.py`."""
OWN_VECTORS = ("cls", "model")
"""Values of `pooling` that are vectors of the network's own, one per tile."""

KNOBS = (
    Knob(
        "output",
        "stitch",
        "str",
        "pooled",
        "one vector per ROI, or a georeferenced grid",
        allowed=("pooled", "grid"),
    ),
    Knob(
        "pooling",
        "stitch",
        "str",
        MODEL,
        "how tokens become a vector: mean, max, stats (min, max, mean, standard deviation), "
        "mean_std, mean_max, gem (generalised mean, power 3), percentiles (10, 25, 50, 75, 90), "
        "centre (mean, weighted towards the middle), or the network's own class token (cls) or "
        "pooled output (model)",
        allowed=(*TOKEN_POOLINGS, *OWN_VECTORS),
        otherwise="mean",
    ),
    Knob(
        "group_merge",
        "stitch",
        "str",
        "mean",
        "how the token maps of several groups become one",
        allowed=("mean", "sum", "max", "concat"),
    ),
    Knob(
        "blend",
        "stitch",
        "str",
        "hann",
        "weights of overlapping tiles",
        allowed=("none", "linear", "hann"),
    ),
    Knob(
        "storage_dtype",
        "stitch",
        "str",
        "float32",
        "type of stored embeddings",
        allowed=("float32", "float16"),
    ),
)


class StitchSettings(TypedDict):
    """Settings of the key: `pooling` of vectors, and what there is to merge or to blend."""

    output: str
    storage_dtype: str
    pooling: NotRequired[str]
    group_merge: NotRequired[str]
    blend: NotRequired[str]


def stitch_settings(node: Node) -> StitchSettings:
    """The settings of a stitch node."""
    return cast(StitchSettings, node.settings)


def reads(settings: Settings, sensor: str) -> StitchSettings:
    """Settings of the key: of the ways of merging, those that have something to merge."""
    card = find_card(settings["model"])
    found = StitchSettings(output=settings["output"], storage_dtype=settings["storage_dtype"])
    if settings["output"] == "pooled":
        found["pooling"] = settings["pooling"]
        if settings["pooling"] in OWN_VECTORS:
            return found
    if len(card.groups(settings)) > 1:
        found["group_merge"] = settings["group_merge"]
    if has_tiles(settings):
        found["blend"] = settings["blend"]
    return found


def roi_mb(settings: NodeSettings, extent: Extent) -> float:
    """Token maps of the tiles and of the ROI with copies, and shares of its pixels."""
    card = find_card(settings["model"])
    width = card.variants[settings["variant"]].width
    cells = extent.megapixels / settings.get("patch_size", LEAST_PATCH) ** 2
    return float(4 * MAP_COPIES * cells * width + PIXEL_BYTES * extent.megapixels)


STAGE = Stage(
    "stitch",
    version=2,
    about="Token maps to a vector or a grid per ROI.",
    knobs=KNOBS,
    reads=reads,
    inputs={"tokens": "infer", "tiles": "prep"},
    tolerance=1e-4,
    memory_mb=lambda settings: 2000,
    seconds=lambda settings, work: 0.2 * work.rois + 0.05 * work.tiles,
    roi_mb=roi_mb,
)
