"""What the bands of a sensor are: names, wavelengths, units and what is missing.

A collection (see each source) delivers a sensor's bands under the names used here; models name
bands by them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """Centre wavelength in µm (for radar 0), and native pixel in metres."""

    wavelength_um: float
    native_m: int


@dataclass(frozen=True)
class Sensor:
    """A kind of measurement.

    Attributes:
        bands: name -> band, in the sensor's own order.
        unit: unit of a frame's values: "reflectance x 10000", "dB", "m", ….
        nodata: value of a missing raw pixel in a scene.
        dtype: type in which scenes are stored.
        decibel: True if averages are taken of linear power and expressed in dB again.
        static: True if there is one image for all time, so that no window or frame chooses it.
    """

    bands: Mapping[str, Band]
    unit: str
    nodata: float
    dtype: str
    decibel: bool = False
    static: bool = False

    @property
    def sees_clouds(self) -> bool:
        """True if clouds can hide the ground: of light, not of radar or a static product."""
        return not (self.decibel or self.static)


REFLECTANCE = "reflectance x 10000"
_S2 = {
    "B1": Band(0.443, 60),
    "B2": Band(0.490, 10),
    "B3": Band(0.560, 10),
    "B4": Band(0.665, 10),
    "B5": Band(0.705, 20),
    "B6": Band(0.740, 20),
    "B7": Band(0.783, 20),
    "B8": Band(0.842, 10),
    "B8A": Band(0.865, 20),
    "B9": Band(0.945, 60),
    "B10": Band(1.375, 60),
    "B11": Band(1.610, 20),
    "B12": Band(2.190, 20),
}
_S1 = {"VV": Band(0.0, 10), "VH": Band(0.0, 10)}
_LANDSAT = {
    "B1": Band(0.443, 30),
    "B2": Band(0.482, 30),
    "B3": Band(0.561, 30),
    "B4": Band(0.655, 30),
    "B5": Band(0.865, 30),
    "B6": Band(1.609, 30),
    "B7": Band(2.201, 30),
}

SENSORS: Mapping[str, Sensor] = {
    # Surface reflectance (Level-2A), and the reflectance at the top of the atmosphere (Level-1C).
    "s2": Sensor(_S2, REFLECTANCE, nodata=0, dtype="uint16"),
    "s2_l1c": Sensor(_S2, REFLECTANCE, nodata=0, dtype="uint16"),
    # Sigma nought on the ellipsoid (GRD), and gamma nought on the terrain (RTC).
    "s1": Sensor(_S1, "dB", nodata=float("nan"), dtype="float32", decibel=True),
    "s1_rtc": Sensor(_S1, "dB", nodata=float("nan"), dtype="float32", decibel=True),
    # Surface reflectance (Collection 2 Level 2), and the numbers of Collection 2 Level 1.
    "landsat": Sensor(_LANDSAT, REFLECTANCE, nodata=0, dtype="uint16"),
    "landsat_l1": Sensor(
        {
            **_LANDSAT,
            "B8": Band(0.590, 15),
            "B9": Band(1.373, 30),
            "B10": Band(10.895, 30),
            "B11": Band(12.005, 30),
        },
        "digital number",
        nodata=0,
        dtype="uint16",
    ),
    "hls": Sensor(
        {
            "BLUE": Band(0.490, 30),
            "GREEN": Band(0.560, 30),
            "RED": Band(0.660, 30),
            "NIR": Band(0.865, 30),
            "SWIR1": Band(1.610, 30),
            "SWIR2": Band(2.200, 30),
        },
        REFLECTANCE,
        nodata=-9999,
        dtype="int16",
    ),
    "modis": Sensor(
        {
            "b01": Band(0.645, 500),
            "b02": Band(0.858, 500),
            "b03": Band(0.469, 500),
            "b04": Band(0.555, 500),
            "b05": Band(1.240, 500),
            "b06": Band(1.640, 500),
            "b07": Band(2.130, 500),
        },
        REFLECTANCE,
        nodata=-28672,
        dtype="int16",
    ),
    # Level 1B at the top of the atmosphere, bands by their numbers.
    "modis_toa": Sensor(
        {
            "1": Band(0.645, 250),
            "2": Band(0.858, 250),
            "3": Band(0.469, 500),
            "26": Band(1.375, 1000),
            "6": Band(1.640, 500),
            "20": Band(3.750, 1000),
            "7": Band(2.130, 500),
            "27": Band(6.715, 1000),
            "28": Band(7.325, 1000),
            "29": Band(8.550, 1000),
            "31": Band(11.030, 1000),
            "32": Band(12.020, 1000),
            "33": Band(13.335, 1000),
            "34": Band(13.635, 1000),
        },
        "reflectance in %, or brightness temperature in K",
        nodata=float("nan"),
        dtype="float32",
    ),
    "alphaearth": Sensor(
        {f"A{i:02d}": Band(0.0, 10) for i in range(64)},
        "embedding",
        nodata=float("nan"),
        dtype="float32",
    ),
    "tessera_annual": Sensor(
        {f"T{i:03d}": Band(0.0, 10) for i in range(128)},
        "embedding",
        nodata=float("nan"),
        dtype="float32",
    ),
    "dem": Sensor({"DEM": Band(0.0, 30)}, "m", nodata=float("nan"), dtype="float32", static=True),
}
"""Centres of the spectral responses published by ESA (Sentinel-2A), USGS (Landsat) and NASA."""
