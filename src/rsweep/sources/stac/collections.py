"""What STAC collections call their bands and what the values mean; a new one is an entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rsweep.sources.units import CANONICAL, LINEAR

BaselineRule = Literal["none", "raw", "own", "flagged"]


@dataclass(frozen=True)
class Collection:
    """One kind of item.

    Attributes:
        sensor: its name in `SENSORS`.
        assets: band -> asset keys; an item's first is read.
        quality: asset keys of the quality codes, none where there are none.
        classes: how the codes become scene classes: "scl" as they are, or a rule of
            `earthengine.quality`.
        unit, gain, offset: `gain * raw + offset` is in the sensor's unit, with radar in `unit`.
        nodata: raw value of a missing pixel, where the files declare none.
        baseline: Sentinel-2's offset of -1000 from processing baseline 04.00 on: "raw", its files
            hold the values as ESA delivers them; "own", so they do, and an item that does not tell
            its baseline has no offset; "flagged", an item says whether the offset was
            applied, and is not always right; "none", not Sentinel-2.
        query: what every item has, as the STAC query extension writes it.
    """

    sensor: str
    assets: Mapping[str, tuple[str, ...]]
    quality: tuple[str, ...] = ()
    classes: str = "scl"
    unit: str = CANONICAL
    gain: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    baseline: BaselineRule = "none"
    query: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, for the fetch key."""
        return asdict(self)


def _named(**names: str) -> dict[str, tuple[str, ...]]:
    return {band: tuple(keys.split()) for band, keys in names.items()}


# Earth Search names assets by colour, the Planetary Computer as ESA does, others as the sensor.
_S2 = _named(
    B1="coastal B01 B1",
    B2="blue B02 B2",
    B3="green B03 B3",
    B4="red B04 B4",
    B5="rededge1 B05 B5",
    B6="rededge2 B06 B6",
    B7="rededge3 B07 B7",
    B8="nir B08 B8",
    B8A="nir08 B8A",
    B9="nir09 B09 B9",
    B11="swir16 B11",
    B12="swir22 B12",
)
_LANDSAT = _named(
    B1="coastal", B2="blue", B3="green", B4="red", B5="nir08", B6="swir16", B7="swir22"
)
_LANDSAT_89 = {"platform": {"in": ["landsat-8", "landsat-9"]}}
_LANDSAT_89_USGS = {"platform": {"in": ["LANDSAT_8", "LANDSAT_9"]}}
_S2_L2A = {"sensor": "s2", "assets": _S2, "quality": ("scl", "SCL"), "nodata": 0.0}

TABLE: Mapping[str, Collection] = {
    # Never harmonised, but has gaps: it lacked 2016-11 to 2019-11 and 2022 in April 2024.
    "sentinel-2-c1-l2a": Collection(**_S2_L2A, baseline="raw"),  # type: ignore[arg-type]
    "sentinel-2-l2a": Collection(**_S2_L2A, baseline="flagged"),  # type: ignore[arg-type]
    "landsat-c2-l2": Collection(
        "landsat",
        _LANDSAT,
        ("qa_pixel",),
        "qa_pixel",
        gain=0.275,
        offset=-2000.0,
        nodata=0.0,
        query=_LANDSAT_89,
    ),
    "sentinel-2-l1c": Collection(
        "s2_l1c", {**_S2, **_named(B10="cirrus B10")}, nodata=0.0, baseline="raw"
    ),
    # As the USGS calls it: numbers as delivered.
    "landsat-c2l1": Collection(
        "landsat_l1",
        {**_LANDSAT, **_named(B8="pan", B9="cirrus", B10="lwir11", B11="lwir12")},
        ("qa_pixel",),
        "qa_pixel",
        nodata=0.0,
        query=_LANDSAT_89_USGS,
    ),
    "cop-dem-glo-30": Collection("dem", _named(DEM="data")),
    # Gamma nought on the terrain: not comparable with the sigma nought of other providers.
    "sentinel-1-rtc": Collection(
        "s1", _named(VV="vv VV", VH="vh VH"), unit=LINEAR, nodata=-32768.0
    ),
}
COLLECTIONS: Mapping[str, tuple[str, ...]] = {
    sensor: tuple(name for name, entry in TABLE.items() if entry.sensor == sensor)
    for sensor in ("s2", "s2_l1c", "s1", "landsat", "landsat_l1", "dem")
} | {"s1_rtc": ("sentinel-1-rtc",)}


@dataclass(frozen=True)
class Preset:
    """A public service: its address, how it signs, and where it differs from the table."""

    url: str
    collections: tuple[str, ...]
    token_url: str = ""
    baseline: Mapping[str, BaselineRule] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    "earth-search": Preset(
        "https://earth-search.aws.element84.com/v1",
        (
            "sentinel-2-c1-l2a",
            "sentinel-2-l2a",
            "landsat-c2-l2",
            "sentinel-2-l1c",
            "cop-dem-glo-30",
        ),
    ),
    "planetary-computer": Preset(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        ("sentinel-2-l2a", "landsat-c2-l2", "sentinel-1-rtc", "cop-dem-glo-30"),
        "https://planetarycomputer.microsoft.com/api/sas/v1/token",
        {"sentinel-2-l2a": "raw"},
    ),
}
