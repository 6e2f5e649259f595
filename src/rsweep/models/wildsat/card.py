"""What is known of WildSAT without torch. Paper: arXiv 2412.14428; code: cvl-umass/wildsat."""

from __future__ import annotations

from rsweep.core.knobs import Knob
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
from rsweep.models.pictures import RGB, SENSORS, TRUE_COLOUR, WHITE

IMAGE_PX, PATCH_PX = 224, 16
BRANCHES = ("image", "location", "text")
_DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return (TokenGroup("patches", PATCH_PX),)


def _eight_bit(white: float, what: str) -> dict[str, Normalization]:
    """8-bit values as 0..1; the network then takes each image's darkest value off."""
    found = Normalization(
        stats=dict.fromkeys(RGB, (0.0, 255.0)),
        clip=(0.0, white),
        gain=255 / white,
        truncate=True,
        source=f"RGB in 0..1, as upstream; {what}",
    )
    return dict.fromkeys(SENSORS, found)


CARD = ModelCard(
    id="wildsat",
    title="WildSAT",
    paper="https://arxiv.org/abs/2412.14428",
    modalities={"s2": (SensorInput("s2", RGB),), "s2_l1c": (SensorInput("s2_l1c", RGB),)},
    normalizations={
        "true_colour": _eight_bit(TRUE_COLOUR, "reflectance 0.3 is white, as in usual pictures"),
        "wildsat": _eight_bit(WHITE, "reflectance 1 is white"),
    },
    variants={
        "vitb16": Variant(
            768,
            12,
            12,
            87.3,
            Checkpoint(
                "",
                "vitb16-imagenet-bnfc.pth",
                url=_DRIVE.format("1IxBpf3nbEMzny4YJWS6stMBxel6gMiYE"),
            ),
        ),
    },
    defaults={
        "image_size": IMAGE_PX,
        "patch_size": PATCH_PX,
        "scale_m": 10,
        "frames": 1,
        "pooling": "model",
        "resample": "bicubic",
    },
    allowed={"image_size": (IMAGE_PX,), "patch_size": (PATCH_PX,)},
    knobs=(
        Knob(
            "branch",
            "infer",
            "str",
            "image",
            "which of the network's three outputs is `pooling: model`",
            allowed=BRANCHES,
        ),
    ),
    groups=_groups,
    vectors=("model", "cls"),
    licence_code="unknown: the repository has no licence file",
    licence_weights="unknown",
    pretraining="contrastive learning of Sentinel-2 RGB with species' places and with texts on "
    "them, from ImageNet weights",
    envelope=Envelope(
        source="arXiv 2412.14428 and upstream's code",
        levels={"s2": ()},
        pixel_m={"s2": (10, 10)},
        image_px=(IMAGE_PX, IMAGE_PX),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        normalizations=("wildsat", "true_colour"),
        radiometry="8-bit RGB pictures, the darkest value of each taken off",
        regions="where iNaturalist has sightings, global",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream, whose "
        "file lies on Google Drive (`weights: <file>` takes one that was fetched by hand). Only "
        "224 px. The network takes the darkest valid value of a tile off all of its bands, as "
        "upstream does: a tile's embedding depends on its darkest pixel, and neighbours may differ "
        "in brightness. `pooling: model` is 256 values made of 1000 class scores. Upstream's "
        "ResNet-50 and Swin-T are not here."
    ),
)
