"""What is known of RemoteCLIP without torch. Paper: arXiv 2306.11029; weights: chendelong."""

from __future__ import annotations

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import Checkpoint, ModelCard, SensorInput, TokenGroup, Variant
from rsweep.models.envelope import Envelope
from rsweep.models.pictures import RGB, of_pictures

IMAGE_PX = 224
PATCH_PX = {"b32": 32, "l14": 14}
OUTPUT = {"b32": 512, "l14": 768}
"""Width of the vector that is compared with a caption's."""
_MEAN = (0.48145466, 0.4578275, 0.40821073)  # red, green, blue, of values 0..1
_STD = (0.26862954, 0.26130258, 0.27577711)


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return (TokenGroup("patches", PATCH_PX[settings["variant"]]),)


CARD = ModelCard(
    id="remoteclip",
    title="RemoteCLIP",
    paper="https://arxiv.org/abs/2306.11029",
    modalities={"s2": (SensorInput("s2", RGB),), "s2_l1c": (SensorInput("s2_l1c", RGB),)},
    normalizations=of_pictures("clip", _MEAN, _STD, "CLIP's statistics of 8-bit RGB, as upstream"),
    variants={
        "b32": Variant(
            768, 12, 12, 87.8, Checkpoint("chendelong/RemoteCLIP", "RemoteCLIP-ViT-B-32.pt")
        ),
        "l14": Variant(
            1024, 24, 16, 304.0, Checkpoint("chendelong/RemoteCLIP", "RemoteCLIP-ViT-L-14.pt")
        ),
    },
    defaults={
        "image_size": IMAGE_PX,
        "scale_m": 10,
        "frames": 1,
        "pooling": "model",
        "resample": "bicubic",
    },
    allowed={"image_size": (IMAGE_PX,)},
    groups=_groups,
    vectors=("model", "cls"),
    licence_code="Apache-2.0",
    licence_weights="Apache-2.0",
    pretraining="contrastive learning of pictures and captions from 17 data sets (retrieval, "
    "detection, segmentation), starting at CLIP's weights",
    envelope=Envelope(
        source="arXiv 2306.11029 and upstream's code",
        levels={"aerial": (), "satellite_rgb": ()},
        image_px=(IMAGE_PX, IMAGE_PX),
        patch_px=(14, 32),
        frames=(1, 1),
        normalizations=("clip", "true_colour"),
        radiometry="8-bit RGB pictures of high resolution, stretched for display",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. Only "
        "224 px: positions are learned for them. `pooling: model` is the class token, normed and "
        "projected (512 values, 768 of `l14`), as upstream compares it with captions; divide it by "
        "its length to do so. The maps are tokens of the blocks, before that projection. "
        "Upstream's ResNet-50 is not here."
    ),
)
