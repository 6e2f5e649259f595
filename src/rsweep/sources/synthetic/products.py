"""What other instruments make of the same world: top of the atmosphere, heat, heights.

Constants are invented, and typical: a clear mid-latitude atmosphere, a sun 53 degrees high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rsweep.core.sensors import SENSORS
from rsweep.sources.synthetic.clouds import Sky
from rsweep.sources.synthetic.noise import Floats, fractal, ramp, stream
from rsweep.sources.synthetic.spectra import BANDS, Float32
from rsweep.sources.synthetic.world import WATER

STEP = 64
"""Kelvins and metres are averaged in whole 64ths."""
_PATH = np.array([1050, 820, 500, 300, 240, 190, 155, 125, 105, 50, 12, 10, 5], np.float32)
"""Reflectance x 10000 of the air itself, by `spectra.BANDS`."""
_PASSED = np.array(
    [0.78, 0.82, 0.86, 0.90, 0.90, 0.91, 0.93, 0.93, 0.95, 0.45, 0.0, 0.96, 0.93], np.float32
)
"""Share of the ground's light that comes through; water vapour takes all of B10's."""
NESTED = (6, 3, 2, 1)
"""Cells a side of a native pixel that nest in 60 m."""
RTC_DB = 1.03
"""Gamma nought over sigma nought on flat ground: 1 / cos of an incidence angle of 38 degrees."""


@dataclass(frozen=True)
class Imager:
    """An instrument that sees light and heat.

    Attributes:
        sensor: its name in `SENSORS`.
        light: its bands that see light -> the band of `spectra.BANDS` that stands for each.
        cooler_k: its thermal bands -> kelvins by which each reads below the ground.
        above_air: True if it measures at the top of the atmosphere.
    """

    sensor: str
    light: Mapping[str, str]
    cooler_k: Mapping[str, float] = field(default_factory=dict)
    above_air: bool = False

    def cells_a_side(self, band: str) -> int:
        """Side of a band's native pixel in 10 m cells, or the largest that nests."""
        native = SENSORS[self.sensor].bands[band].native_m / 10
        return next(size for size in NESTED if size <= native)

    def stored(self, band: str, mean: NDArray[np.int64]) -> NDArray[np.number]:
        """Values of a band as scenes hold them, of the mean of its cells."""
        if self.sensor == "modis_toa":
            divisor = STEP if band in self.cooler_k else 100
            return (mean / divisor).astype(np.float32)
        numbers = mean
        if self.sensor == "landsat_l1":
            numbers = _thermal(band, mean) if band in self.cooler_k else 4 * mean + 5000
        dtype = np.dtype(SENSORS[self.sensor].dtype)
        return np.minimum(np.maximum(numbers, 1), np.iinfo(dtype).max).astype(dtype)


def _thermal(band: str, kelvin: NDArray[np.int64]) -> NDArray[np.int64]:
    """Level-1 numbers around 290 K, by the tangent of Planck's law in each band."""
    at_290, per_kelvin = {"B10": (24330, 391), "B11": (22938, 337)}[band]
    return at_290 + ((kelvin - 290 * STEP) * per_kelvin) // STEP


def _same(bands: str) -> dict[str, str]:
    return {band: band for band in bands.split()}


_OLI = {"B1": "B1", "B2": "B2", "B3": "B3", "B4": "B4", "B5": "B8A", "B6": "B11", "B7": "B12"}
IMAGERS: Mapping[str, Imager] = {
    "s2": Imager("s2", _same(" ".join(BANDS))),
    "s2_l1c": Imager("s2_l1c", _same(" ".join(BANDS)), above_air=True),
    "landsat": Imager("landsat", _OLI),
    "hls": Imager(
        "hls",
        {"BLUE": "B2", "GREEN": "B3", "RED": "B4", "NIR": "B8A", "SWIR1": "B11", "SWIR2": "B12"},
    ),
    "modis": Imager(
        "modis",
        {
            "b01": "B4",
            "b02": "B8A",
            "b03": "B2",
            "b04": "B3",
            "b05": "B8A",
            "b06": "B11",
            "b07": "B12",
        },
    ),
    "landsat_l1": Imager(
        "landsat_l1", {**_OLI, "B8": "B3", "B9": "B10"}, {"B10": 0.0, "B11": 1.0}, above_air=True
    ),
    "modis_toa": Imager(
        "modis_toa",
        {"1": "B4", "2": "B8A", "3": "B2", "26": "B10", "6": "B11", "7": "B12"},
        {
            "20": -3.0,
            "27": 45.0,
            "28": 30.0,
            "29": 2.0,
            "31": 0.0,
            "32": 1.0,
            "33": 15.0,
            "34": 30.0,
        },
        above_air=True,
    ),
}


def through_air(ground: Float32, bands: tuple[str, ...]) -> Float32:
    """Reflectance x 10000 [C, H, W] at the top of the atmosphere of that on the ground."""
    index = np.array([BANDS.index(band) for band in bands], np.intp)
    return _PATH[index, None, None] + _PASSED[index, None, None] * ground


def heat(kind: NDArray[np.uint8], green: Float32, above: Sky, day: float) -> NDArray[np.int32]:
    """Temperature of what is seen in 64ths of a kelvin [H, W], on a day of the year.

    Bare ground is warmer than plants, the more so in summer; water is steady; clouds are cold.
    """
    when = np.array([day])
    half = ramp(when, 20.0, 205.0) - ramp(when, 205.0, 390.0)
    warm = np.float32(half[0])  # 0 in midwinter, 1 in midsummer
    land = 270 + 24 * warm + (1 - green) * (2 + 9 * warm)
    ground = np.where(kind == WATER, 276 + 16 * warm, land).astype(np.float32)
    seen = ground - 18 * above.cirrus - above.cloud * (ground - 250)
    kelvins: NDArray[np.int32] = np.rint(seen * STEP).astype(np.int32)
    return kelvins


def heights(x: Floats, y: Floats, zone: int, seed: int) -> NDArray[np.int32]:
    """Metres above the sea in 64ths at positions; woods and bare rock lie on the higher land."""
    relief = fractal(stream(seed, zone, "relief"), x, y, 16_000.0, 4)
    rough = fractal(stream(seed, zone, "slopes"), x, y, 1_100.0, 3)
    metres = 420.0 + 180.0 * relief + 9.0 * rough
    rounded: NDArray[np.int32] = np.rint(metres * STEP).astype(np.int32)
    return rounded
