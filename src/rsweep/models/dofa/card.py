"""What is known of DOFA without torch. Paper: arXiv 2403.15356; weights: Hugging Face earthflow."""

from __future__ import annotations

from typing import Any

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

S2_BANDS = ("B4", "B3", "B2", "B5", "B6", "B7", "B8", "B11", "B12")
_S2_MEAN = (
    114.1099739,
    114.81779093,
    126.63977424,
    84.33539309,
    97.84789168,
    103.94461911,
    101.435633,
    72.32804172,
    56.66528851,
)
_S2_STD = (
    77.84352553,
    69.96844919,
    67.42465279,
    64.57022983,
    61.72545487,
    61.34187099,
    60.29744676,
    47.88519516,
    42.55886798,
)

_S2_STATS = dict(zip(S2_BANDS, zip(_S2_MEAN, _S2_STD, strict=True), strict=True))
_WHITE = {band: 3558.0 if band in ("B4", "B3", "B2") else 8160.0 for band in S2_BANDS}
"""Reflectance x 10000 that is 255 in SatlasPretrain's images: ESA's true-colour image is white at
0.3558; other bands are divided by 32 and clipped."""

WAVELENGTHS_UM = {
    "s2": {
        "B1": 0.443,
        "B2": 0.490,
        "B3": 0.560,
        "B4": 0.665,
        "B5": 0.705,
        "B6": 0.740,
        "B7": 0.783,
        "B8": 0.842,
        "B8A": 0.865,
        "B9": 0.945,
        "B10": 1.375,
        "B11": 1.610,
        "B12": 2.190,
    },
    "s1": {"VV": 5.405, "VH": 5.405},
}
"""Centre wavelength in µm by band, as DOFA was trained with them.

Those of Sentinel-1 are not wavelengths: upstream gives both polarisations the radar's frequency in
GHz, so the network tells VV and VH apart by nothing but the pixels.
"""

_REVISION = "7a5219e48d2f8848511b0fabea7920a8836bc480"
_BASE_SHA256 = "4720985e42b918ac0307009eb06121a3435d9bbce6fd95446f84824a538165b1"
"""As others who pinned this revision found the file; that of the large one is not known here."""

SMALLEST_PATCH = 4  # the convolution's one pixel of padding would add tokens below 3


def _bands(settings: ProfileSettings) -> list[str]:
    (needed,) = CARD.modalities[settings["modality"]]
    return list(settings["bands"] or needed.bands)


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return (TokenGroup("patches", settings["patch_size"]),)


def _constants(settings: ProfileSettings) -> dict[str, Any]:
    known = WAVELENGTHS_UM[settings["modality"]]
    return {"wavelengths_um": [known[band] for band in _bands(settings)]}


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    patch = settings["patch_size"]
    if patch < SMALLEST_PATCH:
        return [("patch_size", f"is {patch}; DOFA's padded kernel takes {SMALLEST_PATCH} or more")]
    return multiple_of("image_size", settings["image_size"], patch, "patch_size")


def _unit(sensor: str, clip: tuple[float, float], center: float, source: str) -> Normalization:
    """A sensor's values from `clip` mapped onto 0..1, for any of its bands."""
    low, high = clip
    gain = 1 / (high - low)
    bands = WAVELENGTHS_UM[sensor]
    return Normalization(
        stats=dict.fromkeys(bands, (low * gain, 1.0)),
        clip=clip,
        gain=gain,
        center=dict.fromkeys(bands, center * gain),
        source=source,
    )


def _checkpoint(variant: str, sha256: str | None = None) -> Checkpoint:
    return Checkpoint("earthflow/DOFA", f"DOFA_ViT_{variant}_e100.pth", _REVISION, sha256)


CARD = ModelCard(
    id="dofa",
    title="DOFA v1",
    paper="https://arxiv.org/abs/2403.15356",
    modalities={
        "s2": (SensorInput("s2", S2_BANDS, bands_free=True),),
        "s1": (SensorInput("s1", ("VV", "VH"), bands_free=True),),
    },
    normalizations={
        "dofa": {
            "s2": Normalization(
                stats=_S2_STATS,
                white=_WHITE,
                center={band: CLEAR_S2[band] * 255 / white for band, white in _WHITE.items()},
                source="DOFA's Sentinel-2 statistics, which are of SatlasPretrain's 8-bit images "
                "(red, green and blue of ESA's true-colour image, other bands divided by 32); none "
                "for B1, B8A, B9 and B10",
            ),
        },
        "dofa_linear": {
            "s2": Normalization(
                stats=_S2_STATS,
                clip=(0.0, 10000.0),
                gain=255 / 10000,
                center={band: CLEAR_S2[band] * 255 / 10000 for band in S2_BANDS},
                source="the same statistics of 255 times reflectance, as rs-embed has it: 1.2 to "
                "2.8 times darker than what they belong to",
            ),
        },
        "unit": {
            "s2": _unit(
                "s2",
                (0.0, 10000.0),
                4000.0,
                "reflectance 0..1: this project's, for the bands without published statistics; a "
                "missing pixel is 0.4, about the mean of DOFA's",
            ),
            "s1": _unit(
                "s1",
                (-30.0, 0.0),
                -15.0,
                "-30..0 dB onto 0..1: this project's, since DOFA's Sentinel-1 statistics are not "
                "known to it; a missing pixel is -15 dB",
            ),
        },
    },
    variants={
        "base": Variant(768, 12, 12, 111.4, _checkpoint("base", _BASE_SHA256)),
        "large": Variant(1024, 24, 16, 337.2, _checkpoint("large")),
    },
    defaults={
        "image_size": 224,
        "patch_size": 16,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
        "resample": "bilinear",
    },
    groups=_groups,
    check=_check,
    vectors=("cls", "model"),
    side_inputs=("wavelengths",),
    constants=_constants,
    licence_code="MIT",
    licence_weights="CC-BY-4.0",
    pretraining="masked autoencoding of Sentinel-1, Sentinel-2, Gaofen, NAIP and EnMAP, 100 epochs",
    envelope=Envelope(
        source="arXiv 2403.15356 and its pre-training code",
        levels={"s1": (), "s2": (), "gaofen": (), "naip": (), "enmap": ()},
        pixel_m={"s1": (10, 10), "s2": (10, 10)},
        image_px=(224, 224),
        patch_px=(16, 16),
        frames=(1, 1),
        normalizations=("dofa",),
        radiometry="8-bit images",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. The "
        "published file has no fc_norm, which upstream leaves at scale 1 and shift 0, and so does "
        "this. Patch sizes other than 16 resize the generated kernel and images other than 224 px "
        "the position table. `final_norm` norms every token as the network norms its own pooled "
        "output (`pooling: model`), which is normed either way."
    ),
)
