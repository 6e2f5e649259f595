"""What is known of TerraMind without torch. Paper: arXiv 2504.11171; weights: Hugging Face."""

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
from rsweep.models.pictures import RGB, TRUE_COLOUR
from rsweep.models.statistics import (
    CLEAR_S2,
    S2_L1C_BANDS,
    S2_L2A_BANDS,
    TERRAMESH_SOURCE,
    terramesh,
)

PATCH_PX = 16

INPUTS: Mapping[str, SensorInput] = {
    "s2": SensorInput("s2", S2_L2A_BANDS),
    "s2_l1c": SensorInput("s2_l1c", S2_L1C_BANDS),
    "rgb": SensorInput("s2", RGB),
    "s1": SensorInput("s1", ("VV", "VH")),
    "s1_rtc": SensorInput("s1_rtc", ("VV", "VH")),
    "dem": SensorInput("dem", ("DEM",)),
}
"""What a modality is made of: at most one radar, one optical and one terrain input."""

EMBEDDINGS: Mapping[str, str] = {
    "s2": "untok_sen2l2a@224",
    "s2_l1c": "untok_sen2l1c@224",
    "rgb": "untok_sen2rgb@224",
    "s1": "untok_sen1grd@224",
    "s1_rtc": "untok_sen1rtc@224",
    "dem": "untok_dem@224",
}
"""Input -> what the published checkpoint calls its patch embedding."""


def _modalities() -> Iterator[tuple[str, tuple[SensorInput, ...]]]:
    """Every choice of inputs: alone or joined, named radar+optical+terrain."""
    radar, optical, terrain = ("", "s1", "s1_rtc"), ("s2", "s2_l1c", "rgb", ""), ("", "dem")
    for parts in itertools.product(radar, optical, terrain):
        names = [part for part in parts if part]
        if names:
            yield "+".join(names), tuple(INPUTS[name] for name in names)


def _groups(settings: ProfileSettings) -> tuple[TokenGroup, ...]:
    return tuple(
        TokenGroup(needed.sensor, PATCH_PX) for needed in CARD.modalities[settings["modality"]]
    )


def _constants(settings: ProfileSettings) -> dict[str, Any]:
    """Sensor -> patch embedding: that of Sentinel-2 is another for three bands in 0..255."""
    inputs = settings["modality"].split("+")
    return {"embeddings": {INPUTS[name].sensor: EMBEDDINGS[name] for name in inputs}}


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    modality, chosen = settings["modality"], settings["normalization"]
    fitting = "terramind_rgb" if "rgb" in modality.split("+") else "terramind"
    problems = multiple_of("image_size", settings["image_size"], PATCH_PX, "the patch")
    if chosen != fitting:
        problems.append(
            ("normalization", f"is {chosen!r}; modality {modality} was trained with: {fitting}")
        )
    return problems


def _variant(name: str, width: int, depth: int, heads: int, parameters_m: float) -> Variant:
    checkpoint = Checkpoint(f"ibm-esa-geospatial/TerraMind-1.0-{name}", f"TerraMind_v1_{name}.pt")
    return Variant(width, depth, heads, parameters_m, checkpoint)


_NORMALIZATION = {needed.sensor: terramesh(needed.sensor) for needed in INPUTS.values()}

CARD = ModelCard(
    id="terramind",
    title="TerraMind 1.0",
    paper="https://arxiv.org/abs/2504.11171",
    modalities=dict(_modalities()),
    normalizations={
        "terramind": _NORMALIZATION,
        "terramind_rgb": _NORMALIZATION
        | {
            "s2": Normalization(
                {"B4": (87.271, 58.767), "B3": (80.931, 47.663), "B2": (66.667, 42.631)},
                f"{TERRAMESH_SOURCE}, S2RGB in 0..255. How it was made of reflectance is not "
                "published: white at 0.3, the usual true colour, is this project's, and puts clear "
                "ground where S2L2A has it",
                clip=(0.0, TRUE_COLOUR),
                gain=255 / TRUE_COLOUR,
                center={band: CLEAR_S2[band] * 255 / TRUE_COLOUR for band in RGB},
                truncate=True,
            )
        },
    },
    variants={
        "base": _variant("base", 768, 12, 12, 87.3),
        "tiny": _variant("tiny", 192, 12, 3, 5.9),
        "small": _variant("small", 384, 12, 6, 22.5),
        "large": _variant("large", 1024, 24, 16, 305.0),
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
    groups=_groups,
    check=_check,
    side_inputs=("valid",),
    constants=_constants,
    envelope=Envelope(
        source="arXiv 2504.11171: TerraMesh, crops of 224 px from tiles of 264 px at 10 m",
        levels={"s2": ("L2A",), "s2_l1c": ("L1C",), "s1": ("GRD",), "s1_rtc": ("RTC",), "dem": ()},
        pixel_m=dict.fromkeys(("s2", "s2_l1c", "s1", "s1_rtc", "dem"), (10, 10)),
        image_px=(224, 224),
        image_m=(2240, 2240),
        patch_px=(PATCH_PX, PATCH_PX),
        frames=(1, 1),
        normalizations=("terramind", "terramind_rgb"),
        radiometry="reflectance x 10000, dB, metres; RGB in 0..255",
        regions="global: 9 million places",
    ),
    licence_code="Apache-2.0",
    licence_weights="Apache-2.0",
    pretraining="TerraMesh: 9 million places of Sentinel-2 L1C, L2A and RGB, Sentinel-1 GRD and "
    "RTC, Copernicus DEM, NDVI and land cover at 10 m, 264 px cropped to 224; masked tokens of all "
    "kinds predicted from each other",
    notes=(
        "No published checkpoint has been loaded here: key names and shapes follow upstream. "
        "Inputs are told apart, not stacked: each has its own patch embedding, all tokens attend "
        "to each other, and each input is a token group of its own, named by its sensor. "
        "Upstream's merge_method is `group_merge`: mean (its default), max or concat; `pooling` "
        "follows, as upstream's. "
        "Upstream norms the last block alone: for its values of other blocks, set final_norm "
        "false. Images other than 224 px resize the table of positions. Reflectance is not "
        "clipped. A sensor that saw nothing of a tile is hidden from the others, and `group_merge` "
        "(mean or max) is over those that did. NDVI and land cover enter TerraMind as codes of "
        "tokenizers, networks of their own, and are not offered."
    ),
)
