"""The collections that Earth Engine serves, one entry each: bands, scale, quality, properties.

To add one, add an entry to `COLLECTIONS`; nothing else names a collection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rsweep.core.errors import SourceError
from rsweep.core.knobs import nearest
from rsweep.core.sensors import SENSORS, Sensor

NAN_FILL = -9999.0
"""Stands for NaN in an expression, which JSON cannot hold; no sensor here measures it."""


@dataclass(frozen=True)
class Layer:
    """A quality layer that comes with a scene.

    Attributes:
        name: what `Pixels.quality` calls it.
        band: its band on Earth Engine.
        asset: the collection that has it under the scene's own index; None: the scene itself.
        dtype: type in which it is sent.
        native_m: its own pixel in metres.
        missing: what it says of a pixel that it does not cover, as sent.
        scale: factor before it is cut to a whole number.
        classes: the rule of `quality.py` that turns it into scene classes, if it has its own code.
    """

    name: str
    band: str
    asset: str | None = None
    dtype: str = "uint8"
    native_m: int = 10
    missing: int = 255
    scale: float = 1.0
    classes: str = ""

    @property
    def percent(self) -> bool:
        """True if its values have an average, which codes of classes have not."""
        return self.name != "scl"


@dataclass(frozen=True)
class Collection:
    """What the service calls things, and how its values become the sensor's.

    Attributes:
        sensor: which of `sensors.SENSORS` it delivers.
        assets: Earth Engine collection -> band of the sensor -> its band there. Several make one
            series of scenes.
        layers: quality layers.
        gain, offset: a frame's value is `gain * raw + offset`.
        server_gain: factor applied before the sensor's integer type (reflectance 0..1 to x 10000).
        linear: values are linear power, and the sensor's are dB.
        cloud: property with the cloud share in percent.
        properties: what else is kept of a scene: our name -> theirs.
        native_m: pixel in metres, where it is not that of the sensor's bands.
        radar: scenes are chosen by mode, polarisation and orbit direction.
        whole_interval: scenes stand for an interval (see `sources.interval`), not for a moment.
    """

    sensor: str
    assets: Mapping[str, Mapping[str, str]]
    layers: tuple[Layer, ...] = ()
    gain: float = 1.0
    offset: float = 0.0
    server_gain: float = 1.0
    linear: bool = False
    cloud: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    native_m: int = 0
    radar: bool = False
    whole_interval: bool = False

    def becomes_coarser(self, band: str, scale_m: float) -> bool:
        """True if a band's pixels are averaged on a grid of `scale_m`."""
        return (self.native_m or self.kind.bands[band].native_m) < scale_m

    @property
    def kind(self) -> Sensor:
        """The sensor itself."""
        return SENSORS[self.sensor]

    @property
    def fill(self) -> float:
        """Value sent for a missing pixel."""
        return NAN_FILL if math.isnan(self.kind.nodata) else self.kind.nodata

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands that every one of its assets has, in the sensor's order."""
        held = set.intersection(*(set(names) for names in self.assets.values()))
        return tuple(name for name in self.kind.bands if name in held)

    @property
    def quality_layers(self) -> tuple[str, ...]:
        """Names of its quality layers, each once."""
        return tuple(dict.fromkeys(layer.name for layer in self.layers))

    def pixel_identity(self) -> dict[str, Any]:
        """What of this entry changes pixels, as JSON: an edit here makes new fetch keys."""
        kept = (
            "assets",
            "layers",
            "gain",
            "offset",
            "server_gain",
            "linear",
            "native_m",
            "radar",
            "whole_interval",
        )
        return {name: value for name, value in asdict(self).items() if name in kept}


def _same(bands: str, to: str = "{}") -> dict[str, str]:
    """Bands that the service names as the sensor does, or with a prefix."""
    return {band: to.format(band) for band in bands.split()}


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


_S2 = "B1 B2 B3 B4 B5 B6 B7 B8 B8A B9 B11 B12"
_L1C = "B1 B2 B3 B4 B5 B6 B7 B8 B8A B9 B10 B11 B12"
_OLI = _same("B1 B2 B3 B4 B5 B6 B7", "SR_{}")
_OLI_TIRS = _same("B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11")
_HLSL = _pairs("BLUE=B2 GREEN=B3 RED=B4 NIR=B5 SWIR1=B6 SWIR2=B7")
_HLSS = _pairs("BLUE=B2 GREEN=B3 RED=B4 NIR=B8A SWIR1=B11 SWIR2=B12")
_LC08, _LC09 = "LANDSAT/LC08/C02/T1_L2", "LANDSAT/LC09/C02/T1_L2"
_LC08_L1, _LC09_L1 = "LANDSAT/LC08/C02/T1", "LANDSAT/LC09/C02/T1"
_L30, _S30 = "NASA/HLS/HLSL30/v002", "NASA/HLS/HLSS30/v002"

_SCL = Layer("scl", "SCL", native_m=20, missing=0)
# Cut, not rounded: `clear >= 60` then means exactly cs_cdf >= 0.60, the threshold of the catalogue.
_CLEAR = Layer("clear", "cs_cdf", "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", scale=100)
_CLOUD = Layer("cloud", "probability", "COPERNICUS/S2_CLOUD_PROBABILITY")
_QA_PIXEL = Layer("scl", "QA_PIXEL", dtype="uint16", native_m=30, missing=1, classes="qa_pixel")
_FMASK = Layer("scl", "Fmask", native_m=30, classes="fmask")
_STATE = Layer(
    "scl", "state_1km", dtype="uint16", native_m=1000, missing=65535, classes="state_1km"
)
_SUMMARY = Layer("scl", "SummaryQA", native_m=250, classes="summary_qa")

_S2_PROPERTIES = {
    "tile": "MGRS_TILE",
    "datatake": "DATATAKE_IDENTIFIER",
    "datastrip": "DATASTRIP_ID",
    "baseline": "PROCESSING_BASELINE",
    "platform": "SPACECRAFT_NAME",
    "orbit": "SENSING_ORBIT_DIRECTION",
    "relative_orbit": "SENSING_ORBIT_NUMBER",
}
_S1_PROPERTIES = {
    "orbit": "orbitProperties_pass",
    "relative_orbit": "relativeOrbitNumber_start",
    "mode": "instrumentMode",
    "platform": "platform_number",
}
_LANDSAT_PROPERTIES = {
    "platform": "SPACECRAFT_ID",
    "path": "WRS_PATH",
    "row": "WRS_ROW",
    "product": "LANDSAT_PRODUCT_ID",
}


def _landsat(*assets: str) -> Collection:
    # Reflectance is 2.75e-5 DN - 0.2 in Collection 2; frames are in reflectance x 10000.
    return Collection(
        "landsat",
        dict.fromkeys(assets, _OLI),
        (_QA_PIXEL,),
        gain=0.275,
        offset=-2000.0,
        cloud="CLOUD_COVER",
        properties=_LANDSAT_PROPERTIES,
    )


def _landsat_l1(*assets: str) -> Collection:
    # Numbers as delivered: reflectance is (2e-5 DN - 0.1) / sin(sun elevation), and radiance of the
    # thermal bands 3.342e-4 DN + 0.1 (Landsat 8; Landsat 9's are in its metadata).
    return Collection(
        "landsat_l1",
        dict.fromkeys(assets, _OLI_TIRS),
        (_QA_PIXEL,),
        cloud="CLOUD_COVER",
        properties={**_LANDSAT_PROPERTIES, "sun_elevation": "SUN_ELEVATION"},
    )


def _hls(assets: Mapping[str, Mapping[str, str]]) -> Collection:
    # Earth Engine serves HLS as reflectance in 0..1 (its own pictures stretch 0.01 to 0.18).
    return Collection(
        "hls",
        assets,
        (_FMASK,),
        server_gain=10_000.0,
        cloud="CLOUD_COVERAGE",
        properties={"tile": "MGRS_TILE_ID"},
    )


def _modis(asset: str, bands: str, layer: Layer, native_m: int, days: int = 1) -> Collection:
    names = {asset: _same(bands, "sur_refl_{}")}
    return Collection("modis", names, (layer,), native_m=native_m, whole_interval=days > 1)


COLLECTIONS: Mapping[str, Collection] = {
    "COPERNICUS/S2_SR_HARMONIZED": Collection(
        "s2",
        {"COPERNICUS/S2_SR_HARMONIZED": _same(_S2)},
        (_SCL, _CLEAR),
        cloud="CLOUDY_PIXEL_PERCENTAGE",
        properties=_S2_PROPERTIES,
    ),
    "COPERNICUS/S2_HARMONIZED": Collection(
        "s2",
        {"COPERNICUS/S2_HARMONIZED": _same(_L1C)},
        (_CLEAR, _CLOUD),
        cloud="CLOUDY_PIXEL_PERCENTAGE",
        properties=_S2_PROPERTIES,
    ),
    "COPERNICUS/S1_GRD": Collection(
        "s1",
        {"COPERNICUS/S1_GRD": _same("VV VH")},
        properties=_S1_PROPERTIES,
        radar=True,
    ),
    "COPERNICUS/S1_GRD_FLOAT": Collection(
        "s1",
        {"COPERNICUS/S1_GRD_FLOAT": _same("VV VH")},
        linear=True,
        properties=_S1_PROPERTIES,
        radar=True,
    ),
    "LANDSAT/LC08+LC09/C02/T1_L2": _landsat(_LC08, _LC09),
    _LC08: _landsat(_LC08),
    _LC09: _landsat(_LC09),
    "LANDSAT/LC08+LC09/C02/T1": _landsat_l1(_LC08_L1, _LC09_L1),
    _LC08_L1: _landsat_l1(_LC08_L1),
    _LC09_L1: _landsat_l1(_LC09_L1),
    "NASA/HLS/HLSL30+HLSS30/v002": _hls({_L30: _HLSL, _S30: _HLSS}),
    _L30: _hls({_L30: _HLSL}),
    _S30: _hls({_S30: _HLSS}),
    "MODIS/061/MOD09GA": _modis("MODIS/061/MOD09GA", "b01 b02 b03 b04 b05 b06 b07", _STATE, 500),
    "MODIS/061/MOD13Q1": _modis("MODIS/061/MOD13Q1", "b01 b02 b03 b07", _SUMMARY, 250, 16),
    "GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL": Collection(
        "alphaearth",
        {"GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL": {f"A{i:02d}": f"A{i:02d}" for i in range(64)}},
        properties={"model_version": "MODEL_VERSION", "zone": "UTM_ZONE"},
        whole_interval=True,
    ),
    "COPERNICUS/DEM/GLO30": Collection("dem", {"COPERNICUS/DEM/GLO30": _same("DEM")}),
}


def by_sensor() -> dict[str, tuple[str, ...]]:
    """Sensor -> collections that deliver it, the default first."""
    served: dict[str, tuple[str, ...]] = {}
    for name, entry in COLLECTIONS.items():
        served[entry.sensor] = (*served.get(entry.sensor, ()), name)
    # Level-1C may also stand in for Level-2A, for windows that lack it.
    return served | {"s2_l1c": ("COPERNICUS/S2_HARMONIZED",)}


def find(name: str, bands: Sequence[str] = ()) -> Collection:
    """The entry of a collection that has all of `bands`.

    Raises:
        SourceError: there is none; the text says what there is.
    """
    if name not in COLLECTIONS:
        raise SourceError(
            f"earthengine has no collection {name!r}; it has {', '.join(COLLECTIONS)}"
            f"{nearest(name, COLLECTIONS)}"
        )
    entry = COLLECTIONS[name]
    missing = [band for band in bands if band not in entry.bands]
    if missing:
        raise SourceError(
            f"{name} has no band {', '.join(missing)}; it has {', '.join(entry.bands)}"
        )
    return entry
