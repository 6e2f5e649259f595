"""What is known of ScaleMAE without torch. Paper: arXiv 2212.14532; weights: Hugging Face MVRL."""

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
from rsweep.models.pictures import of_pictures

PATCH_PX = 16
BANDS = ("B4", "B3", "B2")
_IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue, of values 0..1
_IMAGENET_STD = (0.229, 0.224, 0.225)


_NORMALIZATIONS = of_pictures(
    "imagenet",
    _IMAGENET_MEAN,
    _IMAGENET_STD,
    "ImageNet statistics of 8-bit RGB, as in upstream's pre-training on fMoW",
)


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return (TokenGroup("patches", PATCH_PX),)


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch size")


CARD = ModelCard(
    id="scalemae",
    title="ScaleMAE",
    paper="https://arxiv.org/abs/2212.14532",
    modalities={"s2": (SensorInput("s2", BANDS),)},
    normalizations={name: {"s2": sensors["s2"]} for name, sensors in _NORMALIZATIONS.items()},
    variants={
        "large": Variant(
            1024, 24, 16, 303.3, Checkpoint("MVRL/scalemae-vitlarge-800", "model.safetensors")
        ),
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
    side_inputs=("gsd",),
    licence_code="Apache-2.0 (rshf) and MIT (torchgeo); that of upstream's own code is not known",
    licence_weights="Apache-2.0",
    pretraining="masked autoencoding of fMoW RGB at several scales, 800 epochs",
    envelope=Envelope(
        source="arXiv 2212.14532: Functional Map of the World, red, green and blue",
        levels={"fmow": ()},
        image_px=(224, 224),
        patch_px=(16, 16),
        frames=(1, 1),
        normalizations=("imagenet",),
        radiometry="8-bit images",
        regions="global",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow rshf's. The "
        "published position table is unused, since positions are made for the metres per pixel of "
        "each tile, which the network is told as they are after any resizing."
    ),
)
