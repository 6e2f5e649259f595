"""What is known of SatMAE on RGB without torch. Papers: arXiv 2207.08051 and 2403.05419."""

from __future__ import annotations

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import (
    Checkpoint,
    ModelCard,
    SensorInput,
    TokenGroup,
    Variant,
    multiple_of,
)
from rsweep.models.envelope import Envelope
from rsweep.models.pictures import RGB, of_pictures

PATCH_PX = 16
_MEAN = (0.41820073, 0.42147991, 0.39912757)  # red, green, blue, of values 0..1
_STD = (0.28774282, 0.27541766, 0.27640176)


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return (TokenGroup("patches", PATCH_PX),)


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch size")


CARD = ModelCard(
    id="satmae",
    title="SatMAE and SatMAE++ (RGB)",
    paper="https://arxiv.org/abs/2207.08051 and https://arxiv.org/abs/2403.05419",
    modalities={"s2": (SensorInput("s2", RGB),), "s2_l1c": (SensorInput("s2_l1c", RGB),)},
    normalizations=of_pictures("fmow", _MEAN, _STD, "fMoW statistics of 8-bit RGB, as upstream"),
    variants={
        "large": Variant(
            1024,
            24,
            16,
            303.1,
            Checkpoint("MVRL/satmae-vitlarge-fmow-pretrain-800", "model.safetensors"),
        ),
        "large_pp": Variant(
            1024,
            24,
            16,
            303.1,
            Checkpoint("MVRL/satmaepp_ViT-L_pretrain_fmow_rgb", "model.safetensors"),
        ),
        "base": Variant(768, 12, 12, 85.6),
        "small": Variant(384, 6, 6, 10.9),
    },
    defaults={
        "image_size": 224,
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
    licence_code="Apache-2.0 (satmae_pp)",
    licence_weights="unknown",
    pretraining="masked autoencoding of fMoW RGB, 800 epochs (large); of fMoW RGB at several "
    "scales (large_pp)",
    envelope=Envelope(
        source="arXiv 2207.08051, arXiv 2403.05419 and satmae_pp's pre-training code",
        levels={"fmow_rgb": ()},
        image_px=(224, 224),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        normalizations=("fmow", "true_colour"),
        radiometry="8-bit RGB pictures of high resolution, stretched for display",
        regions="places of fMoW, global",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. "
        "`large` is SatMAE, `large_pp` SatMAE++; for `small` and `base` no weights exist. "
        "Positions are made for the image size. Upstream shuffles its tokens even where it "
        "masks none; here they are where their pixels are."
    ),
)
