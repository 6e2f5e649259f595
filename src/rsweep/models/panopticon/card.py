"""What is known of Panopticon without torch. Paper: arXiv 2503.10845; weights: Hugging Face."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
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
from rsweep.models.statistics import S2_L2A_BANDS, terramesh

PATCH_PX = 14

_S2_NM = {
    "B1": 442.92,
    "B2": 492.997,
    "B3": 559.599,
    "B4": 664.630,
    "B5": 704.006,
    "B6": 740.552,
    "B7": 782.419,
    "B8": 827.539,
    "B8A": 864.780,
    "B9": 945.1,
    "B10": 1373.5,
    "B11": 1613.7,
    "B12": 2202.4,
}
_LANDSAT_NM = {
    "B1": 443,
    "B2": 482,
    "B3": 561,
    "B4": 655,
    "B5": 865,
    "B6": 1609,
    "B7": 2201,
}
WAVELENGTHS_NM: Mapping[str, Mapping[str, float]] = {
    "s2": _S2_NM,
    "s2_l1c": _S2_NM,
    "landsat": _LANDSAT_NM,
    "landsat_l1": {**_LANDSAT_NM, "B8": 590, "B9": 1373, "B10": 10895, "B11": 12005},
    "hls": {"BLUE": 490, "GREEN": 560, "RED": 660, "NIR": 865, "SWIR1": 1610, "SWIR2": 2200},
    "modis": {
        "b01": 645,
        "b02": 858,
        "b03": 469,
        "b04": 555,
        "b05": 1240,
        "b06": 1640,
        "b07": 2130,
    },
    "modis_toa": {
        "1": 645,
        "2": 858,
        "3": 469,
        "26": 1375,
        "6": 1640,
        "20": 3750,
        "7": 2130,
        "27": 6715,
        "28": 7325,
        "29": 8550,
        "31": 11030,
        "32": 12020,
        "33": 13335,
        "34": 13635,
    },
}
"""Centre wavelength of each band: Sentinel-2 B1 to B8A as Panopticon's own table has them, the rest
as ESA (Sentinel-2A), USGS and NASA publish them."""

POLARIZATIONS = ("VV", "VH", "HH", "HV")
ORBITS = ("any", "ascending", "descending")
RADARS = ("s1", "s1_rtc")

DEFAULT_BANDS: Mapping[str, tuple[str, ...]] = {
    **{sensor: tuple(bands) for sensor, bands in WAVELENGTHS_NM.items()},
    "s2": S2_L2A_BANDS,
    "landsat": ("B2", "B3", "B4", "B5", "B6", "B7"),
    **dict.fromkeys(RADARS, ("VV", "VH")),
}
"""Sensor -> bands that a study reads unless it says otherwise: those with published constants."""

_LANDSAT = {
    "B2": (1430.35, 2789.6),
    "B3": (1660.25, 2587.2),
    "B4": (1768.875, 2633.95),
    "B5": (2895.275, 2276.175),
    "B6": (2019.125, 1457.5),
    "B7": (1492.775, 1243.55),
}
_LANDSAT_L1 = {
    "B1": (11000.96, 7857.92),
    "B2": (10493.42, 7872.39),
    "B3": (10146.32, 7676.28),
    "B4": (10236.45, 8038.22),
    "B5": (14427.02, 9302.43),
    "B6": (12164.08, 7442.39),
    "B7": (9712.03, 6037.71),
    "B8": (10132.09, 7788.73),
    "B9": (4585.47, 2549.75),
    "B10": (21347.89, 10957.28),
    "B11": (19686.23, 9911.42),
}
_HLS = {
    "BLUE": (1087.0, 2248.0),
    "GREEN": (1342.0, 2179.0),
    "RED": (1433.0, 2178.0),
    "NIR": (2734.0, 1850.0),
    "SWIR1": (1958.0, 1242.0),
    "SWIR2": (1363.0, 1049.0),
}


def channel_id(sensor: str, band: str, orbit: str) -> float:
    """What Panopticon calls a channel: its wavelength in nm, or below zero for radar.

    Radar channels are numbered from -1 down: four polarisations without an orbit direction, then
    four ascending, then four descending.
    """
    if sensor not in RADARS:
        return WAVELENGTHS_NM[sensor][band]
    return -1.0 - len(POLARIZATIONS) * ORBITS.index(orbit) - POLARIZATIONS.index(band)


def _modalities() -> Iterator[tuple[str, tuple[SensorInput, ...]]]:
    """Every sensor alone, and every radar with every optical sensor."""
    inputs = {name: SensorInput(name, bands, True) for name, bands in DEFAULT_BANDS.items()}
    for name, needed in inputs.items():
        yield name, (needed,)
    for radar, optical in itertools.product(RADARS, WAVELENGTHS_NM):
        yield f"{radar}+{optical}", (inputs[optical], inputs[radar])


def _constants(settings: ProfileSettings) -> dict[str, Any]:
    """Sensor -> the number of each of its channels."""
    asked = settings["bands"]
    found = {}
    for needed in CARD.modalities[settings["modality"]]:
        known = POLARIZATIONS if needed.sensor in RADARS else WAVELENGTHS_NM[needed.sensor]
        bands = [band for band in asked or () if band in known] or needed.bands
        found[needed.sensor] = [channel_id(needed.sensor, b, settings["orbit"]) for b in bands]
    return {"channel_ids": found}


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch")


_BY_TILE = "each tile by its own statistics, which loses absolute values: this project's"
_STANDARDISED = (
    "Panopticon takes channels of mean 0 and standard deviation 1 and publishes no constants; these"
)

CARD = ModelCard(
    id="panopticon",
    title="Panopticon",
    paper="https://arxiv.org/abs/2503.10845",
    modalities=dict(_modalities()),
    normalizations={
        "dataset": {
            **{
                sensor: terramesh(sensor, f"{_STANDARDISED} are {{}}")
                for sensor in ("s2", "s2_l1c", "s1", "s1_rtc")
            },
            "landsat": Normalization(
                _LANDSAT,
                f"{_STANDARDISED} are Clay's, of Landsat Collection 2 Level 2, as reflectance",
            ),
            "landsat_l1": Normalization(
                _LANDSAT_L1, f"{_STANDARDISED} are OlmoEarth's, of Landsat Collection 2 Level 1"
            ),
            "hls": Normalization(_HLS, f"{_STANDARDISED} are Prithvi-EO-2.0's, of HLS"),
        },
        "tile_zscore": {
            sensor: Normalization({}, _BY_TILE, kind="tile_zscore")
            for sensor in (*WAVELENGTHS_NM, *RADARS)
        },
    },
    variants={
        "base": Variant(
            768,
            12,
            12,
            99.0,
            Checkpoint(
                "lewaldm/panopticon",
                "panopticon_vitb14_teacher.pth",
                "c8c2bb9555819e8b2bcedf5b3b00e3bf531554e7",
            ),
        )
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
    side_inputs=("wavelengths", "valid"),
    constants=_constants,
    envelope=Envelope(
        source="arXiv 2503.10845 and its training configuration: fMoW, SatlasPretrain, MMEarth, "
        "SpectralEarth",
        levels={
            "s2": (),
            "s2_l1c": (),
            "s1": (),
            "landsat": (),
            "landsat_l1": (),
            "worldview": (),
            "enmap": (),
        },
        image_px=(98, 224),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        radiometry="each channel standardised",
        regions="global",
    ),
    licence_code="Apache-2.0",
    licence_weights="Apache-2.0",
    pretraining="self-distillation (DINOv2) between sensors that saw the same place: WorldView, "
    "Sentinel-1, Sentinel-2 and Landsat of fMoW, SatlasPretrain and MMEarth, EnMAP of "
    "SpectralEarth; random subsets of 1 to 13 channels",
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. "
        "Channels are told apart by wavelength (rounded down to nm) or, for radar, by polarisation "
        "and orbit direction, which is that of the knob `orbit`; they are fused patch by patch, "
        "so their number changes the patch embedding's cost and not the transformer's. A sensor "
        "of which a tile has no valid pixel is masked. Upstream's image embedding is the class "
        "token: `pooling: cls`. Positions are resized as upstream does when it runs; torchgeo's "
        "port resizes them otherwise. Every chosen block is normed by the final norm, as upstream."
    ),
)
