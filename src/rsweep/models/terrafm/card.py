"""What is known of TerraFM without torch. Paper: arXiv 2506.06281; weights: Hugging Face MBZUAI."""

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
from rsweep.models.statistics import CLEAR_S2, S2_L2A_BANDS, terramesh

PATCH_PX = 16
OPTICAL = ("s2", "s2_l1c")
RADAR = ("s1_rtc", "s1")


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch")


def _unit() -> Normalization:
    return Normalization(
        stats=dict.fromkeys(S2_L2A_BANDS, (0.0, 1.0)),
        clip=(0.0, 10000.0),
        gain=1e-4,
        center={band: CLEAR_S2[band] / 10000 for band in S2_L2A_BANDS},
        source="reflectance 0..1, as rs-embed: upstream states nothing",
    )


def _variant(letter: str, width: int, depth: int, heads: int, parameters_m: float) -> Variant:
    checkpoint = Checkpoint("MBZUAI/TerraFM", f"TerraFM-{letter}.pth")
    return Variant(width, depth, heads, parameters_m, checkpoint)


CARD = ModelCard(
    id="terrafm",
    title="TerraFM",
    paper="https://arxiv.org/abs/2506.06281",
    modalities={
        **{sensor: (SensorInput(sensor, S2_L2A_BANDS),) for sensor in OPTICAL},
        **{sensor: (SensorInput(sensor, ("VV", "VH")),) for sensor in RADAR},
    },
    normalizations={
        "unit": dict.fromkeys(OPTICAL, _unit()),
        "terramesh": {
            sensor: terramesh(
                sensor,
                "upstream states nothing; {}, part of which is TerraFM's own training set, "
                "Major-TOM",
            )
            for sensor in (*OPTICAL, *RADAR)
        },
    },
    variants={
        "base": _variant("B", 768, 12, 12, 113.0),
        "large": _variant("L", 1024, 24, 16, 345.0),
    },
    defaults={
        "image_size": 224,
        "patch_size": PATCH_PX,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
        "resample": "bilinear",
    },
    allowed={"patch_size": (PATCH_PX,)},
    groups=lambda settings: (TokenGroup("patches", PATCH_PX),),
    check=_check,
    vectors=("cls",),
    envelope=Envelope(
        source="arXiv 2506.06281 and its repository: Major-TOM",
        levels={"s2": ("L2A",), "s2_l1c": ("L1C",), "s1_rtc": ("RTC",)},
        pixel_m={"s2": (10, 10), "s2_l1c": (10, 10), "s1_rtc": (10, 10)},
        image_px=(224, 224),
        image_m=(2240, 2240),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        regions="global: 18.7 million tiles",
    ),
    licence_code="no licence file; Apache-2.0 according to rs-embed",
    licence_weights="not stated",
    pretraining="Major-TOM: Sentinel-1 RTC, Sentinel-2 L1C and L2A of the same place as views of "
    "one image, contrasted as in DINO",
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. Each "
        "sensor takes its own trained patch embedding. Upstream's forward never takes that of L2A: "
        "it sends any 12 bands through L1C's, and so does rs-embed with surface reflectance. L1C "
        "is read without B10. rs-embed scales radar by each patch's own 99th percentile, which "
        "makes neighbours disagree; here it is standardised. Upstream's image embedding is the "
        "class token: `pooling: cls`. Every chosen block is normed by the final norm, as upstream."
    ),
)
