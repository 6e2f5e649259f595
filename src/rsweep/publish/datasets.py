"""Whom to cite for the data of a study, by sensor and collection, as their publishers ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DataSet:
    """A data set as its publisher wants it cited.

    Attributes:
        title, author: of it.
        doi: its DOI; "" where it has none.
        note: what else must be said.
    """

    title: str
    author: str
    doi: str = ""
    note: str = ""


ESA, USGS = "{European Space Agency}", "{U.S. Geological Survey}"
MODIFIED = "contains modified Copernicus Sentinel data, with their year"
SENTINEL_1 = DataSet("Copernicus Sentinel-1 GRD", ESA, note=MODIFIED)

SENSORS: Mapping[str, DataSet] = {
    "s2": DataSet("Sentinel-2 MSI Level-2A BOA Reflectance", ESA, "10.5270/S2_-znk9xsj", MODIFIED),
    "s2_l1c": DataSet(
        "Sentinel-2 MSI Level-1C TOA Reflectance", ESA, "10.5270/S2_-742ikth", MODIFIED
    ),
    "s1": SENTINEL_1,
    "s1_rtc": SENTINEL_1,
    "landsat": DataSet("Landsat 8-9 OLI/TIRS Collection 2 Level-2", USGS, "10.5066/P9OGBGM6"),
    "landsat_l1": DataSet("Landsat 8-9 OLI/TIRS Collection 2 Level-1", USGS, "10.5066/P975CC9B"),
    "hls": DataSet(
        "Harmonized Landsat and Sentinel-2 (HLS), L30 and S30",
        "{NASA LP DAAC}",
        "10.5067/HLS/HLSL30.002",
        "S30 has the DOI 10.5067/HLS/HLSS30.002",
    ),
    "dem": DataSet("Copernicus DEM", ESA, "10.5270/ESA-c5d3d65"),
}
"""Sensor -> the archive that its scenes are of. Data of a sensor that is not here are cited by the
names of their collection and provider."""

COLLECTIONS: Mapping[str, DataSet] = {
    "MODIS/061/MOD09GA": DataSet(
        "MODIS/Terra Surface Reflectance Daily MOD09GA v061",
        "{NASA LP DAAC}",
        "10.5067/MODIS/MOD09GA.061",
    ),
    "MODIS/061/MOD13Q1": DataSet(
        "MODIS/Terra Vegetation Indices 16-Day MOD13Q1 v061",
        "{NASA LP DAAC}",
        "10.5067/MODIS/MOD13Q1.061",
    ),
}

SERVICES: Mapping[str, DataSet] = {
    "earthengine": DataSet(
        "Google Earth Engine: Planetary-scale geospatial analysis for everyone",
        "Gorelick, Noel and others",
        "10.1016/j.rse.2017.06.031",
    ),
}
"""Provider -> what it asks to be cited as, beside the data."""


def cited(provider: str, collection: str, sensor: str) -> dict[str, DataSet]:
    """Name of an entry -> data set, of what one fetch reads; none of an invented world."""
    if provider == "synthetic":
        return {}
    found = COLLECTIONS.get(collection) or SENSORS.get(sensor)
    named = found or DataSet(collection, "{see who provides it}", note=f"read from {provider}")
    key = sensor if found is SENSORS.get(sensor) else collection
    service = {provider: SERVICES[provider]} if provider in SERVICES else {}
    return {f"data_{key}": named, **service}


def entries(fetches: Iterable[Mapping[str, str]]) -> str:
    """BibTeX of the data that fetches read, each data set once.

    Args:
        fetches: settings of fetch nodes: provider, collection and sensor.
    """
    found: dict[str, DataSet] = {}
    for own in fetches:
        found |= cited(own["provider"], own["collection"], own["sensor"])
    return "\n".join(_entry(name, data) for name, data in sorted(found.items()))


def _entry(name: str, data: DataSet) -> str:
    url = f"https://doi.org/{data.doi}" if data.doi else ""
    fields = {
        "title": f"{{{data.title}}}",
        "author": data.author,
        "doi": data.doi,
        "url": url,
        "note": data.note,
    }
    lines = "".join(f"  {field} = {{{value}}},\n" for field, value in fields.items() if value)
    return f"@misc{{{re.sub(r'[^a-z0-9]+', '_', name.lower())},\n{lines}}}\n"
