"""What is known of Prithvi-EO-2.0 without torch. Paper: arXiv 2412.02732; weights: IBM and NASA."""

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

TRAINED_PX = 224
"""Side of the images that the network's positions were counted in."""

MAX_FRAMES = 4

PATCH_PX = {"100m_tl": 16, "300m_tl": 16, "600m_tl": 14, "300m": 16, "600m": 14}
"""Variant -> side of a patch, which is the kernel's and cannot be chosen."""

UNTOLD = ("300m", "600m")
"""Variants that are told neither time nor location."""

BANDS = {
    "s2": ("B2", "B3", "B4", "B8A", "B11", "B12"),
    "hls": ("BLUE", "GREEN", "RED", "NIR", "SWIR1", "SWIR2"),
}
_MEAN = (1087.0, 1342.0, 1433.0, 2734.0, 1958.0, 1363.0)
_STD = (2248.0, 2179.0, 2178.0, 1850.0, 1242.0, 1049.0)


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return (TokenGroup("patches", PATCH_PX[settings["variant"]]),)


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    variant = settings["variant"]
    patch = PATCH_PX[variant]
    return multiple_of("image_size", settings["image_size"], patch, f"the patch of {variant}")


def _upstream(sensor: str) -> Normalization:
    return Normalization(
        stats=dict(zip(BANDS[sensor], zip(_MEAN, _STD, strict=True), strict=True)),
        source="config.json of Prithvi-EO-2.0-300M-TL: HLS, reflectance x 10000",
    )


def _unit(sensor: str) -> Normalization:
    """Reflectance 0..1, and the mean of the pre-training set for a missing pixel."""
    return Normalization(
        stats=dict.fromkeys(BANDS[sensor], (0.0, 1.0)),
        clip=(0.0, 10000.0),
        gain=1 / 10000,
        center={band: mean / 10000 for band, mean in zip(BANDS[sensor], _MEAN, strict=True)},
        source="none: reflectance 0..1 (rs-embed's, which leaves upstream's mean and std out)",
    )


def _variant(
    name: str, width: int, depth: int, heads: int, parameters_m: float, told: bool = True
) -> Variant:
    checkpoint = Checkpoint(
        f"ibm-nasa-geospatial/Prithvi-EO-2.0-{name}{'-TL' if told else ''}",
        f"Prithvi_EO_V2_{name}{'_TL' if told else ''}.pt",
    )
    return Variant(width, depth, heads, parameters_m, checkpoint)


CARD = ModelCard(
    id="prithvi",
    title="Prithvi-EO-2.0",
    paper="https://arxiv.org/abs/2412.02732",
    modalities={sensor: (SensorInput(sensor, bands),) for sensor, bands in BANDS.items()},
    normalizations={
        "prithvi": {sensor: _upstream(sensor) for sensor in BANDS},
        "unit": {sensor: _unit(sensor) for sensor in BANDS},
    },
    variants={
        "100m_tl": _variant("100M", 768, 12, 12, 86.2),
        "300m_tl": _variant("300M", 1024, 24, 16, 303.9),
        "600m_tl": _variant("600M", 1280, 32, 16, 631.2),
        "300m": _variant("300M", 1024, 24, 16, 303.9, told=False),
        "600m": _variant("600M", 1280, 32, 16, 631.2, told=False),
    },
    defaults={
        "image_size": TRAINED_PX,
        "scale_m": 30,
        "frames": "auto",
        "frame_policy": "equal",
        "pooling": "mean",
        "resample": "bilinear",
    },
    groups=_groups,
    check=_check,
    vectors=("cls",),
    frames_range=(1, MAX_FRAMES),
    side_inputs=("year", "day_of_year", "lonlat"),
    licence_code="Apache-2.0",
    licence_weights="Apache-2.0",
    pretraining="masked autoencoding of 4.2 million series of four HLS images at 30 m, 1 to 6 "
    "months apart",
    envelope=Envelope(
        source="arXiv 2412.02732: 4.2 million series of four HLS images",
        levels={"hls": ()},
        pixel_m={"hls": (30, 30), "s2": (30, 30)},
        image_px=(224, 224),
        image_m=(6720, 6720),
        patch_px=(14, 16),
        frames=(4, 4),
        window_days=(90, 550),
        normalizations=("prithvi",),
        radiometry="reflectance x 10000",
        regions="global",
    ),
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. A "
        "patch is 16 px, and 14 px in the 600m variants. The `_tl` variants are told the year and "
        "the day of the year of every frame, and the tile's latitude and longitude; `300m` and "
        "`600m` are not. A token map is the mean over frames. Positions of images other than 224 "
        "px are stretched to them, as upstream does. A missing pixel is a band's mean, which is "
        "what upstream gives one. Trained on HLS, which is Landsat and Sentinel-2 brought "
        "together at 30 m; Sentinel-2's own bands B2, B3, B4, B8A, B11 and B12 stand in for it. "
        "A tile of 224 px at 30 m is 6.7 km wide, which is then fetched around a smaller ROI; a "
        "smaller image_size needs less."
    ),
)
