"""How far each collection's values were processed, in one word; a new collection is an entry here.

It is in no key: what a collection's pixels are is already there.
"""

from __future__ import annotations

from collections.abc import Mapping

LEVELS: Mapping[str, str] = {
    "synthetic-s2-l2a": "L2A",
    "synthetic-s2-l1c": "L1C",
    "synthetic-s1-grd": "GRD",
    "synthetic-s1-rtc": "RTC",
    "synthetic-landsat-l2": "L2",
    "synthetic-landsat-l1": "L1",
    "synthetic-modis-l1b": "L1B",
    "sentinel-2-c1-l2a": "L2A",
    "sentinel-2-l2a": "L2A",
    "sentinel-2-l1c": "L1C",
    "sentinel-1-rtc": "RTC",
    "landsat-c2-l2": "L2",
    "landsat-c2l1": "L1",
    "COPERNICUS/S2_SR_HARMONIZED": "L2A",
    "COPERNICUS/S2_HARMONIZED": "L1C",
    "COPERNICUS/S1_GRD": "GRD",
    "COPERNICUS/S1_GRD_FLOAT": "GRD",
    "LANDSAT/LC08+LC09/C02/T1_L2": "L2",
    "LANDSAT/LC08/C02/T1_L2": "L2",
    "LANDSAT/LC09/C02/T1_L2": "L2",
    "LANDSAT/LC08+LC09/C02/T1": "L1",
    "LANDSAT/LC08/C02/T1": "L1",
    "LANDSAT/LC09/C02/T1": "L1",
}
"""L1C, L1 and L1B are at the top of the atmosphere, L2A and L2 at the surface; GRD is radar
detected on the ellipsoid, RTC the same corrected for the terrain. Unlisted is unknown, as is
whatever lies in a folder of one's own."""
