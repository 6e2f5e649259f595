"""Means and standard deviations of published training sets that several models use."""

from __future__ import annotations

from collections.abc import Mapping

from rsweep.models.card import Normalization

Stats = Mapping[str, tuple[float, float]]
"""Band -> (mean, standard deviation), in the sensor's unit."""

CLEAR_S2: Mapping[str, float] = {
    "B1": 740,
    "B2": 530,
    "B3": 758,
    "B4": 558,
    "B5": 1256,
    "B6": 2435,
    "B7": 2810,
    "B8": 2895,
    "B8A": 3442,
    "B9": 1582,
    "B10": 11,
    "B11": 1993,
    "B12": 1258,
}
"""Band -> median reflectance x 10000 of clear scenes of European fields and forest: what a missing
pixel is given where a model's own mean is that of cloud or snow. By
`tools/input_statistics.py DATA --bands`."""

S2_L2A_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
S2_L1C_BANDS = (*S2_L2A_BANDS[:10], "B10", *S2_L2A_BANDS[10:])


def _stats(bands: tuple[str, ...], means: tuple[float, ...], stds: tuple[float, ...]) -> Stats:
    return dict(zip(bands, zip(means, stds, strict=True), strict=True))


TERRAMESH_SOURCE = "TerraMesh (9 million places), as terratorch has it for TerraMind 1.0"
TERRAMESH: Mapping[str, Stats] = {
    "s2": _stats(
        S2_L2A_BANDS,
        (
            1390.458,
            1503.317,
            1718.197,
            1853.91,
            2199.1,
            2779.975,
            2987.011,
            3083.234,
            3132.22,
            3162.988,
            2424.884,
            1857.648,
        ),
        (
            2106.761,
            2141.107,
            2038.973,
            2134.138,
            2085.321,
            1889.926,
            1820.257,
            1871.918,
            1753.829,
            1797.379,
            1434.261,
            1334.311,
        ),
    ),
    "s2_l1c": _stats(
        S2_L1C_BANDS,
        (
            2357.089,
            2137.385,
            2018.788,
            2082.986,
            2295.651,
            2854.537,
            3122.849,
            3040.56,
            3306.481,
            1473.847,
            506.07,
            2472.825,
            1838.929,
        ),
        (
            1624.683,
            1675.806,
            1557.708,
            1833.702,
            1823.738,
            1733.977,
            1732.131,
            1679.732,
            1727.26,
            1024.687,
            442.165,
            1331.411,
            1160.419,
        ),
    ),
    "s1": _stats(("VV", "VH"), (-12.599, -20.293), (5.195, 5.890)),
    "s1_rtc": _stats(("VV", "VH"), (-10.93, -17.329), (4.391, 4.459)),
    "dem": _stats(("DEM",), (670.665,), (951.272,)),
}
"""Sensor -> band -> (mean, std): reflectance x 10000, dB, metres."""

SSL4EO_SOURCE = "SSL4EO-S12 (50,000 samples), as published with the data set"
SSL4EO: Mapping[str, Stats] = {
    "s2": _stats(
        S2_L2A_BANDS,
        (
            752.40087073,
            884.29673756,
            1144.16202635,
            1297.47289228,
            1624.90992062,
            2194.6423161,
            2422.21248945,
            2517.76053101,
            2581.64687018,
            2645.51888987,
            2368.51236873,
            1805.06846033,
        ),
        (
            1108.02887453,
            1155.15170768,
            1183.6292542,
            1368.11351514,
            1370.265037,
            1355.55390699,
            1416.51487101,
            1474.78900051,
            1439.3086061,
            1582.28010962,
            1455.52084939,
            1343.48379601,
        ),
    ),
    "s1": _stats(("VV", "VH"), (-12.54847273, -20.19237134), (5.25697717, 5.91150917)),
}
"""Sensor -> band -> (mean, std): surface reflectance x 10000, dB."""


def terramesh(sensor: str, source: str = "{}") -> Normalization:
    """A sensor standardised by TerraMesh, much of which is cloud and snow: a missing reflectance is
    that of clear ground.

    Args:
        sensor: one of `TERRAMESH`.
        source: what else there is to say, with {} for the data set.
    """
    center = CLEAR_S2 if sensor in ("s2", "s2_l1c") else {}
    return Normalization(TERRAMESH[sensor], source.format(TERRAMESH_SOURCE), center=center)
