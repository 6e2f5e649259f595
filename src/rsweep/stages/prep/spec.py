"""Prep: frames become tiles that a network can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

from rsweep.core.knobs import MODEL, Knob
from rsweep.core.nodes import Node
from rsweep.core.places import Places
from rsweep.core.stage import EACH_SENSOR, Extent, NodeSettings, Settings, Stage
from rsweep.models.card import ModelCard, Normalization
from rsweep.models.constants import with_constants
from rsweep.models.registry import find_card
from rsweep.stages.bands import sensor_bands
from rsweep.stages.prep.tiling import (
    has_tiles,
    native_limit,
    native_step,
    start_step,
    tile_size,
    tile_snap,
)

TILE_COPIES = 8
"""Copies of a tile's values while it is cut, resized and normalised."""

KNOBS = (
    Knob("modality", "prep", "str", MODEL, "which sensors the model is fed"),
    Knob("bands", "prep", "names", MODEL, "bands that the model is fed, in order"),
    Knob("normalization", "prep", "str", MODEL, "named constants of the model's card"),
    Knob(
        "constants",
        "prep",
        "mapping",
        {},
        "further names for `normalization`, of this study: name -> sensor -> band -> [mean, std], "
        "of values in the sensor's unit",
    ),
    Knob(
        "input_prep",
        "prep",
        "str",
        "tile",
        "resize the ROI's square to one input, or tile it; auto tiles a ROI larger than a tile "
        "unless that needs more than max_tiles; native: the square's own pixels in one pass, "
        "neither resized nor tiled, with surroundings up to whole patches",
        allowed=("resize", "tile", "auto", "native"),
    ),
    Knob(
        "native_max_px",
        "prep",
        "int",
        384,
        "largest side of a native input",
        unit="px",
        minimum=1,
        maximum=8192,
    ),
    Knob(
        "native_max_tokens",
        "prep",
        "int",
        3000,
        "most tokens of a native input, of one frame and over the token groups",
        minimum=1,
        maximum=1_000_000,
    ),
    Knob(
        "native_above",
        "prep",
        "str",
        "error",
        "a ROI above either limit of native: an error, or tiled",
        allowed=("error", "tile"),
    ),
    Knob(
        "image_size",
        "prep",
        "int",
        MODEL,
        "side of the network's input",
        unit="px",
        minimum=1,
        maximum=8192,
    ),
    Knob(
        "tile_size",
        "prep",
        "int",
        None,
        "side of a tile on the grid, resized to image_size; unset: image_size",
        unit="px",
        minimum=1,
        maximum=8192,
    ),
    Knob(
        "tile_overlap",
        "prep",
        "int",
        0,
        "pixels of the grid that neighbouring tiles share; tile_size minus this is a whole "
        "number of tokens",
        unit="px",
        minimum=0,
        maximum=8191,
    ),
    Knob("max_tiles", "prep", "int", 1024, "most tiles of one ROI", minimum=1, maximum=1_000_000),
    Knob(
        "lattice",
        "prep",
        "str",
        "auto",
        "where tokens lie. roi: tiles are centred on their ROI; shared: on multiples of a token's "
        "size in UTM, so that grids of neighbouring ROIs join without resampling, which may take "
        "a tile more per side; auto: shared for a model of which the study has a grid, unless "
        "context_m is 0 or pixels do not nest in 60 m, else roi. Resized inputs have a lattice of "
        "their own either way",
        allowed=("auto", "roi", "shared"),
    ),
    Knob(
        "resample",
        "prep",
        "str",
        MODEL,
        "how a tile is resized; backscatter as power, and bilinear where this says bicubic",
        allowed=("bilinear", "bicubic", "nearest"),
        otherwise="bilinear",
    ),
    Knob(
        "edge",
        "prep",
        "str",
        "reflect",
        "what the network sees beyond the fetched pixels (missing either way): a reflection, or "
        "the fill value",
        allowed=("reflect", "fill"),
    ),
)


LENIENT = 1.1
"""Factor for what a ROI's side in degrees misses of its side in UTM."""


class NormalizationRecord(TypedDict):
    """Constants of a sensor's bands as values; see `models.card.Normalization`.

    `tile_zscore` has no more than `kind` and `clip`.
    """

    kind: str
    clip: Sequence[float] | None
    gain: NotRequired[float]
    truncate: NotRequired[bool]
    mean: NotRequired[list[float]]
    std: NotRequired[list[float]]
    center: NotRequired[list[float]]
    eight_bit: NotRequired[bool]
    white: NotRequired[list[float]]


class PrepSettings(TypedDict):
    """Settings of the key.

    By mode: `step`, `patches_px` and the limits of native inputs; `tile_size`, `stride` and `snap`
    where there may be tiles, and `max_tiles` where that can be reached; `resample` where something
    is resized. `resize_up_to` is the side up to which `auto` resizes on a shared lattice, where a
    ROI may take two tiles that is no larger than one. Pixels are of the grid, but `image_size` and
    `patches_px` of the input.
    """

    bands: dict[str, list[str]]
    normalization: dict[str, NormalizationRecord]
    min_frames: int
    input_prep: str
    edge: str
    lattice: NotRequired[str]
    image_size: NotRequired[int]
    tile_size: NotRequired[int]
    stride: NotRequired[int]
    snap: NotRequired[int]
    align: NotRequired[int]
    max_tiles: NotRequired[int]
    resize_up_to: NotRequired[int]
    resample: NotRequired[str]
    step: NotRequired[int]
    patches_px: NotRequired[list[int]]
    native_max_px: NotRequired[int]
    native_max_tokens: NotRequired[int]
    native_above: NotRequired[str]


def prep_settings(node: Node) -> PrepSettings:
    """The settings of a prep node."""
    return cast(PrepSettings, node.settings)


def reads(settings: Settings, sensor: str) -> PrepSettings:
    """Settings of the key: constants as values, and of tiles only where there are tiles."""
    card = find_card(settings["model"])
    bands = sensor_bands(settings, card)
    known = with_constants(card, settings["constants"]).normalizations
    constants = known[settings["normalization"]]
    found: PrepSettings = {
        "bands": bands,
        "normalization": {n: resolved_normalization(constants[n], bands[n]) for n in bands},
        "min_frames": card.frames_range[0],
        "input_prep": settings["input_prep"],
        "edge": settings["edge"],
    }
    if settings["lattice"] != "roi" and settings["input_prep"] != "resize":
        found["lattice"] = settings["lattice"]
    if settings["input_prep"] == "native":
        _add_native(found, settings, card)
        if not has_tiles(settings):
            return found
    found["image_size"] = settings["image_size"]
    size = tile_size(settings)
    if has_tiles(settings):
        found["tile_size"], found["stride"] = size, size - settings["tile_overlap"]
        found["snap"], found["align"] = tile_snap(settings, card), start_step(settings, card)
        if _most_tiles(settings) > settings["max_tiles"]:  # a limit that is not reached is none
            found["max_tiles"] = settings["max_tiles"]
    if settings["input_prep"] == "auto" and settings["lattice"] == "shared":
        found["resize_up_to"] = size
    if settings["input_prep"] in ("resize", "auto") or size != settings["image_size"]:
        found["resample"] = settings["resample"]
    return found


def _most_tiles(settings: Settings) -> float:
    """Tiles of the largest ROI, rather too many than too few."""
    largest_m, size = settings.get("places", Places()).largest_m, tile_size(settings)
    side = LENIENT * largest_m / settings["scale_m"] + size
    return float((side / (size - settings["tile_overlap"]) + 1) ** 2)


def _add_native(found: PrepSettings, settings: Settings, card: ModelCard) -> None:
    found["step"], found["align"] = native_step(settings, card), start_step(settings, card)
    found["patches_px"] = [group.patch_px for group in card.groups(settings)]
    found["native_max_px"] = native_limit(settings, card)
    found["native_max_tokens"] = settings["native_max_tokens"]
    found["native_above"] = settings["native_above"]


def resolved_normalization(n: Normalization, bands: list[str]) -> NormalizationRecord:
    """A normalisation of some bands as values, for the key and for `normalize`."""
    if n.kind != "affine":
        return {"kind": n.kind, "clip": n.clip}
    found = NormalizationRecord(
        kind=n.kind,
        clip=n.clip,
        gain=n.gain,
        truncate=n.truncate,
        mean=[n.stats[b][0] for b in bands],
        std=[n.stats[b][1] for b in bands],
        center=[n.center.get(b, n.stats[b][0]) for b in bands],
    )
    if n.eight_bit:
        found["eight_bit"] = True
    if n.white:
        found["white"] = [n.white[b] for b in bands]
    return found


def roi_mb(settings: NodeSettings, extent: Extent) -> float:
    """A row of tiles of all frames, and a tile with its copies."""
    bands = sum(len(names) for names in settings["bands"].values())
    tile = min(float(settings.get("tile_size", extent.side_px)), extent.side_px)
    side = max(tile, float(settings.get("image_size", 0)))
    if settings["input_prep"] == "native":
        native = min(extent.side_px + settings["step"], settings["native_max_px"])
        side = max(side if settings["native_above"] == "tile" else 0, native)
    values = extent.frames * bands * (tile * extent.side_px + TILE_COPIES * side**2)
    return 4 * values / 1e6


STAGE = Stage(
    "prep",
    version=4,  # radar's orbit by frame; what was measured counts a sensor's own frames
    about="Frames to the network's input: bands, normalisation, resizing or tiling.",
    knobs=KNOBS,
    reads=reads,
    inputs={EACH_SENSOR: "composite"},
    tolerance=1e-5,
    memory_mb=lambda settings: 2000,
    seconds=lambda settings, work: 0.5 * work.rois + 0.05 * work.tiles,
    roi_mb=roi_mb,
)
