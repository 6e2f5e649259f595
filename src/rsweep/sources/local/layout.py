"""The YAML that says how the files of a folder are scenes: dates, bands, quality layers, units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from rsweep.core.knobs import Problem, nearest
from rsweep.core.sensors import REFLECTANCE as SCALED_REFLECTANCE
from rsweep.core.sensors import SENSORS, Sensor
from rsweep.sources.units import AMPLITUDE, CANONICAL, LINEAR, REFLECTANCE

MISSING = {"scl": 0, "cloud": 255, "clear": 255}
"""Quality layers, and the value of each where nothing is known."""
IN_ORDER = "in order"
"""Value of `bands`: the files have every band of the sensor, in its order."""
_KEYS = (
    "files",
    "bands",
    "quality",
    "unit",
    "gain",
    "offset",
    "nodata",
    "date",
    "date_format",
    "days",
    "orbit",
    "sidecar",
)
_LAYER_KEYS = ("files", "band", "gain", "offset", "values", "nodata")
_DATE_FORMATS = {4: "%Y", 6: "%Y%m", 7: "%Y%j", 8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
BandName = str | int
Nodata = float | str | None


@dataclass(frozen=True)
class Layer:
    """Where a quality layer is, and what its raw values mean.

    Attributes:
        files: pattern of its files; None where it is in the files of the bands.
        band: band number, description, or value of the pattern's group `band`.
        gain, offset: the layer's value (percent, or a class) is `gain * raw + offset`.
        values: raw value -> the layer's value, for classes that are named otherwise.
        nodata: raw value of a missing pixel; None for the file's own.
    """

    files: re.Pattern[str] | None
    band: BandName
    gain: float = 1.0
    offset: float = 0.0
    values: Mapping[int, int] = field(default_factory=dict)
    nodata: Nodata = None


@dataclass(frozen=True)
class Section:
    """How the files of one sensor are found and read.

    Attributes:
        sensor: its name in `SENSORS`.
        files: pattern of the whole relative path if it has a "/", of the file's name if not; its
            groups `date`, `scene`, `band` and `orbit` say what a file is.
        bands: sensor's band -> what the files call it (group `band`, description or number).
        quality: quality layer -> where it is.
        unit: "canonical" (the sensor's own: reflectance x 10000, or dB), "reflectance" (0 to 1),
            "linear" or "amplitude" (radar, converted to dB).
        gain, offset: `gain * raw + offset` is in `unit`; for linear and amplitude the offset is
            added in dB. Without an offset, Sentinel-2's is each scene's own (see `baselines`).
        nodata: raw value of a missing pixel; None for the file's own, or, where a file has none,
            the sensor's; "none" where no value means missing.
        date: date of every file, for names without one; date_format: strptime format of the group.
        days: length of the interval that an image stands for, such as 16 of a MODIS composite; a
            date without a day or a month stands for its whole month or year. See
            `sources.interval`.
        orbit: value of the group `orbit` -> ascending | descending; the key "" is every file's.
        sidecar: property of a scene -> its key in the JSON file beside the scene's first file;
            `offset` there is the scene's own.
    """

    sensor: str
    files: re.Pattern[str]
    bands: Mapping[str, BandName]
    quality: Mapping[str, Layer] = field(default_factory=dict)
    unit: str = CANONICAL
    gain: float = 1.0
    offset: float | None = None
    nodata: Nodata = None
    date: str | None = None
    date_format: str | None = None
    days: float = 0.0
    orbit: Mapping[str, str] = field(default_factory=dict)
    sidecar: Mapping[str, str] = field(default_factory=dict)

    def parse_date(self, text: str) -> str:
        """ISO 8601 (UTC) of a date as it stands in a file's name.

        Raises:
            ValueError: `text` is no date; the text says which forms are.
        """
        digits = re.sub(r"\D", "", text)
        form = self.date_format or _DATE_FORMATS.get(len(digits))
        if form is None:
            raise ValueError(f"date {text!r} has {len(digits)} digits; expected {_date_forms()}")
        try:
            moment = datetime.strptime(text if self.date_format else digits, form)
        except ValueError:
            raise ValueError(f"date {text!r} does not read as {form}") from None
        timed = "%H" in form
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if timed else moment.strftime("%Y-%m-%d")

    def interval(self, text: str) -> tuple[str, str] | None:
        """ISO dates of what an image with such a date stands for; None for a day or a moment."""
        first = date.fromisoformat(self.parse_date(text)[:10])
        if self.days > 1:
            return first.isoformat(), (first + timedelta(days=self.days)).isoformat()
        form = self.date_format or _DATE_FORMATS[len(re.sub(r"\D", "", text))]
        if "%d" in form or "%j" in form:
            return None
        months = 1 if "%m" in form or "%b" in form or "%B" in form else 12
        after = (first.replace(day=1) + timedelta(days=31 * months)).replace(day=1)
        if months == 12:
            after = date(first.year + 1, 1, 1)
        return first.isoformat(), after.isoformat()


def _date_forms() -> str:
    return ", ".join(_DATE_FORMATS.values()) + ", or a `date_format`"


def read_layout(path: Path) -> tuple[dict[str, Section], list[Problem]]:
    """The sections of a layout file by sensor, and everything that is wrong with it."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return {}, [Problem(str(path), f"cannot be read: {error.strerror or error}")]
    except yaml.YAMLError as error:
        return {}, [Problem(str(path), f"is not YAML: {' '.join(str(error).split())}")]
    return parse_layout(data, str(path))


def parse_layout(data: Any, where: str) -> tuple[dict[str, Section], list[Problem]]:
    """The sections of a layout by sensor, and everything that is wrong with it."""
    if not isinstance(data, Mapping) or not data:
        return {}, [Problem(where, f"is empty; expected a section per sensor: {_listed(SENSORS)}")]
    problems: list[Problem] = []
    sections = {}
    for name, spec in data.items():
        reader = _Reader(f"{where}: {name}", problems)
        section = reader.section(str(name), spec)
        if section is not None:
            sections[str(name)] = section
    return sections, problems


class _Reader:
    """Reads one section, collecting what is wrong instead of stopping at the first."""

    def __init__(self, where: str, problems: list[Problem]) -> None:
        self.where = where
        self.problems = problems

    def problem(self, key: str, what: str) -> None:
        """Note one more thing that is wrong."""
        self.problems.append(Problem(f"{self.where}.{key}" if key else self.where, what))

    def section(self, name: str, spec: Any) -> Section | None:
        """The section, or None where something is wrong with it."""
        before = len(self.problems)
        if name not in SENSORS:
            self.problem("", f"is no sensor; expected {_listed(SENSORS)}{nearest(name, SENSORS)}")
            return None
        if not self._mapping(spec, _KEYS):
            return None
        sensor = SENSORS[name]
        files = self.pattern("files", spec.get("files"))
        section = Section(
            name,
            files or re.compile(""),
            self.bands(spec.get("bands"), sensor, files),
            self.quality(spec.get("quality", {})),
            self.unit(spec.get("unit", CANONICAL), sensor),
            self.number("gain", spec.get("gain", 1.0)),
            self.number("offset", spec["offset"]) if "offset" in spec else None,
            self.nodata("nodata", spec.get("nodata")),
            None if spec.get("date") is None else str(spec["date"]),
            spec.get("date_format"),
            self.number("days", spec.get("days", 0)),
            self.orbit(spec.get("orbit", {})),
            self.names("sidecar", spec.get("sidecar", {})),
        )
        self._check_date(section)
        return section if len(self.problems) == before else None

    def _mapping(self, spec: Any, keys: tuple[str, ...]) -> bool:
        if not isinstance(spec, Mapping):
            self.problem("", f"is {spec!r}; expected a mapping with {_listed(keys)}")
            return False
        for key in spec:
            if key not in keys:
                self.problem(str(key), f"is unknown; allowed: {_listed(keys)}{nearest(key, keys)}")
        return True

    def pattern(self, key: str, value: Any) -> re.Pattern[str] | None:
        """A regular expression of file names."""
        if not isinstance(value, str):
            self.problem(key, "is missing; expected a regular expression of file names")
            return None
        try:
            return re.compile(value)
        except re.error as error:
            self.problem(key, f"is not a regular expression: {error}")
            return None

    def bands(
        self, value: Any, sensor: Sensor, files: re.Pattern[str] | None
    ) -> dict[str, BandName]:
        """Sensor's band -> what the files call it."""
        named = files is not None and "band" in files.groupindex
        if value is None:
            value = {band: band for band in sensor.bands}
        if value == IN_ORDER:
            value = list(sensor.bands)
        if isinstance(value, list):  # the order of the bands in the files, unless files name them
            value = {band: band if named else n for n, band in enumerate(value, start=1)}
        if not isinstance(value, Mapping):
            self.problem(
                "bands",
                f"is neither a list of bands in file order, nor a mapping, nor `{IN_ORDER}`",
            )
            return {}
        for band in value:
            if band not in sensor.bands:
                allowed = _listed(sensor.bands)
                self.problem(
                    f"bands.{band}",
                    f"is no band of the sensor; allowed: {allowed}{nearest(band, sensor.bands)}",
                )
            elif named and isinstance(value[band], int):
                self.problem(f"bands.{band}", "is a number, but `files` has a group `band`")
        return {str(band): name for band, name in value.items()}

    def quality(self, value: Any) -> dict[str, Layer]:
        """The quality layers by name."""
        layers = {}
        for name, spec in self._items("quality", value):
            reader = _Reader(f"{self.where}.quality.{name}", self.problems)
            if name not in MISSING:
                reader.problem("", f"is no quality layer; allowed: {_listed(MISSING)}")
            elif reader._mapping(spec, _LAYER_KEYS):
                layers[name] = reader.layer(spec)
        return layers

    def layer(self, spec: Mapping[str, Any]) -> Layer:
        """One quality layer."""
        files = self.pattern("files", spec["files"]) if "files" in spec else None
        if files is None and "band" not in spec:
            self.problem("", "has neither `files` nor `band`")
        if files and "scene" not in files.groupindex:
            self.problem("files", "has no group (?P<scene>…) to tell whose quality a file is")
        gain = self.number("gain", spec.get("gain", 1.0))
        offset = self.number("offset", spec.get("offset", 0.0))
        values = {}
        for raw, meaning in self._items("values", spec.get("values", {})):
            values[int(self.number(f"values.{raw}", raw))] = int(self.number("values", meaning))
        nodata = self.nodata("nodata", spec.get("nodata"))
        return Layer(files, spec.get("band", 1), gain, offset, values, nodata)

    def unit(self, value: Any, sensor: Sensor) -> str:
        """One of the units that the sensor has."""
        allowed: tuple[str, ...] = (CANONICAL,)
        if sensor.decibel:
            allowed = (CANONICAL, LINEAR, AMPLITUDE)
        elif sensor.unit == SCALED_REFLECTANCE:
            allowed = (CANONICAL, REFLECTANCE)
        if value in (sensor.unit, *allowed):
            return CANONICAL if value == sensor.unit else str(value)
        self.problem(
            "unit",
            f"is {value!r}; allowed: {_listed((sensor.unit, *allowed[1:]))}",
        )
        return CANONICAL

    def number(self, key: str, value: Any) -> float:
        """A number, 0 where it is none."""
        if isinstance(value, bool) or not _is_number(value):
            self.problem(key, f"is {value!r}; expected a number")
            return 0.0
        return float(value)

    def nodata(self, key: str, value: Any) -> Nodata:
        """A number, "none", or None."""
        return value if value is None or value == "none" else self.number(key, value)

    def orbit(self, value: Any) -> dict[str, str]:
        """Word in the name -> ascending or descending."""
        orbits = {"": value} if isinstance(value, str) else dict(self._items("orbit", value))
        for name in orbits.values():
            if name not in ("ascending", "descending"):
                self.problem("orbit", f"is {name!r}; allowed: ascending, descending")
        return {str(key): str(name) for key, name in orbits.items()}

    def names(self, key: str, value: Any) -> dict[str, str]:
        """A mapping of words."""
        return {str(name): str(text) for name, text in self._items(key, value)}

    def _items(self, key: str, value: Any) -> Iterable[tuple[Any, Any]]:
        if isinstance(value, Mapping):
            return value.items()
        self.problem(key, f"is {value!r}; expected a mapping")
        return ()

    def _check_date(self, section: Section) -> None:
        if section.date is None and "date" not in section.files.groupindex:
            self.problem("files", "has no group (?P<date>…), and the section has no `date`")
        if section.date is not None:
            try:
                section.parse_date(section.date)
            except ValueError as error:
                self.problem("date", str(error))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
