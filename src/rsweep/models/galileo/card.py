"""Galileo as data: bands and their groups, normalisations, sizes, what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping

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

_S2_GROUPS = {
    "S2_RGB": ("B2", "B3", "B4"),
    "S2_Red_Edge": ("B5", "B6", "B7"),
    "S2_NIR_10m": ("B8",),
    "S2_NIR_20m": ("B8A",),
    "S2_SWIR": ("B11", "B12"),
}
BAND_GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "s2": _S2_GROUPS,
    "s2_l1c": _S2_GROUPS,
    "s1": {"S1": ("VV", "VH")},
}
"""Sensor -> the channel groups that it fills, each one token per patch and frame."""

MAX_FRAMES = 24
"""Rows of the network's table of time positions."""

_S2_STATS = {
    "B2": (1395.3408730676722, 917.7041440370853),
    "B3": (1338.4026921784578, 913.2988423581528),
    "B4": (1343.09883810357, 1092.678723527555),
    "B5": (1543.8607982512297, 1047.2206083460424),
    "B6": (2186.2022069512263, 1048.0101611156767),
    "B7": (2525.0932853316694, 1143.6903026819996),
    "B8": (2410.3377187373408, 1098.979177731649),
    "B8A": (2750.2854646886753, 1204.472755085893),
    "B11": (2234.911100061487, 1145.9774063078878),
    "B12": (1474.5311266077113, 980.2429840007796),
}
_STATS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "s2": _S2_STATS,
    "s2_l1c": _S2_STATS,
    "s1": {
        "VV": (-11.728724389184965, 4.887145774840316),
        "VH": (-18.85558188024017, 5.730270320384293),
    },
}
"""Mean and standard deviation in the pre-training set: reflectance x 10000, and dB."""

_REVISION = "f039dd5dde966a931baeda47eb680fa89b253e4e"
"""The commit that torchgeo and rslearn take these weights from."""

_FILE = "nasaharvest/galileo config/normalization.json (table 13)"


def _normalization(
    sensor: str, shift: float, scale: float, source: str, raw: bool = False
) -> Normalization:
    """(x - (mean - shift*std)) / (scale*std), or raw values; a missing pixel is the mean."""
    stats = _STATS[sensor]
    return Normalization(
        stats={b: (0.0, 1.0) if raw else (m - shift * s, scale * s) for b, (m, s) in stats.items()},
        center={band: mean for band, (mean, _) in stats.items()},
        source=source,
    )


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    return multiple_of("image_size", settings["image_size"], settings["patch_size"], "patch_size")


def _variant(name: str, width: int, depth: int, heads: int, parameters_m: float) -> Variant:
    checkpoint = Checkpoint("nasaharvest/galileo", f"models/{name}/encoder.pt", _REVISION)
    return Variant(width, depth, heads, parameters_m, checkpoint)


_S1 = SensorInput("s1", ("VV", "VH"))
_S2, _L1C = (SensorInput(sensor, tuple(_S2_STATS)) for sensor in ("s2", "s2_l1c"))

CARD = ModelCard(
    id="galileo",
    title="Galileo",
    paper="Tseng et al. 2025, Galileo: Learning Global & Local Features of Many Remote Sensing "
    "Modalities, ICML, arXiv:2502.09356",
    modalities={
        "s2": (_S2,),
        "s2_l1c": (_L1C,),
        "s1": (_S1,),
        "s1+s2": (_S2, _S1),
        "s1+s2_l1c": (_L1C, _S1),
    },
    normalizations={
        "galileo": {
            sensor: _normalization(sensor, 2, 4, f"{_FILE}: (x - (mean - 2 std)) / (4 std)")
            for sensor in _STATS
        },
        "zscore": {
            sensor: _normalization(sensor, 0, 1, f"{_FILE}, as (x - mean) / std (rs-embed)")
            for sensor in _STATS
        },
        "raw": {
            sensor: _normalization(sensor, 0, 1, "none (rs-embed's default)", raw=True)
            for sensor in _STATS
        },
    },
    variants={
        "nano": _variant("nano", 128, 4, 8, 1.04),
        "tiny": _variant("tiny", 192, 12, 3, 5.71),
        "base": _variant("base", 768, 12, 12, 86.5),
    },
    defaults={
        "image_size": 64,
        "patch_size": 8,
        "scale_m": 10,
        "frames": "auto",
        "frame_policy": "30d",
        "pooling": "mean",
        "resample": "bilinear",
    },
    allowed={"patch_size": tuple(range(1, 9))},
    groups=lambda settings: (TokenGroup("patch", settings["patch_size"]),),
    check=_check,
    vectors=("model",),
    frames_range=(1, MAX_FRAMES),
    side_inputs=("month", "gsd", "valid"),
    licence_code="MIT",
    licence_weights="MIT",
    pretraining="127,155 places: Sentinel-2 L1C and Sentinel-1 in monthly composites (12 steps of "
    "30 days), with ERA5, TerraClimate, VIIRS, SRTM, Dynamic World, WorldCereal, LandScan",
    envelope=Envelope(
        source="arXiv 2502.09356 and its pre-training configuration",
        levels={"s1": ("GRD",), "s2": ("L1C",), "s2_l1c": ("L1C",)},
        pixel_m={"s1": (10, 10), "s2": (10, 10), "s2_l1c": (10, 10)},
        image_px=(None, 96),
        patch_px=(1, 8),
        frames=(3, 12),
        window_days=(90, 366),
        normalizations=("galileo",),
        radiometry="reflectance x 10000, dB",
        regions="global: 127,155 places",
    ),
    notes=(
        "Trained with patches of 1 to 8 px, token grids of 4 to 12 per side and 3 to 12 frames; "
        "other grids and up to 24 frames run, unproven. Tokens are patches x frames x channel "
        "groups, and a token map is their mean over frames and groups; `model` is the mean over "
        "all visible tokens, which weighs a patch by what was seen there. "
        "A patch without a valid pixel in a frame is hidden from the network, group by group; in "
        "a patch seen in part, the rest takes the mean of what was seen. A patch never seen is "
        "NaN. NDVI stays hidden, as in upstream's own construct_galileo_input. A frame of S1 "
        "beside S2 has the month of S2's, where there is one. The network is told metres per "
        "pixel of each tile. It was trained on Level 1C, which is `s2_l1c`; `s2` feeds surface "
        "reflectance with the same statistics. No published checkpoint has been loaded here."
    ),
)
