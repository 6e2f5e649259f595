"""What is known of SatVision-TOA without torch. Paper: arXiv 2411.17000; code: pytorch-caney."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import (
    Checkpoint,
    ModelCard,
    Normalization,
    SensorInput,
    TokenGroup,
    Variant,
)
from rsweep.models.envelope import Envelope
from rsweep.models.layers import chosen

PATCH_PX, WINDOW = 4, 8
BANDS = ("1", "2", "3", "26", "6", "20", "7", "27", "28", "29", "31", "32", "33", "34")
"""MODIS bands in the order of the network's channels."""
_HEAT_K = {
    "20": (223.1222, 352.7182),
    "27": (178.9174, 261.2920),
    "28": (204.3739, 282.5529),
    "29": (204.7677, 319.0373),
    "31": (194.8686, 295.0209),
    "32": (202.1759, 324.0677),
    "33": (201.3823, 321.5254),
    "34": (203.3537, 285.9848),
}
"""Lowest and highest brightness temperature of the thermal bands, which become 0 and 1."""
STAGE_PX = (8, 16, 32, 32)
"""Pixels per token after each stage: all but the last end by merging tokens two by two."""


@dataclass(frozen=True)
class Pyramid:
    """Blocks and heads of each stage, and after how many blocks of a stage another norm follows."""

    depths: tuple[int, ...]
    heads: tuple[int, ...]
    norm_period: int


PYRAMIDS = {
    "giant": Pyramid((2, 2, 42, 2), (16, 32, 64, 128), 6),
    "narrow": Pyramid((2, 2, 6, 2), (2, 4, 8, 16), 6),
}


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return tuple(TokenGroup(f"stage{n}", STAGE_PX[n - 1]) for n in _stages(settings))


def _stages(settings: ProfileSettings) -> tuple[int, ...]:
    return chosen(settings["layer"], len(STAGE_PX))


def _layers(settings: ProfileSettings) -> tuple[str, ...]:
    return tuple(str(n + 1) for n in range(len(STAGE_PX)))


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    try:
        stages = _stages(settings)
    except ValueError:
        return []  # found for every model alike
    errors = [*_check_size(settings["image_size"])]
    if len(set(stages)) < len(stages):
        errors.append(("layer", f"is {settings['layer']!r}, which names a stage twice"))
    if (settings["output"], settings["pooling"]) == ("pooled", "model") and 4 not in stages:
        errors.append(
            (
                "pooling",
                "is 'model', the network's own output, which it reaches only if "
                "`layer` has its last (last, or 4)",
            )
        )
    return errors


def _check_size(size: int) -> Iterator[tuple[str, str]]:
    """Each stage's side is at most a window, or whole windows, and more than one token."""
    sides = [size / PATCH_PX / 2**n for n in range(len(STAGE_PX))]
    if sides[-1] >= 2 and all(side in range(1, WINDOW + 1) or side % WINDOW == 0 for side in sides):
        return
    yield (
        "image_size",
        f"is {size}, which windows of {WINDOW} tokens do not fit; 64, 128 or multiples of 256 do",
    )


def _toa() -> Normalization:
    reflective = {band: (0.0, 100.0) for band in BANDS if band not in _HEAT_K}
    thermal = {band: (low, high - low) for band, (low, high) in _HEAT_K.items()}
    middle = {band: (low + high) / 2 for band, (low, high) in _HEAT_K.items()}
    return Normalization(
        stats={band: (reflective | thermal)[band] for band in BANDS},
        center=dict.fromkeys(reflective, 20.0) | middle,
        source="pytorch-caney: reflectance in % times 0.01, brightness temperature by its range",
    )


CARD = ModelCard(
    id="satvision",
    title="SatVision-TOA",
    paper="https://arxiv.org/abs/2411.17000",
    modalities={"modis_toa": (SensorInput("modis_toa", BANDS),)},
    normalizations={"toa": {"modis_toa": _toa()}},
    variants={
        "giant": Variant(
            4096,
            4,
            128,
            2595.0,
            Checkpoint(
                "nasa-cisto-data-science-group/satvision-toa-giant-patch8-window8-128",
                "satvision-toa-giant-patch8-window8-128.pth",
            ),
        ),
        "narrow": Variant(256, 4, 16, 3.2),
    },
    defaults={
        "image_size": 128,
        "patch_size": PATCH_PX,
        "scale_m": 1000,
        "frames": 1,
        "pooling": "model",
    },
    allowed={"patch_size": (PATCH_PX,)},
    groups=_groups,
    own_layers=_layers,
    check=_check,
    vectors=("model",),
    licence_code="Apache-2.0",
    licence_weights="unknown",
    pretraining="masked image modelling (SimMIM) of 100 million MODIS Level-1B chips",
    envelope=Envelope(
        source="arXiv 2411.17000 and pytorch-caney",
        levels={"modis_toa": ("L1B",)},
        pixel_m={"modis_toa": (1000, 1000)},
        image_px=(128, 128),
        image_m=(128_000, 128_000),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        normalizations=("toa",),
        radiometry="reflectance in % and brightness temperature in K at the top of the atmosphere",
        regions="global, land and sea",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. "
        "`giant` needs 11 GB for its weights alone; `narrow` is a network for trying, for which no "
        "weights exist. `layer` counts the four stages, whose tokens are 8, 16, 32 and 32 px. "
        "`final_norm` norms the last stage, which upstream's feature map leaves as it is; "
        "`pooling: model` is the mean of its normed tokens either way. A ROI of a few kilometres "
        "is a few pixels here: give ROIs of 128 km, or look at what share of a token was real."
    ),
)
