"""How much there is to do for a node and some ROIs, in numbers that its cost is made of.

They are the same for what a record of a run tells and for what a plan has before it, so that one
can be compared with the other.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.roi import SNAP_M
from rsweep.core.sensors import SENSORS
from rsweep.core.settings import ProfileSettings
from rsweep.core.shards import days_between
from rsweep.models.card import ModelCard
from rsweep.models.registry import find_card
from rsweep.plan.catalogue import defaults
from rsweep.report.operations import counted, frames_of
from rsweep.stages.composite.frames import DAYS_PER_FRAME

DAYS = 90.0
"""Of a window that nothing tells."""
PASS_DAYS = 5.0
"""Days between two acquisitions of a place."""
TOKEN_PX = 16
"""Side of a token of a model that has no patch size."""


@dataclass(frozen=True)
class Volume:
    """What jobs have before them, about.

    Attributes:
        jobs, rois: how many.
        roi_days: days of their windows, summed; scenes are in proportion.
        tiles: inputs of the network.
        read, written: millions of values that the stage takes and makes.
        gflops: operations of the forward passes, in 1e9.
        requests: to a service, where they can be counted beforehand.
    """

    jobs: float
    rois: float
    roi_days: float
    tiles: float
    read: float
    written: float
    gflops: float = 0.0
    requests: float = 0.0


@dataclass(frozen=True)
class Places:
    """The ROIs of jobs: side in metres -> how many have it; mean days of their own windows."""

    extents: Mapping[int, int]
    own_days: float | None = None
    jobs: int = 1


def merged(places: Iterable[Places]) -> list[Places]:
    """The ROIs of many jobs: those with windows of their own, and those without."""
    own: list[Places] = []
    bare: list[Places] = []
    for each in places:
        (bare if each.own_days is None else own).append(each)
    return [_merged(found) for found in (own, bare) if found]


def _merged(found: Sequence[Places]) -> Places:
    extents: Counter[int] = Counter()
    days = 0.0
    for each in found:
        extents.update(each.extents)
        days += (each.own_days or 0.0) * sum(each.extents.values())
    own = None if found[0].own_days is None else days / max(extents.total(), 1)
    return Places(extents, own, sum(each.jobs for each in found))


def volume_of(node: Node, places: Places) -> Volume:
    """What a node has to do for some ROIs; of many jobs it is what each of them has, summed."""
    rois = sum(places.extents.values())
    if node.stage in ("fetch", "composite"):
        return _of_images(node, places, rois)
    if node.stage == "prep":
        return _of_prep(node, places, rois)
    (prep,) = (n for n in node.upstream() if n.stage == "prep")
    (infer,) = (n for n in node.upstream() if n.stage == "infer")
    tiles = _of_prep(prep, places, rois)
    tokens = _tokens(infer, prep, places)
    if node.stage == "infer":
        gflops = tiles.tiles * tile_gflops(infer.settings, prep, places)
        return Volume(places.jobs, rois, tiles.roi_days, tiles.tiles, tiles.written, tokens, gflops)
    grid = node.settings["output"] == "grid"
    cells = _cells(infer, prep, places) if grid else float(rois)
    made = cells * _width(infer.settings) / 1e6
    return Volume(places.jobs, rois, tiles.roi_days, tiles.tiles, tokens, made)


def _of_images(node: Node, places: Places, rois: int) -> Volume:
    (fetch,) = (n for n in node.upstream() if n.stage == "fetch")
    days, bands = window_days(fetch, places), _bands(fetch.settings)
    millions = sum(side_px(fetch.settings, m) ** 2 * n for m, n in places.extents.items()) / 1e6
    scenes = millions * bands * days / PASS_DAYS
    frames = millions * bands * frames_in(node, days)
    if node.stage == "fetch":
        return Volume(places.jobs, rois, rois * days, rois, scenes, scenes)
    return Volume(places.jobs, rois, rois * days, rois, scenes, frames)


def _of_prep(node: Node, places: Places, rois: int) -> Volume:
    made = [_of_images(composite, places, rois) for composite in node.inputs.values()]
    tiles, pixels = tiles_in(node, places)
    bands = node.settings["bands"]
    written = pixels * sum(
        len(bands[sensor]) * frames_in(composite, _days(composite, places))
        for sensor, composite in node.inputs.items()
    )
    days = max(v.roi_days for v in made)
    read = sum(v.written for v in made)
    return Volume(places.jobs, rois, days, tiles, read, written / 1e6)


def _days(composite: Node, places: Places) -> float:
    (fetch,) = (n for n in composite.upstream() if n.stage == "fetch")
    return window_days(fetch, places)


def window_days(fetch: Node, places: Places) -> float:
    """Days of a ROI's window; a static product has one."""
    if SENSORS[fetch.settings["sensor"]].static:
        return 1.0
    asked = fetch.settings.get("temporal")
    if places.own_days is not None or not asked:
        return places.own_days or DAYS
    return float(days_between(str(asked["start"]), str(asked["end"])))


def _bands(settings: Mapping[str, Any]) -> int:
    named = settings["bands"]
    return len(SENSORS[settings["sensor"]].bands if named == "all" else named)


def side_px(settings: Mapping[str, Any], side_m: float) -> float:
    """Pixels of a side of a ROI's grid, on average over where it lies."""
    around = side_m + 2 * float(settings.get("context_m") or 0)
    square = max(around, float(settings.get("least_side_m") or 0))
    return (square + SNAP_M) / float(settings["scale_m"])


def frames_in(composite: Node, days: float) -> float:
    """Frames of a window."""
    settings = {**composite.settings, **_fetched(composite)}
    frames = settings.get("frames", 1)
    if frames != "auto":
        return float(frames)
    daily = settings.get("frame_policy") == "day"
    found = days / PASS_DAYS if daily else days / DAYS_PER_FRAME
    return min(max(found, 1.0), float(settings.get("max_frames", math.inf)))


def _fetched(node: Node) -> Mapping[str, Any]:
    """What the provider made of scenes, where it makes composites."""
    found: Mapping[str, Any] = next(
        (n.settings.get("composite", {}) for n in node.upstream() if n.stage == "fetch"), {}
    )
    return {name: found[name] for name in ("frames", "max_frames", "frame_policy") if name in found}


def tiles_in(prep: Node, places: Places) -> tuple[float, float]:
    """Tiles of some ROIs, and pixels of all their inputs, of one frame and band."""
    tiles = pixels = 0.0
    for side_m, count in places.extents.items():
        along, size = _tiling(prep, side_m)
        tiles += count * along**2
        pixels += count * along**2 * size**2
    return tiles, pixels


def _tiling(prep: Node, side_m: float) -> tuple[float, float]:
    """Tiles along a side of a ROI, and the side of the input of each."""
    settings = prep.settings
    length = math.ceil(side_m / _scale_m(prep)) + 1  # which lies anywhere on the pixels
    if settings["input_prep"] == "native":
        native = math.ceil((length + settings["align"]) / settings["step"]) * settings["step"]
        if "stride" not in settings or native <= (settings["native_max_px"] or math.inf):
            return 1.0, float(native)
    if "stride" not in settings:
        return 1.0, float(settings["image_size"])
    if length <= settings.get("resize_up_to", 0):
        return 1.0, float(settings["image_size"])
    beyond = length - int(settings["tile_size"])
    starts = range(max(int(settings.get("align", 1)), 1))  # within a coarser pixel, each as likely
    steps = [math.ceil(max(beyond + start, 0) / settings["stride"]) for start in starts]
    along = 1.0 + sum(steps) / len(steps)
    if settings["input_prep"] == "auto" and along**2 > settings.get("max_tiles", math.inf):
        along = 1.0
    return along, float(settings["image_size"])


def _tokens(infer: Node, prep: Node, places: Places) -> float:
    """Millions of values of the token maps."""
    _, pixels = tiles_in(prep, places)
    settings = infer.settings
    patch = float(settings.get("patch_size", TOKEN_PX))
    return pixels / patch**2 * _width(settings) / 1e6


def _cells(infer: Node, prep: Node, places: Places) -> float:
    """Cells of the grids of some ROIs, which are cut to the ROIs themselves."""
    patch = float(infer.settings.get("patch_size", TOKEN_PX))
    found = 0.0
    for side_m, count in places.extents.items():
        along, size = _tiling(prep, side_m)
        most = along * size / patch  # of whole tiles
        cell = patch * prep.settings.get("tile_size", size) / size
        cut = side_m / _scale_m(prep) / cell + 1 if "stride" in prep.settings else most
        found += count * min(most, cut) ** 2
    return found


def _scale_m(prep: Node) -> float:
    return min(float(n.settings["scale_m"]) for n in prep.upstream() if n.stage == "fetch")


def _width(settings: Mapping[str, Any]) -> int:
    card = find_card(settings["model"])
    variant = card.variants.get(settings["variant"])
    return int(settings.get("features") or (variant.width if variant else 0) or 1)


def tile_gflops(settings: Mapping[str, Any], prep: Node, places: Places) -> float:
    """Operations of one tile in 1e9: counted at the model's defaults, and in proportion to others.

    In proportion to parameters, tokens and frames: what attention adds for more tokens is not seen.
    """
    card = find_card(settings["model"])
    usual = _usual(settings["model"])
    tiles, pixels = tiles_in(prep, places)
    side = math.sqrt(pixels / tiles) if tiles else float(usual["image_size"])
    patch = float(settings.get("patch_size", usual.get("patch_size") or TOKEN_PX))
    tokens = (side / patch) ** 2
    if not _parameters(card, settings["variant"]):
        size = settings.get("features", usual.get("features", 1)) / usual.get("features", 1)
        return _counted(card) * side**2 / float(usual["image_size"]) ** 2 * float(size)
    usual_tokens = (float(usual["image_size"]) / float(usual.get("patch_size") or TOKEN_PX)) ** 2
    frames = sum(frames_in(c, _days(c, places)) for c in prep.inputs.values()) / len(prep.inputs)
    sizes = _parameters(card, settings["variant"]) / _parameters(card, usual["variant"])
    return _counted(card) * sizes * tokens / usual_tokens * frames / frames_of(card, usual)


@functools.cache
def _usual(model: str) -> ProfileSettings:
    return defaults(find_card(model))


def _counted(card: ModelCard) -> float:
    return counted().get(card.id, 0.0)


def _parameters(card: ModelCard, variant: str) -> float:
    found = card.variants.get(variant)
    return found.parameters_m if found else 0.0
