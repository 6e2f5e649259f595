"""AgriFM as data: input, variants, the pyramid's stages and what they cost in pixels."""

from __future__ import annotations

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import (
    Checkpoint,
    ModelCard,
    Normalization,
    SensorInput,
    TokenGroup,
    Variant,
    multiple_of,
)
from rsweep.models.envelope import Envelope
from rsweep.models.layers import chosen
from rsweep.models.statistics import CLEAR_S2

FRAME_STEP = 4
"""Frames that the patch embedding folds into one temporal token."""

STAGES = (
    TokenGroup("stage1", 2),
    TokenGroup("stage2", 4),
    TokenGroup("stage3", 8),
    TokenGroup("stage4", 16),
    TokenGroup("encoder", 16),
)
"""Outputs of the network, first to last: the patch embedding, each merged stage, the last stage."""

_BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
_MEAN = (
    4179.192015478227,
    4065.9106675194444,
    3957.274910960156,
    5207.452475253116,
    4327.12234687,
    4873.16102239,
    5049.1637925,
    5111.07806856,
    3056.86349163,
    2490.9675032,
)
_STD = (
    4041.5212325268735,
    3691.003119315892,
    3629.331318356375,
    2973.5178530908756,
    3569.73343885,
    3085.9151435,
    2937.56005119,
    2806.04462314,
    1808.30013156,
    1694.20220774,
)
_STATS = {band: (m, s) for band, m, s in zip(_BANDS, _MEAN, _STD, strict=True)}
_CENTER = {band: CLEAR_S2[band] for band in _BANDS}
_SOURCE = "flyakon/AgriFM configs/cropland_mapping.py, reflectance x 10000"


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    numbers = chosen(settings["layer"], len(STAGES))
    return tuple(dict.fromkeys(STAGES[n - 1] for n in numbers))


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    frames = FRAME_STEP if settings["frames"] == "auto" else settings["frames"]
    problems = multiple_of("frames", frames, FRAME_STEP, "the frames per token")
    try:
        stride = max(group.patch_px for group in _groups(settings))
    except ValueError:  # the layer knob is refused on its own account
        return problems
    size = settings["image_size"]
    return problems + multiple_of("image_size", size, stride, "the pixels per token")


CARD = ModelCard(
    id="agrifm",
    title="AgriFM",
    paper="Li et al. 2025, AgriFM: A Multi-source Temporal Remote Sensing Foundation Model for "
    "Agriculture Mapping, arXiv:2505.21357",
    modalities={"s2": (SensorInput("s2", _BANDS),)},
    normalizations={
        "agrifm": {"s2": Normalization(_STATS, _SOURCE, center=_CENTER)},
        "agrifm_clipped": {
            "s2": Normalization(
                _STATS,
                _SOURCE + ", after the clip that rs-embed adds",
                clip=(0.0, 10000.0),
                center=_CENTER,
            )
        },
    },
    variants={
        "base": Variant(
            width=1024,
            depth=24,
            heads=32,
            parameters_m=87.6,
            checkpoint=Checkpoint(
                repository="glass.hku.hk/casual/AgriFM",
                file="AgriFM.pth",
                url="https://glass.hku.hk/casual/AgriFM/AgriFM.pth",
            ),
        )
    },
    defaults={
        "image_size": 256,
        "scale_m": 10,
        "frames": 32,
        "frame_policy": "equal",
        "pooling": "mean",
        "resample": "bilinear",
    },
    groups=_groups,
    own_layers=lambda settings: tuple(stage.name for stage in STAGES),
    check=_check,
    frames_range=(4, 32),
    licence_code="Apache-2.0",
    licence_weights="Apache-2.0",
    pretraining="MODIS, Landsat 8/9 and Sentinel-2 series, 25 million samples, land-cover labels",
    envelope=Envelope(
        source="AgriFM's repository",
        levels={"modis": (), "hls": (), "s2": ()},
        normalizations=("agrifm",),
        radiometry="reflectance x 10000",
        regions="global",
    ),
    notes=(
        "32 frames of 256 px are upstream's configuration and the default here: about 40 s on two "
        "CPU cores and 3 GB per tile; time and memory are proportional to frames and pixels. "
        "Frames short of a multiple of 4 (frames: auto, dropped frames) are made up with the "
        "bands' means, as upstream's padding does. "
        "`layer` 1 to 4 name the pyramid (128, 256, 512, 1024 channels at 1/2, 1/4, 1/8, 1/16 of "
        "the image side) and 5, or last, is the encoder's output, the only one that the final "
        "norm belongs to; several stages are several token maps. Time that is left in a stage is "
        "folded into its channels, so the width of stages 1 to 3 depends on `frames`. "
        "The network reads neither dates nor a mask: a missing pixel is a band's mean. "
        "No published checkpoint has been loaded here, and the file has no published hash."
    ),
)
