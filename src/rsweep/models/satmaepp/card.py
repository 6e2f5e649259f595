"""What is known of SatMAE++ on Sentinel-2 without torch. Paper: arXiv 2403.05419."""

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

PATCH_PX = 8
BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
GROUPS = ((0, 1, 2, 6), (3, 4, 5, 7), (8, 9))
"""Bands, by their place in `BANDS`, whose patches share a token: of 10 m, 20 m, and beyond 1 µm."""
_MEAN = (1184.38, 1120.77, 1136.26, 1263.74, 1645.40, 1846.87, 1762.60, 1972.62, 1732.16, 1247.92)
_STD = (650.28, 712.13, 965.23, 948.98, 1108.07, 1258.36, 1233.15, 1364.39, 1310.37, 1087.60)


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return tuple(TokenGroup(name, PATCH_PX) for name in NAMES)


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch size")


NAMES = tuple("+".join(BANDS[i] for i in group) for group in GROUPS)
"""Token groups by the bands that they are made of."""
_FMOW = Normalization(
    stats={b: (m - 2 * s, 4 * s) for b, m, s in zip(BANDS, _MEAN, _STD, strict=True)},
    center=dict(zip(BANDS, _MEAN, strict=True)),
    eight_bit=True,
    source="fMoW-Sentinel statistics, as upstream: two deviations around the mean onto 0..1, by "
    "way of 8 bits",
)

CARD = ModelCard(
    id="satmaepp",
    title="SatMAE++ (Sentinel-2)",
    paper="https://arxiv.org/abs/2403.05419",
    modalities={"s2_l1c": (SensorInput("s2_l1c", BANDS),), "s2": (SensorInput("s2", BANDS),)},
    normalizations={"fmow": {"s2": _FMOW, "s2_l1c": _FMOW}},
    variants={
        "large": Variant(
            1024,
            24,
            16,
            303.0,
            Checkpoint(
                "mubashir04/checkpoint_ViT-L_pretrain_fmow_sentinel",
                "checkpoint_ViT-L_pretrain_fmow_sentinel.pth",
            ),
        ),
        "base": Variant(768, 12, 12, 85.6),
        "small": Variant(384, 6, 6, 10.9),
    },
    defaults={
        "image_size": 96,
        "patch_size": PATCH_PX,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
        "resample": "bicubic",
    },
    allowed={"patch_size": (PATCH_PX,)},
    groups=_groups,
    check=_check,
    vectors=("cls",),
    licence_code="Apache-2.0",
    licence_weights="Apache-2.0",
    pretraining="masked autoencoding of fMoW-Sentinel (Sentinel-2) at several scales",
    envelope=Envelope(
        source="arXiv 2403.05419, arXiv 2207.08051 and their pre-training code, whose statistics "
        "of fMoW-Sentinel have B10, as Level-1C alone does",
        levels={"s2_l1c": ("L1C",)},
        image_px=(96, 96),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        normalizations=("fmow",),
        radiometry="reflectance x 10000 at the top of the atmosphere",
        regions="places of fMoW, global",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. "
        "For `small` and `base` no weights exist. A token group for each group of "
        "bands: `group_merge: mean` averages them. Positions are made for the image size. Upstream "
        "shuffles its tokens even where it masks none; here they are where their pixels are."
    ),
)
