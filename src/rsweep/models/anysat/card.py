"""AnySat as data: bands, normalisations, patch size in metres, what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping

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

PIXEL_M = 10
"""Metres per pixel that the network takes its Sentinel inputs to have."""

BLOCKS = 7
"""Six blocks of self-attention and the one that fuses the modalities."""

_Stats = Mapping[str, tuple[float, float]]

_GALILEO_S2: _Stats = {
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
_PASTIS_S2: _Stats = {
    "B2": (1161.6764, 2045.0698),
    "B3": (1371.4307, 1983.1763),
    "B4": (1423.4067, 2060.7969),
    "B5": (1759.7251, 1968.8173),
    "B6": (2714.5259, 1867.2159),
    "B7": (3055.8376, 1885.1361),
    "B8": (3197.8960, 1897.5105),
    "B8A": (3313.3577, 1885.1636),
    "B11": (2415.9675, 1542.7665),
    "B12": (1626.8431, 1375.2511),
}
_PASTIS_S1: _Stats = {"VV": (-10.9433, 3.3847), "VH": (-17.3600, 3.3727)}
_PASTIS_RATIO = (6.4167, 3.3874)  # of VV - VH in dB

RATIO_WEIGHTS = (_PASTIS_S1["VV"][1] / _PASTIS_RATIO[1], _PASTIS_S1["VH"][1] / _PASTIS_RATIO[1])
"""Weights of standardised VV and -VH in the standardised ratio VV - VH (dB).

(VV - VH - mean) / std is w_vv z_vv - w_vh z_vh, as the ratio's mean is the difference of theirs.
"""

_PASTIS_SOURCE = (
    "PASTIS-HD, one of the five training sets: pangaea-bench configs/dataset/pastis.yaml"
)
_GALILEO_SOURCE = (
    "nasaharvest/galileo config/normalization.json, a global set of monthly composites: upstream "
    "standardises each data set by its own statistics and publishes none for use elsewhere"
)


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    dense = settings["features"] == "dense"
    return (TokenGroup(settings["features"], 1 if dense else settings["patch_m"] // PIXEL_M),)


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    problems = []
    if settings["scale_m"] != PIXEL_M:
        problems.append(
            (
                "scale_m",
                f"is {settings['scale_m']:g}; anysat takes every pixel to be {PIXEL_M} m, "
                f"so its positions and patch_m would be wrong; allowed: {PIXEL_M}",
            )
        )
    metres = multiple_of("patch_m", settings["patch_m"], PIXEL_M, "the pixel in metres")
    if metres:
        return problems + metres
    patch = settings["patch_m"] // PIXEL_M
    return problems + multiple_of("image_size", settings["image_size"], patch, "patch_m / 10 m")


_S2 = SensorInput("s2", tuple(_GALILEO_S2))
_S1 = SensorInput("s1", tuple(_PASTIS_S1))

CARD = ModelCard(
    id="anysat",
    title="AnySat",
    paper="Astruc et al. 2025, AnySat: One Earth Observation Model for Many Resolutions, Scales, "
    "and Modalities, CVPR, arXiv:2412.14123",
    modalities={"s2": (_S2,), "s1": (_S1,), "s1+s2": (_S2, _S1)},
    normalizations={
        "dataset": {
            "s2": Normalization(_GALILEO_S2, _GALILEO_SOURCE),
            "s1": Normalization(_PASTIS_S1, _PASTIS_SOURCE),
        },
        "pastis": {
            "s2": Normalization(_PASTIS_S2, _PASTIS_SOURCE),
            "s1": Normalization(_PASTIS_S1, _PASTIS_SOURCE),
        },
        "tile_zscore": {
            "s2": Normalization(
                _GALILEO_S2,
                "each tile by its own statistics (rs-embed), which loses absolute reflectance",
                clip=(0.0, 10000.0),
                kind="tile_zscore",
            ),
            "s1": Normalization(_PASTIS_S1, "each tile by its own statistics", kind="tile_zscore"),
        },
    },
    variants={
        "base": Variant(768, BLOCKS, 12, 125.9, Checkpoint("g-astruc/AnySat", "models/AnySat.pth"))
    },
    defaults={
        "image_size": 24,
        "scale_m": PIXEL_M,
        "frames": 8,
        "frame_policy": "equal",
        "pooling": "mean",
        "resample": "bilinear",
    },
    allowed={"final_norm": (True,)},
    knobs=(
        Knob(
            "patch_m",
            "infer",
            "int",
            10,
            "side of a patch on the ground, a multiple of 10 m",
            minimum=10,
            maximum=81920,
            unit="m",
        ),
        Knob(
            "features",
            "infer",
            "str",
            "patch",
            "what a token map holds: a token per patch; or, dense, per pixel, the patch's token "
            "beside the pixel's own",
            allowed=("patch", "dense"),
        ),
    ),
    groups=_groups,
    own_layers=lambda settings: tuple(str(n + 1) for n in range(BLOCKS)),
    check=_check,
    vectors=("model",),
    frames_range=(1, 366),
    side_inputs=("day_of_year", "valid"),
    constants=lambda settings: (
        {"s1_ratio_weights": list(RATIO_WEIGHTS)} if "s1" in settings["modality"] else {}
    ),
    licence_code="MIT",
    licence_weights="MIT",
    pretraining="GeoPlex: TreeSatAI-TS, PASTIS-HD, FLAIR, PLANTED and S2NAIP-URBAN, eleven sensors "
    "from 0.2 to 250 m, self-supervised",
    envelope=Envelope(
        source="arXiv 2412.14123 and the released code, which fixes Sentinel-1 and -2 at 10 m",
        levels={
            "s1": (),
            "s2": (),
            "landsat": (),
            "modis": (),
            "alos": (),
            "aerial": (),
            "naip": (),
            "spot": (),
        },
        pixel_m={"s1": (10, 10), "s2": (10, 10)},
        image_m=(60, 1280),
        normalizations=("dataset",),
    ),
    notes=(
        "Attention is over all patches of a tile: upstream advises less than about 1024. Where a "
        "frame has no valid value for a pixel, the network's learned pad value takes its place; a "
        "frame without a valid pixel in the tile is left out. Positions are relative to the tile. "
        "input_prep: resize changes metres per pixel, which the network is not told. "
        "Radar is VV, VH and their ratio, VV - VH in dB, formed here from the two; with "
        "tile_zscore it keeps the same weights, so that only its variation means something. "
        "`model` is the tile token. `layer` 7, or last, is the fusing block; before it every "
        "modality has its own tokens, of which a map is the mean. There is no final norm to leave "
        "out. With dense, D is that of the patch tokens plus 768. "
        "No published checkpoint has been loaded here."
    ),
)
