"""Provider `chips`: a data set of labelled images as it is published, on its own pixels.

One image is one ROI and one scene: nothing is resampled, snapped, masked or composited.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.core.canonical import digest
from rsweep.core.digests import digests
from rsweep.core.errors import SourceError
from rsweep.core.knobs import Option, Problem, nearest
from rsweep.core.sensors import SENSORS
from rsweep.sources.chips.columns import ROLES
from rsweep.sources.chips.index import Index, Options, band_names, open_index
from rsweep.sources.chips.loader_option import check_loader
from rsweep.sources.held import Held
from rsweep.sources.provider import Provider
from rsweep.sources.units import AMPLITUDE, CANONICAL, LINEAR, REFLECTANCE

if TYPE_CHECKING:
    from rsweep.sources.protocol import Source, Window

OPTIONS = (
    Option(
        "path",
        "str",
        None,
        "folder of the images, or the file that holds them; every study must name it",
    ),
    Option(
        "sensor",
        "str",
        "s2",
        "what the images are of; of other levels and cameras, the sensor "
        "whose bands the model is to take them for",
        allowed=tuple(SENSORS),
    ),
    Option(
        "bands",
        "names",
        None,
        "bands of every image in its order, by the sensor's names; unset: all of the sensor's",
    ),
    Option(
        "unit",
        "str",
        CANONICAL,
        "of the values: the sensor's own (reflectance x 10000, dB), reflectance 0 to 1, or "
        "backscatter as power or amplitude",
        allowed=(CANONICAL, REFLECTANCE, LINEAR, AMPLITUDE),
    ),
    Option("gain", "float", 1.0, "values are multiplied by it"),
    Option("offset", "float", 0.0, "and this is added"),
    Option(
        "nodata",
        "float",
        None,
        "value of a missing pixel; unset: none is missing but NaN, whatever a file's own "
        "header says",
    ),
    Option(
        "georeference",
        "str",
        "file",
        "where chips lie: as their files say, or ignored, so that the ROI table says",
        allowed=("file", "ignore"),
    ),
    Option(
        "table",
        "str",
        None,
        "table of files (relative to path), labels, splits: CSV, TSV, Parquet or JSON lines; "
        "unset: the folder's name is the label",
    ),
    Option(
        "loader",
        "mapping",
        {},
        "a package that reads the data set: {torchgeo: CLASS, root: FOLDER} or {datasets: NAME, "
        "revision: COMMIT}; `rsweep chips` then writes its images to path",
    ),
    Option(
        "columns",
        "mapping",
        {},
        "which column or array is the " + ", ".join(ROLES) + "; unset: by usual names",
    ),
    Option(
        "splits",
        "mapping",
        {},
        "split -> text file that names its chips, one a line (relative to path)",
    ),
)
ANY_TIME = ("0001-01-01", "9999-12-31")
COLLECTIONS: Mapping[str, tuple[str, ...]] = {sensor: (sensor,) for sensor in SENSORS}


def check(options: Mapping[str, Any], where: str) -> list[Problem]:
    """What is wrong with the options and the data set, without opening an image."""
    if not options.get("path"):
        return [Problem(f"{where}.path", "is missing; expected a folder or file of images")]
    if options["loader"] and (wrong := check_loader(options["loader"])):
        return [Problem(f"{where}.loader", wrong)]
    if options["loader"] and not Path(options["path"]).exists():
        told = f"is {options['path']!r}, which `rsweep chips` has still to write"
        return [Problem(f"{where}.path", told)]
    if not Path(options["path"]).exists():
        return [Problem(f"{where}.path", f"is {options['path']!r}, which is not there")]
    problems = _wrong_bands(options, where) + [
        Problem(
            f"{where}.columns",
            f"has {role!r}; it may say: {', '.join(ROLES)}{nearest(role, ROLES)}",
        )
        for role in options["columns"]
        if role not in ROLES
    ]
    if options["unit"] in (LINEAR, AMPLITUDE) and not SENSORS[options["sensor"]].decibel:
        problems.append(
            Problem(
                f"{where}.unit",
                f"is {options['unit']!r}, and {options['sensor']} "
                f"is no radar; allowed: {CANONICAL}, {REFLECTANCE}",
            )
        )
    if problems:
        return problems
    try:
        open_index(options)
    except SourceError as error:
        return [Problem(where, str(error).removeprefix("chips: "))]
    return []


def _wrong_bands(options: Mapping[str, Any], where: str) -> list[Problem]:
    names, known = band_names(options), SENSORS[options["sensor"]].bands
    unknown = [name for name in names if name not in known and name != SKIPPED]
    twice = [name for name in names if names.count(name) > 1 and name != SKIPPED]
    place = f"{where}.bands"
    if unknown:
        return [
            Problem(
                place,
                f"has {unknown[0]!r}, which {options['sensor']} lacks; it has: "
                f"{', '.join(known)}; {SKIPPED} skips one of the images"
                f"{nearest(unknown[0], known)}",
            )
        ]
    return [Problem(place, f"names {twice[0]!r} twice")] if twice else []


SKIPPED = "-"
"""Name of a band of the images that no model reads."""


def identity(options: Options, collection: str, window: Window | None = None) -> dict[str, Any]:
    """How the values of chips are read; what they hold is in `held`.

    Raises:
        SourceError: they are of another sensor.
    """
    _check_sensor(options, collection)
    read = ("unit", "gain", "offset", "nodata", "georeference")
    return {
        "bands": list(band_names(options)),
        "image": options["columns"].get("image"),
        **{name: options[name] for name in read},
    }


def held(options: Options, collection: str) -> Sequence[Held]:
    """Every chip with its content; labels and splits change no pixel.

    Raises:
        SourceError: the data set or a file cannot be read, or is of another sensor.
    """
    _check_sensor(options, collection)
    return _held(open_index(options))


@functools.lru_cache(maxsize=8)
def _held(index: Index) -> Sequence[Held]:
    try:
        hashed = digests(index.root, {chip.file for chip in index.chips.values()})
    except OSError as error:
        raise SourceError(f"chips: {error.filename}: {error.strerror}") from error
    return [
        Held(chip.id, (), *ANY_TIME, None, digest([hashed[chip.file.path], list(chip.at)]))
        for chip in index.chips.values()
    ]


def _check_sensor(options: Options, collection: str) -> None:
    if not options.get("path"):
        raise SourceError("chips: the study names no `path`")
    if collection != options["sensor"]:
        raise SourceError(
            f"chips: the images are of {options['sensor']}, and the model is fed "
            f"{collection}; set chips.sensor, or another modality"
        )


def available_bands(options: Options, collection: str) -> tuple[str, ...]:
    """The bands that the images have, in the sensor's order.

    Raises:
        SourceError: they are of another sensor.
    """
    _check_sensor(options, collection)
    had = band_names(options)
    return tuple(band for band in SENSORS[collection].bands if band in had)


def open_source(
    options: Options, collection: str, bands: Sequence[str], orbit: str | None = "any"
) -> Source:
    """The chips of a data set.

    Raises:
        SourceError: it cannot be read, is of another sensor, or lacks a band.
    """
    _check_sensor(options, collection)
    absent = [band for band in bands if band not in band_names(options)]
    if absent:
        raise SourceError(
            f"chips: the images have no {collection} band {', '.join(absent)}; "
            f"`bands` names {', '.join(band_names(options))}"
        )
    from rsweep.sources.chips.source import ChipSource

    return ChipSource(open_index(options), options, bands)


def planning_reads(options: Options) -> list[Path]:
    """The data set, and a table of it that lies elsewhere."""
    if not options.get("path"):
        return []
    table = options.get("table")
    elsewhere = [Path(table)] if table and not Path(options["path"], table).exists() else []
    return [Path(options["path"]), *elsewhere]


PROVIDER = Provider(
    "chips",
    OPTIONS,
    COLLECTIONS,
    identity,
    available_bands,
    lambda options, collection: (),
    open_source,
    check=check,
    planning_reads=planning_reads,
    held=held,
    own_grid=True,
    about="published data sets of labelled images, each a ROI on its own pixels",
    needs="a folder of images and the ROI table made from it (docs/sources.md)",
)
