"""What is known of Copernicus-FM without torch. Paper: arXiv 2503.11849; weights: Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.core.knobs import Knob
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
from rsweep.models.statistics import S2_L1C_BANDS, S2_L2A_BANDS, Stats

SMALLEST_PATCH = 3  # the convolution's one pixel of padding would add tokens below

_S2_NM = dict(
    zip(
        S2_L1C_BANDS,
        zip(
            (440, 490, 560, 665, 705, 740, 783, 842, 860, 940, 1370, 1610, 2190),
            (20, 65, 35, 30, 15, 15, 20, 115, 20, 20, 30, 90, 180),
            strict=True,
        ),
        strict=True,
    )
)
_S1_NM = dict.fromkeys(("VV", "VH"), (50_000_000, 1_000_000_000))
SPECTRA: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "s2_l1c": _S2_NM,
    "s2": _S2_NM,
    "s1": _S1_NM,
    "s1_rtc": _S1_NM,
}
"""Sensor -> band -> (wavelength, bandwidth) in nm, as Copernicus-FM was trained with them.

Both polarisations of Sentinel-1 have the same, so it tells them apart by nothing but the pixels.
"""

_S2: Stats = dict(
    zip(
        S2_L1C_BANDS,
        zip(
            (
                1612.9,
                1397.6,
                1322.3,
                1373.1,
                1561.0,
                2108.4,
                2390.7,
                2318.7,
                2581.0,
                837.7,
                22.0,
                2195.2,
                1537.4,
            ),
            (
                791.0,
                854.3,
                878.7,
                1144.9,
                1127.5,
                1164.2,
                1276.0,
                1249.5,
                1345.9,
                577.5,
                47.5,
                1340.0,
                1142.9,
            ),
            strict=True,
        ),
        strict=True,
    )
)
_S1: Stats = {"VV": (-12.59, 5.26), "VH": (-20.26, 5.91)}
_SOURCE = "Copernicus-FM's pre-training code"


def _constants(settings: ProfileSettings) -> dict[str, Any]:
    (needed,) = CARD.modalities[settings["modality"]]
    known = [SPECTRA[needed.sensor][band] for band in settings["bands"] or needed.bands]
    wavelengths, bandwidths = (list(values) for values in zip(*known, strict=True))
    return {"wavelengths_nm": wavelengths, "bandwidths_nm": bandwidths}


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    patch = settings["patch_size"]
    if patch < SMALLEST_PATCH:
        what = f"is {patch}; its padded kernel takes {SMALLEST_PATCH} or more"
        return [("patch_size", what)]
    return multiple_of("image_size", settings["image_size"], patch, "patch_size")


CARD = ModelCard(
    id="copernicusfm",
    title="Copernicus-FM",
    paper="https://arxiv.org/abs/2503.11849",
    modalities={
        "s2_l1c": (SensorInput("s2_l1c", S2_L1C_BANDS, bands_free=True),),
        "s2": (SensorInput("s2", S2_L2A_BANDS, bands_free=True),),
        "s1": (SensorInput("s1", ("VV", "VH"), bands_free=True),),
        "s1_rtc": (SensorInput("s1_rtc", ("VV", "VH"), bands_free=True),),
    },
    normalizations={
        "copernicusfm": {
            "s2_l1c": Normalization(_S2, f"{_SOURCE}: Sentinel-2 L1C"),
            "s2": Normalization(
                _S2, f"{_SOURCE}: Sentinel-2 L1C, as there is no L2A in its training set"
            ),
            "s1": Normalization(_S1, f"{_SOURCE}: Sentinel-1 GRD in dB"),
            "s1_rtc": Normalization(
                _S1, f"{_SOURCE}: Sentinel-1 GRD in dB, as there is no RTC in its training set"
            ),
        }
    },
    variants={
        "base": Variant(
            768,
            12,
            12,
            113.1,
            Checkpoint(
                "torchgeo/copernicus-fm",
                "CopernicusFM_ViT_base_varlang-085350e4.pth",
                "f395812cc990ba25a451dbb9c9e6d95c8482947e",
            ),
        )
    },
    defaults={
        "image_size": 224,
        "patch_size": 16,
        "scale_m": 10,
        "frames": 1,
        "pooling": "mean",
        "resample": "bilinear",
    },
    knobs=(
        Knob(
            "told",
            "infer",
            "bool",
            True,
            "tell the network place, date and ground of a patch; if not, what it learned for "
            "unknown ones takes their place",
        ),
    ),
    groups=lambda settings: (TokenGroup("patches", settings["patch_size"]),),
    check=_check,
    vectors=("cls", "model"),
    side_inputs=("wavelengths", "lonlat", "year", "day_of_year", "gsd"),
    constants=_constants,
    envelope=Envelope(
        source="arXiv 2503.11849 and its pre-training code: Copernicus-Pretrain",
        levels={"s2_l1c": ("L1C",), "s1": ("GRD",), "s3": (), "s5p": (), "dem": ()},
        pixel_m={"s2_l1c": (10, 10), "s1": (10, 10)},
        image_px=(224, 224),
        patch_px=(16, 16),
        frames=(1, 1),
        normalizations=("copernicusfm",),
        radiometry="top-of-atmosphere reflectance x 10000, dB",
        regions="global: 310,000 cells of 0.25 degrees",
    ),
    licence_code="Apache-2.0",
    licence_weights="CC-BY-4.0",
    pretraining="Copernicus-Pretrain: Sentinel-1 GRD, Sentinel-2 L1C, Sentinel-3 OLCI, Sentinel-5P "
    "and Copernicus DEM on a common grid; masked autoencoding with distillation from DINOv2",
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream; the "
        "file is torchgeo's copy of wangyi111/Copernicus-FM, which has a revision. The network is "
        "told longitude, latitude, days since 1970 and km² per patch of every tile, and "
        "adds them to all tokens, the class token's too. Upstream, one unknown in a batch makes "
        "all of that batch unknown; here each tile stands for itself. The published file has no "
        "fc_norm, which upstream starts at scale 1 and shift 0, and so does this; upstream's own "
        "example takes the class token: `pooling: cls`. torchgeo's port norms with another eps. "
        "Patch sizes other than 16 resize the generated kernel. Elevation and Sentinel-5P enter "
        "the network by an embedding of their names from a language model, which is not published "
        "as numbers here, and are not offered."
    ),
)
