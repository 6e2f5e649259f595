"""TESSERA as data: networks and their statistics, how many observations, what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
)
from rsweep.models.envelope import Envelope

S2_BANDS = ("B4", "B2", "B3", "B8", "B8A", "B5", "B6", "B7", "B11", "B12")
"""In upstream's order, which is not that of wavelengths."""

S1_BANDS = ("VV", "VH")
S1_GAIN, S1_OFFSET = 400.0, 10000.0
"""Upstream stores (2 dB + 50) x 200: it takes the logarithm of power as if it were amplitude."""

Statistics = Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
"""s2, s1 ascending, s1 descending -> mean and standard deviation by band."""


@dataclass(frozen=True)
class Network:
    """One trained network.

    Attributes:
        width: of an observation inside the network.
        heads, layers, feedforward: of its transformer.
        pooling: how observations become one vector: by a GRU of torch's kind, by upstream's own
            kind of GRU, or by attention alone.
        reducer: the last part: one linear layer or two.
        dimensions: numbers that it gives.
        qk_norm: whether queries and keys are normed.
        output_norm: whether the result is normed.
        sampling: how the observations of a pixel become a full sequence.
    """

    width: int
    heads: int
    layers: int
    feedforward: int
    pooling: str
    reducer: str
    dimensions: int
    sampling: str
    qk_norm: bool = False
    output_norm: bool = False


NETWORKS: Mapping[str, Network] = {
    "v1_1": Network(768, 4, 4, 2048, "own_gru", "two", 192, "v1_1"),
    "v1_qat": Network(512, 4, 4, 4096, "own_gru", "one", 128, "v1"),
    "v1_float": Network(512, 8, 8, 4096, "gru", "one", 128, "v1"),
    "v2_small": Network(256, 4, 4, 1024, "attention", "two", 128, "v2", output_norm=True),
}

_V1_S1 = ((5484.0407, 3003.7812), (1871.2334, 1726.0670))
_STATISTICS: Mapping[str, Statistics] = {
    "v1_1_mpc": {
        "s2": (
            (
                2683.4553,
                2223.3630,
                2432.0950,
                3633.1970,
                3602.1755,
                3006.4324,
                3400.2710,
                3515.6392,
                2456.9163,
                1983.8783,
            ),
            (
                2739.5217,
                2846.2993,
                2690.8250,
                2290.0439,
                2088.8970,
                2673.1106,
                2381.4521,
                2229.5225,
                1601.0942,
                1495.3545,
            ),
        ),
        "ascending": ((5588.3291, 3025.6270), (1713.4646, 1693.0471)),
        "descending": ((5552.9683, 2955.0520), (1685.5857, 1677.6414)),
    },
    "v1_1_aws": {
        "s2": (
            (
                2793.6589,
                2356.7776,
                2551.0496,
                3741.9229,
                3713.7844,
                3120.1997,
                3516.3342,
                3637.0342,
                2501.0283,
                2038.1504,
            ),
            (
                2810.0093,
                2933.8835,
                2755.6360,
                2344.5027,
                2145.7986,
                2743.9019,
                2438.8601,
                2286.5977,
                1680.7367,
                1585.5529,
            ),
        ),
        "ascending": ((5697.0859, 2838.6687), (1671.3737, 1789.4116)),
        "descending": ((5759.1367, 2873.2854), (1583.2858, 1747.8390)),
    },
    "v1": {
        "s2": (
            (
                1711.0938,
                1308.8511,
                1546.4543,
                3010.1293,
                3106.5083,
                2068.3044,
                2685.0845,
                2931.5889,
                2514.6928,
                1899.4922,
            ),
            (
                1926.1026,
                1862.9751,
                1803.1792,
                1741.7837,
                1677.4543,
                1888.7862,
                1736.3090,
                1715.8104,
                1514.5199,
                1398.4779,
            ),
        ),
        "ascending": _V1_S1,
        "descending": _V1_S1,
    },
    "v2": {
        "s2": (
            (
                1633.0042,
                1341.1090,
                1539.5536,
                3054.8269,
                3117.4658,
                2004.1648,
                2694.7275,
                2945.1504,
                2266.6079,
                1657.3094,
            ),
            (
                1999.4603,
                2014.7549,
                1929.2201,
                1754.2493,
                1649.9807,
                1936.8988,
                1748.6041,
                1708.6991,
                1207.5250,
                1108.6046,
            ),
        ),
        "ascending": ((5909.3921, 3405.0322), (1507.1750, 1531.2615)),
        "descending": ((5816.1382, 3277.7576), (1554.6475, 1546.4733)),
    },
}

VARIANTS: Mapping[str, tuple[str, str]] = {
    "v1_1_mpc": ("v1_1", "v1_1_mpc"),
    "v1_1_aws": ("v1_1", "v1_1_aws"),
    "v2_small": ("v2_small", "v2"),
    "v1_qat": ("v1_qat", "v1"),
    "v1_float": ("v1_float", "v1"),
}
"""Variant -> its network and its statistics."""


def network(variant: str) -> Network:
    """The network of a variant."""
    return NETWORKS[VARIANTS[variant][0]]


def _constants(settings: ProfileSettings) -> dict[str, Any]:
    """Sensor -> by orbit direction: mean and standard deviation by band, as in training.

    The first is for frames of both directions or of an unknown one: the average of the two. The
    others are ascending and descending. Sentinel-2 has one for all.
    """
    told = _STATISTICS[VARIANTS[settings["variant"]][1]]
    ascending, descending = told["ascending"], told["descending"]
    average = tuple(
        tuple((a + d) / 2 for a, d in zip(ascending[i], descending[i], strict=True)) for i in (0, 1)
    )
    radar = [average, ascending, descending]
    found: dict[str, list[Any]] = {"s2": [told["s2"]] * 3, "s1": radar, "s1_rtc": radar}
    return {
        n.sensor: [[list(row) for row in stats] for stats in found[n.sensor]]
        for n in CARD.modalities[settings["modality"]]
    }


def _check(settings: ProfileSettings) -> list[tuple[str, str]]:
    asked, most = settings["dimensions"], network(settings["variant"]).dimensions
    if asked > most:
        return [("dimensions", f"is {asked}; {settings['variant']} gives {most}")]
    return []


def _variant(name: str, parameters_m: float, checkpoint: Checkpoint | None = None) -> Variant:
    size = network(name)
    return Variant(size.width, size.layers, size.heads, parameters_m, checkpoint)


_S2 = SensorInput("s2", S2_BANDS)
_RTC, _S1 = SensorInput("s1_rtc", S1_BANDS), SensorInput("s1", S1_BANDS)
_RADAR = Normalization(
    stats=dict.fromkeys(S1_BANDS, (-S1_OFFSET, 1.0)),
    clip=(-25.0, 56.9175),
    gain=S1_GAIN,
    source="upstream's whole numbers, (2 dB + 50) x 200 from 0 to 32767; 0 is no data",
)

CARD = ModelCard(
    id="tessera",
    title="TESSERA",
    paper="Feng et al. 2025, TESSERA: Temporal Embeddings of Surface Spectra for Earth "
    "Representation and Analysis, arXiv:2506.20380; v2 arXiv:2607.03949",
    modalities={
        "s1_rtc+s2": (_S2, _RTC),
        "s1+s2": (_S2, _S1),
        "s2": (_S2,),
        "s1_rtc": (_RTC,),
        "s1": (_S1,),
    },
    normalizations={
        "tessera": {
            "s2": Normalization(
                stats=dict.fromkeys(S2_BANDS, (0.0, 1.0)),
                source="none: the network standardises by the statistics of its variant",
            ),
            "s1_rtc": _RADAR,
            "s1": _RADAR,
        }
    },
    variants={
        "v1_1_mpc": _variant("v1_1_mpc", 57.7),
        "v1_1_aws": _variant("v1_1_aws", 57.7),
        "v2_small": _variant(
            "v2_small",
            7.1,
            Checkpoint("geotessera/TESSERA-V-2.0-2B-S", "ckpt/student_small.pt"),
        ),
        "v1_qat": _variant("v1_qat", 45.8),
        "v1_float": _variant("v1_float", 87.8),
    },
    defaults={
        "image_size": 16,
        "patch_size": 1,
        "scale_m": 10,
        "frames": "auto",
        "frame_policy": "day",
        "pooling": "mean",
        "resample": "nearest",
    },
    allowed={"patch_size": (1,), "final_norm": (True,)},
    knobs=(
        Knob(
            "dimensions",
            "infer",
            "int",
            128,
            "leading numbers of the vector that are kept; upstream keeps 128 of v1_1's 192",
            allowed=(16, 32, 64, 128, 192),
        ),
    ),
    groups=lambda settings: (TokenGroup("pixel", settings["patch_size"]),),
    own_layers=lambda settings: ("embedding",),
    check=_check,
    constants=_constants,
    frames_range=(1, 366),
    side_inputs=("day_of_year", "orbit", "valid"),
    licence_code="MIT",
    licence_weights="CC0-1.0",
    pretraining="two random samples of a pixel's observations in a year brought to the same vector "
    "(Barlow Twins), on Sentinel-2 L2A and Sentinel-1 RTC at 10 m; v2 distilled from a larger one",
    envelope=Envelope(
        source="arXiv 2506.20380 and upstream's README",
        levels={"s2": ("L2A",), "s1_rtc": ("RTC",)},
        pixel_m={"s2": (10, 10), "s1": (10, 10), "s1_rtc": (10, 10)},
        window_days=(365, 366),
        normalizations=("tessera",),
        radiometry="reflectance x 10000, (2 dB + 50) x 200",
        regions="global",
    ),
    notes=(
        "The network sees one pixel at a time: all pixels of a batch of tiles, of whatever ROI, "
        "are one list, and those with as many observations run together. A tile is only how they "
        "are stored, so image_size changes no pixel. "
        "`frame_policy: day` makes a frame of every day with a scene; steps of 30 days give the "
        "network composites instead, which it was not trained on. A missing observation is left "
        "out, not filled; a pixel without any is NaN. A day on which one of two sensors has no "
        "scene counts as half valid. The observations of a pixel are brought to a full sequence as "
        "upstream does, to the next multiple of 8 and at most 256, by repeating "
        "or leaving out some; v1 takes 40, at even steps here and at random upstream. A sensor "
        "that saw nothing of a pixel is one observation of zeros. "
        "Ascending and descending radar are standardised by statistics of their own, and the "
        "ascending come first; a frame of both, or of a direction that is not known, takes the "
        "average of the two, which differ by 2 %. "
        "The files of v1 and v1_1 have no stable address: take them from upstream's README and "
        "give the path as `weights`. v2_small's widths follow from its number of parameters; nano, "
        "medium and large are not here, since theirs are in the files alone. "
        "No published checkpoint has been loaded here."
    ),
)
