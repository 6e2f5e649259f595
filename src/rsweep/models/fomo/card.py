"""What is known of FoMo without torch. Paper: arXiv 2312.10114; code: RolnickLab/FoMo-Bench."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.core.settings import ProfileSettings
from rsweep.models.card import (
    ModelCard,
    Normalization,
    SensorInput,
    TokenGroup,
    Variant,
    multiple_of,
)
from rsweep.models.envelope import Envelope

PATCH_PX, IMAGE_PX = 16, 64
SPECTRAL_KEYS: Mapping[str, Mapping[str, int]] = {
    "s1": {"VV": 4, "VH": 5},
    "s2": {
        "B1": 6,
        "B2": 7,
        "B3": 8,
        "B4": 9,
        "B5": 10,
        "B6": 11,
        "B7": 12,
        "B8": 13,
        "B8A": 14,
        "B9": 15,
        "B10": 16,
        "B11": 17,
        "B12": 18,
    },
    "landsat": {"B4": 19, "B3": 20, "B2": 21, "B5": 22, "B6": 23, "B7": 24, "B1": 26},
    "dem": {"DEM": 32},
}
"""Row of the spectral embedding of each band, as FoMo was trained with them."""
_S2 = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
_S1_CLIP = (-30.0, 0.0)
INPUTS = {
    "s2": SensorInput("s2", _S2, bands_free=True),
    "s1": SensorInput("s1", ("VV", "VH"), bands_free=True),
    "landsat": SensorInput("landsat", ("B1", "B2", "B3", "B4", "B5", "B6", "B7"), bands_free=True),
    "dem": SensorInput("dem", ("DEM",)),
}
_UNIT = "reflectance 0..1, as others feed it: upstream's statistics are not published"


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return (TokenGroup("patches", PATCH_PX),)


def _constants(settings: ProfileSettings) -> dict[str, Any]:
    asked = settings["bands"] or ()
    keys = {}
    for needed in CARD.modalities[settings["modality"]]:
        known = SPECTRAL_KEYS[needed.sensor]
        bands = [band for band in asked if band in known] or needed.bands
        keys[needed.sensor] = [known[band] for band in bands]
    return {"spectral_keys": keys}


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    size = settings["image_size"]
    if size > IMAGE_PX:
        return [("image_size", f"is {size}; fomo has positions for at most {IMAGE_PX}")]
    return multiple_of("image_size", size, PATCH_PX, "the patch size")


def _reflectance(bands: Mapping[str, int]) -> Normalization:
    return Normalization(
        stats=dict.fromkeys(bands, (0.0, 1.0)),
        gain=1 / 10_000,
        center=dict.fromkeys(bands, 0.2),
        source=_UNIT,
    )


def _zscore(sensor: str) -> Normalization:
    return Normalization(
        stats=dict.fromkeys(SPECTRAL_KEYS[sensor], (0.0, 1.0)),
        kind="tile_zscore",
        source="each tile and band by its own mean and deviation: this project's stand-in for "
        "upstream's statistics of each data set",
    )


def _unit() -> dict[str, Normalization]:
    low, high = _S1_CLIP
    span = high - low
    return {
        "s2": _reflectance(SPECTRAL_KEYS["s2"]),
        "landsat": _reflectance(SPECTRAL_KEYS["landsat"]),
        "s1": Normalization(
            stats=dict.fromkeys(("VV", "VH"), (low / span, 1.0)),
            clip=_S1_CLIP,
            gain=1 / span,
            center={"VV": -12.0 / span, "VH": -19.0 / span},
            source="-30..0 dB onto 0..1: this project's",
        ),
        "dem": Normalization(
            stats={"DEM": (0.0, 1.0)},
            gain=1 / 10_000,
            center={"DEM": 0.05},
            source="10 km are 1: this project's",
        ),
    }


CARD = ModelCard(
    id="fomo",
    title="FoMo-Net",
    paper="https://arxiv.org/abs/2312.10114",
    modalities={
        "s2": (INPUTS["s2"],),
        "s1": (INPUTS["s1"],),
        "s1+s2": (INPUTS["s1"], INPUTS["s2"]),
        "s1+s2+dem": (INPUTS["s1"], INPUTS["s2"], INPUTS["dem"]),
        "landsat": (INPUTS["landsat"],),
    },
    normalizations={
        "unit": _unit(),
        "tile_zscore": {sensor: _zscore(sensor) for sensor in SPECTRAL_KEYS},
    },
    variants={
        "base": Variant(768, 12, 12, 67.2),
        "narrow": Variant(192, 4, 3, 1.6),
    },
    defaults={
        "image_size": IMAGE_PX,
        "patch_size": PATCH_PX,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
    },
    allowed={"patch_size": (PATCH_PX,)},
    groups=_groups,
    check=_check,
    constants=_constants,
    licence_code="MIT",
    licence_weights="unknown",
    pretraining="masked autoencoding of forest images: Sentinel-1, Sentinel-2, Landsat 8, Planet, "
    "Gaofen-2, aerial images and elevation",
    envelope=Envelope(
        source="arXiv 2312.10114 and upstream's code",
        levels={
            "s1": (),
            "s2": (),
            "landsat": (),
            "dem": (),
            "planet": (),
            "gaofen2": (),
            "aerial": (),
        },
        image_px=(IMAGE_PX, IMAGE_PX),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        radiometry="each data set standardised by its own statistics, which are not published",
    ),
    notes=(
        "Published weights (`fomo_single_embedding_layer_weights.pt`, a link in upstream's README) "
        "have no address that can be pinned: fetch them by hand and give the file (`weights: "
        "<file>`). None has been loaded here: key names and shapes follow upstream. Every band is "
        "16 tokens, and costs as much. The map is the mean over bands. Images below 64 px use the "
        "first positions of the table, as upstream does. `narrow` is a width for which no weights "
        "exist."
    ),
)
