"""Clay 1.5 as data: bands with their wavelengths and statistics by sensor, sizes, training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.core.knobs import Knob
from rsweep.core.sensors import SENSORS
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

PATCH_PX = 8

_LANDSAT_UM = {"B4": 0.65, "B3": 0.56, "B2": 0.48, "B5": 0.86, "B6": 1.6, "B7": 2.2}
_RADAR_UM = {"VV": 3.5, "VH": 4.0}
WAVELENGTHS_UM: Mapping[str, Mapping[str, float]] = {
    "s2": {
        "B2": 0.493,
        "B3": 0.56,
        "B4": 0.665,
        "B5": 0.704,
        "B6": 0.74,
        "B7": 0.783,
        "B8": 0.842,
        "B8A": 0.865,
        "B11": 1.61,
        "B12": 2.19,
    },
    "s1": _RADAR_UM,
    "s1_rtc": _RADAR_UM,
    "landsat": _LANDSAT_UM,
    "landsat_l1": _LANDSAT_UM,
    "modis": {
        "b01": 0.645,
        "b02": 0.858,
        "b03": 0.469,
        "b04": 0.555,
        "b05": 1.24,
        "b06": 1.64,
        "b07": 2.13,
    },
}
"""Sensor -> its bands in order, with the wavelengths that the network was told (µm).

Those of radar are none: upstream tells the polarisations apart by numbers beyond all others.
"""

OTHERS = ("s2_l1c", "hls")
"""Sensors that it was not trained on and can read, by their wavelengths."""

_LANDSAT_MEAN = (13705.0, 13310.0, 12474.0, 17801.0, 14615.0, 12701.0)
_LANDSAT_STD = (9578.0, 9408.0, 10144.0, 8277.0, 5300.0, 4522.0)
_PER_NUMBER, _ZERO = 0.275, -2000.0  # reflectance x 10000 of Collection 2 Level 2: 0.275 n - 2000

OVERPASS_H: Mapping[str, float] = {
    "s2": 10.5,
    "s2_l1c": 10.5,
    "landsat": 10.2,
    "landsat_l1": 10.2,
    "hls": 10.5,
    "modis": 10.5,
}
"""Local solar time at which a sensor passes in daylight; radar passes at two."""

SIZES: Mapping[str, tuple[int, int]] = {
    "large": (64, 4),
    "base": (64, 4),
    "small": (64, 2),
    "tiny": (48, 2),
}
"""Variant -> width of a head, and of the feed-forward layer in widths of a token."""


def _statistics(sensor: str, mean: tuple[float, ...], std: tuple[float, ...], **own: Any) -> Any:
    stats = dict(zip(WAVELENGTHS_UM[sensor], zip(mean, std, strict=True), strict=True))
    return Normalization(stats=stats, source="Clay's configs/metadata.yaml, unclipped", **own)


_RADAR = _statistics("s1", (-12.113, -18.673), (8.314, 8.017))
_CLAY = {
    "s2": _statistics(
        "s2",
        (1105.0, 1355.0, 1552.0, 1887.0, 2422.0, 2630.0, 2743.0, 2785.0, 2388.0, 1835.0),
        (1809.0, 1757.0, 1888.0, 1870.0, 1732.0, 1697.0, 1742.0, 1648.0, 1470.0, 1379.0),
    ),
    "s1": _RADAR,
    "s1_rtc": _RADAR,
    # Upstream's are of the digital numbers, which a provider here makes reflectance of.
    "landsat": _statistics(
        "landsat",
        tuple(mean + _ZERO / _PER_NUMBER for mean in _LANDSAT_MEAN),
        _LANDSAT_STD,
        gain=1 / _PER_NUMBER,
    ),
    "landsat_l1": _statistics(
        "landsat_l1",
        (10678.0, 10563.0, 11083.0, 14792.0, 12276.0, 10114.0),
        (6025.0, 5411.0, 5468.0, 6746.0, 5897.0, 4850.0),
    ),
    "modis": _statistics(
        "modis",
        (1072.471882, 1624.482782, 931.892947, 1023.849436, 1599.963956, 1404.271537, 1051.350204),
        (1643.113109, 1878.537956, 1449.024803, 1538.677198, 1763.359331, 1618.157770, 1396.227168),
    ),
}


def _bands(sensor: str) -> tuple[str, ...]:
    return tuple(WAVELENGTHS_UM.get(sensor) or SENSORS[sensor].bands)


def _wavelength(sensor: str, band: str) -> float:
    known = WAVELENGTHS_UM.get(sensor, {})
    return known.get(band) or SENSORS[sensor].bands[band].wavelength_um


def _own_statistics(sensor: str) -> Normalization:
    """Every tile by its own mean and deviation, for bands without published statistics."""
    bands = SENSORS[sensor].bands
    return Normalization(
        stats=dict.fromkeys(bands, (0.0, 1.0)),
        kind="tile_zscore",
        source="each tile's own, for sensors and bands without published statistics: this "
        "project's, and brightness is lost",
    )


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch")


def _constants(settings: ProfileSettings) -> dict[str, Any]:
    (needed,) = CARD.modalities[settings["modality"]]
    bands = settings["bands"] or needed.bands
    return {
        "wavelengths_um": [_wavelength(needed.sensor, band) for band in bands],
        "overpass_h": OVERPASS_H.get(needed.sensor) if settings["hour"] == "overpass" else None,
    }


CARD = ModelCard(
    id="clay",
    title="Clay 1.5",
    paper="https://clay-foundation.github.io/model",
    modalities={
        sensor: (SensorInput(sensor, _bands(sensor), bands_free=True),)
        for sensor in (*WAVELENGTHS_UM, *OTHERS)
    },
    normalizations={
        "clay": _CLAY,
        "tile_zscore": {s: _own_statistics(s) for s in (*WAVELENGTHS_UM, *OTHERS)},
    },
    variants={
        "large": Variant(
            1024, 24, 16, 311.4, Checkpoint("made-with-clay/Clay", "v1.5/clay-v1.5.ckpt")
        ),
        "base": Variant(768, 12, 12, 92.1),
        "small": Variant(384, 6, 6, 11.0),
        "tiny": Variant(192, 6, 4, 4.0),
    },
    defaults={
        "image_size": 256,
        "patch_size": PATCH_PX,
        "scale_m": 10,
        "frames": 1,
        "pooling": "cls",
        "resample": "bilinear",
    },
    allowed={"patch_size": (PATCH_PX,)},
    knobs=(
        Knob(
            "metadata",
            "infer",
            "bool",
            True,
            "tell the network the week, the hour and the place; false: unknown, as in part of its "
            "training",
        ),
        Knob(
            "hour",
            "infer",
            "str",
            "overpass",
            "hour of the day in UTC that the network is told: of the sensor's overpass there, or "
            "0 as libraries that know no better say",
            allowed=("overpass", "midnight"),
        ),
    ),
    groups=lambda settings: (TokenGroup("patches", PATCH_PX),),
    check=_check,
    vectors=("cls",),
    side_inputs=("wavelengths", "gsd", "year", "day_of_year", "lonlat"),
    constants=_constants,
    licence_code="Apache-2.0",
    licence_weights="Apache-2.0",
    pretraining="masked autoencoding and a DINOv2 teacher on 70 million chips of Sentinel-2 L2A, "
    "Sentinel-1 RTC, Landsat Collection 2 Level 1 and 2, NAIP, LINZ and MODIS",
    envelope=Envelope(
        source="Clay's documentation and configs/metadata.yaml",
        levels={
            "s2": ("L2A",),
            "s1_rtc": ("RTC",),
            "landsat": ("L2",),
            "landsat_l1": ("L1",),
            "modis": (),
            "naip": (),
            "linz": (),
        },
        pixel_m={
            "s2": (10, 10),
            "s1_rtc": (10, 10),
            "landsat": (30, 30),
            "landsat_l1": (30, 30),
            "modis": (500, 500),
        },
        image_px=(256, 256),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        normalizations=("clay",),
        radiometry="reflectance x 10000, digital numbers of Landsat, dB",
        regions="global",
    ),
    notes=(
        "Its patch kernel is made from the wavelengths of the bands at hand, so `bands` may be any "
        "of the sensor's; those without published statistics, and the sensors that it was not "
        "trained on (`s2_l1c`, `hls`), take `tile_zscore`. Wavelengths are in µm; upstream's of "
        "radar are 3.5 for VV and 4.0 for VH, and mean nothing. The network is told the metres per "
        "pixel of each tile after any resizing, the ISO week of the frame, the tile's place and an "
        "hour: frames have none, so it is that of the sensor's overpass at the tile's longitude, "
        "and 0 for radar, which passes twice. `pooling: cls`, the default, is upstream's "
        "embedding. Only large is published. No published checkpoint has been loaded here."
    ),
)
