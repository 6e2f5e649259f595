"""What is known of DINOv3's satellite networks without torch. Paper: arXiv 2508.10104."""

from __future__ import annotations

from collections.abc import Mapping

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
from rsweep.models.statistics import CLEAR_S2

PATCH_PX = 16

NETWORKS = {
    "large": "vit_large_patch16_dinov3.sat493m",
    "7b": "vit_7b_patch16_dinov3.sat493m",
}
"""Variant -> what timm calls it."""

RGB: Mapping[str, tuple[str, ...]] = {
    "s2": ("B4", "B3", "B2"),
    "s2_l1c": ("B4", "B3", "B2"),
    "landsat": ("B4", "B3", "B2"),
    "hls": ("RED", "GREEN", "BLUE"),
}
_MEAN, _STD = (0.430, 0.411, 0.296), (0.213, 0.156, 0.143)
_SOURCE = "DINOv3's constants of its satellite pictures (not ImageNet's), of values 0..1"


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch")


def _picture(white: float, what: str) -> dict[str, Normalization]:
    """Reflectance as an 8-bit picture in which `white` (x 10000) is 255."""
    return {
        sensor: Normalization(
            stats={b: (255 * m, 255 * s) for b, m, s in zip(bands, _MEAN, _STD, strict=True)},
            clip=(0.0, white),
            gain=255 / white,
            truncate=True,
            center={b: CLEAR_S2[c] * 255 / white for b, c in zip(bands, RGB["s2"], strict=True)},
            source=f"{_SOURCE}; {what}",
        )
        for sensor, bands in RGB.items()
    }


def _variant(name: str, width: int, depth: int, heads: int, parameters_m: float) -> Variant:
    checkpoint = Checkpoint(f"timm/{NETWORKS[name]}", "model.safetensors")
    return Variant(width, depth, heads, parameters_m, checkpoint)


CARD = ModelCard(
    id="dinov3",
    title="DINOv3 (satellite)",
    paper="https://arxiv.org/abs/2508.10104",
    modalities={sensor: (SensorInput(sensor, bands),) for sensor, bands in RGB.items()},
    normalizations={
        "true_colour": _picture(
            3000.0, "reflectance 0.3 is white, as in the usual pictures, whose mean theirs is near"
        ),
        "reflectance": _picture(10000.0, "reflectance 1 is white"),
    },
    variants={
        "large": _variant("large", 1024, 24, 16, 303.1),
        "7b": _variant("7b", 4096, 40, 32, 6716.0),
    },
    defaults={
        "image_size": 256,
        "patch_size": PATCH_PX,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
        "resample": "bicubic",
    },
    allowed={"patch_size": (PATCH_PX,)},
    groups=lambda settings: (TokenGroup("patches", PATCH_PX),),
    check=_check,
    vectors=("cls", "model"),
    envelope=Envelope(
        source="arXiv 2508.10104: SAT-493M, Maxar pictures at 0.6 m",
        levels={"maxar": ()},
        pixel_m=dict.fromkeys(RGB, (0.6, 0.6)),
        image_px=(256, 512),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        radiometry="8-bit true-colour pictures",
    ),
    licence_code="Apache-2.0 (timm)",
    licence_weights="DINOv3 License: Meta's own terms, not an open-source licence; gated, so "
    "accept them on Hugging Face and log in before use",
    pretraining="self-distillation on 493 million true-colour Maxar pictures at 0.6 m",
    notes=(
        "No published checkpoint has been loaded here. The network is timm's, which is that of "
        "`timm:vit_large_patch16_dinov3.sat493m` with this input. Upstream's image embedding is "
        "the class token: `pooling: cls`; `model` is what timm pools, the mean of the patch "
        "tokens. Positions are rotations by each patch's place in the image, for any size. "
        "Upstream's own files hold their periods in bfloat16, timm's in float32: a small "
        "difference. It was trained on pixels of 0.6 m: on Sentinel-2 it sees far coarser ones."
    ),
)
