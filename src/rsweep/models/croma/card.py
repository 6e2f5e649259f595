"""What is known of CROMA without torch. Paper: arXiv 2311.00566; weights: Hugging Face."""

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
from rsweep.models.statistics import S2_L2A_BANDS, SSL4EO, SSL4EO_SOURCE, Stats

PATCH_PX = 8

GROUPS = {"s2": "optical", "s1": "radar", "s1+s2": "joint"}
"""Modality -> what its tokens are; the joint ones come of an encoder after the other two."""


def _layers(settings: ProfileSettings) -> tuple[str, ...]:
    """Blocks of the encoder that gives the tokens: radar and joint have half as many."""
    depth = CARD.variants[settings["variant"]].depth
    return tuple(str(n + 1) for n in range(depth if settings["modality"] == "s2" else depth // 2))


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch")


def _two_sigma(stats: Stats) -> Normalization:
    """Two standard deviations either side of the mean onto 0..1, in 255 steps."""
    return Normalization(
        stats={band: (mean - 2 * std, 4 * std) for band, (mean, std) in stats.items()},
        center={band: mean for band, (mean, _) in stats.items()},
        eight_bit=True,
        source=f"CROMA's own rule, with the statistics of its training set, {SSL4EO_SOURCE}; "
        "upstream takes those of whatever batch it is given, so that its results depend on the "
        "neighbours",
    )


def _variant(width: int, depth: int, parameters_m: float, file: str, revision: str) -> Variant:
    """A size, with torchgeo's copy of the file of antofuller/CROMA, which has a revision."""
    return Variant(width, depth, 16, parameters_m, Checkpoint("torchgeo/croma", file, revision))


_S2 = SensorInput("s2", S2_L2A_BANDS)
_S1 = SensorInput("s1", ("VV", "VH"))

CARD = ModelCard(
    id="croma",
    title="CROMA",
    paper="https://arxiv.org/abs/2311.00566",
    modalities={"s2": (_S2,), "s1": (_S1,), "s1+s2": (_S2, _S1)},
    normalizations={"croma": {sensor: _two_sigma(stats) for sensor, stats in SSL4EO.items()}},
    variants={
        "base": _variant(
            768, 12, 194.4, "CROMA_base-0238d814.pt", "387883f08af79d777167519c57cd826eda89a16f"
        ),
        "large": _variant(
            1024, 24, 672.6, "CROMA_large-921e69ad.pt", "92cb1a0f4e34c6c01558baf070197c01255382f6"
        ),
    },
    defaults={
        "image_size": 120,
        "patch_size": PATCH_PX,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
        "resample": "bilinear",
    },
    allowed={"patch_size": (PATCH_PX,)},
    groups=lambda settings: (TokenGroup(GROUPS[settings["modality"]], PATCH_PX),),
    own_layers=_layers,
    check=_check,
    vectors=("model",),
    envelope=Envelope(
        source="arXiv 2311.00566: SSL4EO-S12, crops of 120 px",
        levels={"s2": ("L2A",), "s1": ("GRD",)},
        pixel_m={"s2": (10, 10), "s1": (10, 10)},
        image_px=(120, 120),
        image_m=(1200, 1200),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        normalizations=("croma",),
        radiometry="surface reflectance x 10000 and dB, two standard deviations in 8 bits",
        regions="250,000 places near the world's cities",
    ),
    licence_code="MIT",
    licence_weights="MIT",
    pretraining="SSL4EO-S12: contrast of radar with optical images of the same place and date, and "
    "masked autoencoding of both together",
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream; the "
        "files are torchgeo's copies of antofuller/CROMA. The modality chooses the encoder whose "
        "tokens are the embedding: optical, radar, or the joint one over both; the first two are "
        "the same whether or not the other is there. `layer` "
        "counts that encoder's blocks. `pooling: model` is upstream's GAP vector: a perceptron on "
        "the mean token, or of the joint encoder the mean itself; both are of normed tokens, "
        "whatever `final_norm`. It has no positions but an attention bias that falls with the "
        "distance of patches, so that any multiple of 8 px is read."
    ),
)
