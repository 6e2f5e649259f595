"""OlmoEarth as data: band sets, statistics, versions and sizes, what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

_S1_SETS = (("VV", "VH"),)
BAND_SETS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "s2": (
        ("B2", "B3", "B4", "B8"),
        ("B5", "B6", "B7", "B8A", "B11", "B12"),
        ("B1", "B9"),
    ),
    "s1": _S1_SETS,
    "s1_rtc": _S1_SETS,
    "landsat_l1": (("B8",), ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B9", "B10", "B11")),
}
"""Sensor -> its bands in order, in the sets of version 1; later versions have all in one set."""

_NEIGHBOURS_NM: Mapping[str, tuple[Mapping[str, int], ...]] = {
    "s2": (
        {
            "B1": 443,
            "B2": 490,
            "B3": 560,
            "B4": 665,
            "B5": 705,
            "B6": 740,
            "B7": 783,
            "B8": 842,
            "B8A": 865,
            "B9": 945,
            "B11": 1610,
            "B12": 2190,
        },
    ),
    "landsat_l1": (
        {
            "B1": 443,
            "B2": 482,
            "B3": 561,
            "B8": 590,
            "B4": 655,
            "B5": 865,
            "B9": 1373,
            "B6": 1609,
            "B7": 2201,
        },
        {"B10": 10900, "B11": 12000},
    ),
}
"""Sensor -> groups of bands that stand in for one another in version 1, by wavelength."""

_S1_STATS = {
    "VV": (-11.648990747328444, 10.840350299936597),
    "VH": (-17.745436133270044, 10.216274681392647),
}
_STATS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "s2": {
        "B2": (1188.9412572078477, 1859.1923971769581),
        "B3": (1407.7739105458452, 1727.7387413631088),
        "B4": (1513.0573882432757, 1740.7757298757895),
        "B8": (2755.481305028308, 1612.2565699990187),
        "B5": (1890.9893042634167, 1754.7320388511766),
        "B6": (2483.7812315422448, 1622.1172720635755),
        "B7": (2722.728248756412, 1621.8226170190276),
        "B8A": (2885.570263047681, 1611.3587521042082),
        "B11": (2562.852607796968, 1441.5471830655151),
        "B12": (1914.1383249044113, 1328.8914382756407),
        "B1": (1115.8494388252218, 1955.6991794280914),
        "B9": (3269.812554170875, 2651.088425085525),
    },
    "s1": _S1_STATS,
    "s1_rtc": _S1_STATS,
    "landsat_l1": {
        "B8": (10132.090998288624, 7788.7282476413675),
        "B1": (11000.959519415692, 7857.9205791510285),
        "B2": (10493.416292898208, 7872.392135393957),
        "B3": (10146.318478942761, 7676.2774595217115),
        "B4": (10236.446029167704, 8038.218121686258),
        "B5": (14427.021492873682, 9302.431605916356),
        "B6": (12164.08145353199, 7442.390533225441),
        "B7": (9712.032951062303, 6037.712185433222),
        "B9": (4585.469566989013, 2549.745355740949),
        "B10": (21347.89356940543, 10957.2815012006),
        "B11": (19686.23205859348, 9911.421224126807),
    },
}
"""Mean and standard deviation in the pre-training set: reflectance x 10000, dB, digital numbers."""

MAX_FRAMES = 12
PATCHES = tuple(range(1, 9))
_SOURCE = "olmoearth_pretrain computed.json: (x - (mean - 2 std)) / (4 std), not clipped"


def version(variant: str) -> str:
    """`v1`, `v1_1`, `v1_2` or `v1_3`, of a variant."""
    return variant.rpartition("_")[0]


def bands(sensor: str) -> list[str]:
    """Every band of a sensor in the network's order."""
    return [band for names in BAND_SETS[sensor] for band in names]


def _normalization(sensor: str) -> Normalization:
    """To about 0..1; a missing pixel is 0, as upstream makes it where a value is missing."""
    stats = {band: (mean - 2 * std, 4 * std) for band, (mean, std) in _STATS[sensor].items()}
    return Normalization(stats, _SOURCE)


def _constants(settings: ProfileSettings) -> dict[str, Any]:
    """Sensor -> for each band of the network (which of those fed it is made of, factor, addend).

    Version 1 is fed a band that is missing as its nearest neighbour in wavelength (the shorter of
    two as near), if it has one; it and later versions as zero otherwise.
    """
    copies = version(settings["variant"]) == "v1"
    return {
        needed.sensor: [list(row) for row in _feeds(needed.sensor, _fed(settings, needed), copies)]
        for needed in CARD.modalities[settings["modality"]]
    }


def _fed(settings: ProfileSettings, needed: SensorInput) -> list[str]:
    own = [band for band in settings["bands"] or () if band in bands(needed.sensor)]
    return own or list(needed.bands)


def _feeds(sensor: str, fed: Sequence[str], copies: bool) -> list[tuple[int, float, float]]:
    rows = []
    for band in bands(sensor):
        nearest = _nearest(sensor, band, fed) if copies else None
        if band in fed:
            rows.append((fed.index(band), 1.0, 0.0))
        elif nearest:
            rows.append((fed.index(nearest), *_restated(sensor, nearest, band)))
        else:
            rows.append((0, 0.0, 0.0))
    return rows


def _nearest(sensor: str, band: str, fed: Sequence[str]) -> str | None:
    """The band fed that is nearest to another of its group; None if there is none."""
    group: Mapping[str, int] = next((g for g in _NEIGHBOURS_NM.get(sensor, ()) if band in g), {})
    there = [name for name in fed if name in group]
    return min(there, key=lambda n: (abs(group[n] - group[band]), group[n]), default=None)


def _restated(sensor: str, source: str, band: str) -> tuple[float, float]:
    """Factor and addend that restate values normalised as one band as those of another."""
    (mean_a, std_a), (mean_b, std_b) = _STATS[sensor][source], _STATS[sensor][band]
    low_a, low_b = mean_a - 2 * std_a, mean_b - 2 * std_b
    return std_a / std_b, (low_a - low_b) / (4 * std_b)


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], settings["patch_size"], "patch_size")


_SIZES = {
    "nano": (128, 4, 8),
    "tiny": (192, 12, 3),
    "small": (384, 12, 6),
    "base": (768, 12, 12),
    "large": (1024, 24, 16),
}
"""Size -> width of a token, blocks, heads."""

_PUBLISHED = {
    "v1_2": {"base": 114.0, "nano": 1.7, "tiny": 12.5, "small": 35.6},
    "v1_3": {"base": 114.0},
    "v1_1": {"nano": 1.7, "tiny": 12.5, "base": 114.0},
    "v1": {"nano": 1.4, "tiny": 6.2, "base": 89.0, "large": 308.0},
}
"""Version -> size -> parameters of the encoder in millions, the default first."""


def _variant(version: str, size: str, parameters_m: float) -> Variant:
    checkpoint = Checkpoint(f"allenai/OlmoEarth-{version}-{size.capitalize()}", "weights.pth")
    return Variant(*_SIZES[size], parameters_m, checkpoint)


_S2, _S1, _RTC, _LANDSAT = (
    SensorInput(sensor, tuple(bands(sensor)), bands_free=True)
    for sensor in ("s2", "s1", "s1_rtc", "landsat_l1")
)

CARD = ModelCard(
    id="olmoearth",
    title="OlmoEarth",
    paper="Herzog et al. 2025, OlmoEarth: Stable Latent Image Modeling for Multimodal Earth "
    "Observation, arXiv:2511.13655",
    modalities={
        "s2": (_S2,),
        "s1": (_S1,),
        "s1_rtc": (_RTC,),
        "landsat_l1": (_LANDSAT,),
        "s1+s2": (_S2, _S1),
        "s1_rtc+s2": (_S2, _RTC),
        "s1_rtc+s2+landsat_l1": (_S2, _RTC, _LANDSAT),
    },
    normalizations={"olmoearth": {sensor: _normalization(sensor) for sensor in BAND_SETS}},
    variants={
        f"{version}_{size}": _variant(version, size, parameters_m)
        for version, sizes in _PUBLISHED.items()
        for size, parameters_m in sizes.items()
    },
    defaults={
        "image_size": 64,
        "patch_size": 4,
        "scale_m": 10,
        "frames": "auto",
        "frame_policy": "30d",
        "pooling": "mean",
        "resample": "bilinear",
    },
    allowed={"patch_size": PATCHES},
    groups=lambda settings: (TokenGroup("patch", settings["patch_size"]),),
    check=_check,
    vectors=("model",),
    frames_range=(1, MAX_FRAMES),
    side_inputs=("day_of_year", "month", "year", "gsd", "valid"),
    constants=_constants,
    licence_code="Apache-2.0 (olmoearth-pretrain-minimal)",
    licence_weights="OlmoEarth Artifact License: no military and no extractive-industry use",
    pretraining="masked modelling in latent space of Sentinel-2 L2A, Sentinel-1 and Landsat 8/9 "
    "series of a year, with land-cover, elevation, canopy-height and street maps as targets",
    envelope=Envelope(
        source="arXiv 2511.13655, rslearn's page on the model, the pre-training configuration",
        levels={"s1_rtc": ("RTC",), "s2": ("L2A",), "landsat_l1": ("L1",)},
        pixel_m=dict.fromkeys(BAND_SETS, (10, 10)),
        image_px=(None, 128),
        patch_px=(1, 8),
        frames=(None, 12),
        window_days=(None, 366),
        normalizations=("olmoearth",),
        radiometry="reflectance x 10000, dB, Landsat digital numbers",
        regions="global",
    ),
    notes=(
        "Tokens are patches x frames x band sets (three of Sentinel-2 and two of Landsat in v1, "
        "one later); a token map is their mean over frames and sets by sensor, and then over "
        "sensors; `model` is the mean over all visible tokens. A patch smaller than 8 px is "
        "stretched to 8 px, as upstream does, so small patches cost as much each as large ones. "
        "v1 and v1_1 tell the network the number of the frame, the month and the place in the "
        "tile; v1_2 and v1_3 the day and the place by rotation. v1_3 gives the tokens of its "
        "encoder: its attention pooler is left out. The place counts metres, from `scale_m` "
        "and any resizing. A patch without a valid pixel in a frame is hidden from the network; "
        "in a patch seen in part, the rest takes the mean of what was seen; a patch never seen is "
        "NaN. Hidden tokens are masked for each tile by itself, where upstream lets padding take "
        "part in a batch of unlike tiles. `bands` may leave some out: v1 is then fed the nearest "
        "in wavelength, later versions zero. Trained on Sentinel-1 RTC: `s1` feeds GRD with the "
        "same statistics. A frame of several sensors has the date of the first that saw something "
        "(Sentinel-2, then -1). No published checkpoint has been loaded here; upstream pins no "
        "revision."
    ),
)
