"""Provider `synthetic`: scenes of an invented world, a pure function of seed, place and time.

Needs no account, network or file. Two grids, scales or windows agree wherever they overlap, and the
land cover of every 10 m cell is known, so that a study can be scored. Its constants are invented
but typical of temperate farmland; nothing here is measured.

Values are made of integer hashes and of additions, multiplications, divisions and square roots,
which IEEE 754 rounds in one way, and are stored as whole numbers (or 1/256 dB), so that they are
the same bytes on every machine.

    world.py    what is on the ground          passes.py   which scenes there are
    spectra.py  what it reflects, by day       clouds.py   clouds, cirrus and shadows
    radar.py    what it scatters back          source.py   the provider: scenes on a grid
    noise.py    hashes and lattice noise       cells.py    10 m cells and pixels of a grid
    fields.py   estates, lanes and parcels     products.py other instruments, and heights
    demo.py     the ROI table of the default study

This module imports none of them until a source is opened: the Snakefile reads only the options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rsweep.core.knobs import Option
from rsweep.sources.provider import Provider

if TYPE_CHECKING:
    from rsweep.sources.protocol import Source

WORLD_VERSION = 1
"""Raised when any pixel, quality layer or scene of the world changes."""

OPTIONS = (
    Option("seed", "int", 0, "which world", minimum=0, maximum=2**31 - 1),
    Option("revisit_days", "int", 5, "days between scenes", minimum=1, maximum=366, unit="d"),
    Option("cloudiness", "float", 0.35, "mean cloud share of optical scenes", minimum=0, maximum=1),
)
S2 = "synthetic-s2-l2a"
S1 = "synthetic-s1-grd"
S1_RTC = "synthetic-s1-rtc"
DEM = "synthetic-dem"
COLLECTIONS: Mapping[str, tuple[str, ...]] = {
    "s2": (S2,),
    "s2_l1c": ("synthetic-s2-l1c",),
    "s1": (S1,),
    "s1_rtc": (S1_RTC,),
    "landsat": ("synthetic-landsat-l2",),
    "landsat_l1": ("synthetic-landsat-l1",),
    "hls": ("synthetic-hls",),
    "modis": ("synthetic-modis-sr",),
    "modis_toa": ("synthetic-modis-l1b",),
    "dem": (DEM,),
}


def identity(options: Mapping[str, Any], collection: str) -> dict[str, Any]:
    """What the pixels of a collection depend on: the world's version, and the options it reads."""
    values = {knob.name: options.get(knob.name, knob.default) for knob in OPTIONS}
    unread = {S1: ["cloudiness"], S1_RTC: ["cloudiness"], DEM: ["cloudiness", "revisit_days"]}
    for name in unread.get(collection, ()):
        del values[name]
    return {"world_version": WORLD_VERSION, **values}


def cloud_layers(options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """What a collection tells of clouds; see `Provider`."""
    return () if collection == S1 else ("scl", "cloud", "scene")


def available_bands(options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """The bands of a collection; a Sentinel-2 L2A product has no B10."""
    from rsweep.core.sensors import SENSORS

    sensor = next(name for name, held in COLLECTIONS.items() if collection in held)
    return tuple(b for b in SENSORS[sensor].bands if (sensor, b) != ("s2", "B10"))


def open_source(
    options: Mapping[str, Any], collection: str, bands: Sequence[str], orbit: str | None = "any"
) -> Source:
    """The provider for one collection.

    Args:
        options: values of `OPTIONS`; one left out has its default.
        collection: one of `COLLECTIONS`.
        bands: names of the sensor's bands, in the order in which frames have them.
        orbit: "ascending" or "descending" leaves radar scenes of the other direction out.

    Raises:
        SourceError: there is no such collection, band or orbit.
    """
    from rsweep.sources.synthetic.source import open_collection

    return open_collection(identity(options, S2), collection, tuple(bands), orbit or "any")


PROVIDER = Provider(
    "synthetic",
    OPTIONS,
    COLLECTIONS,
    identity,
    available_bands,
    cloud_layers,
    open_source,
    about="an invented world for trials: the same values on every machine, land cover known",
    needs="nothing: no account, network or file",
)
