"""Provider `local`: a folder of GeoTIFF, COG or JPEG 2000 scenes.

A layout file describes it (see `layout.Section`), or a static STAC catalogue in the folder.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.core.digests import walk
from rsweep.core.errors import SourceError, StudyError
from rsweep.core.knobs import Option, Problem
from rsweep.core.sensors import SENSORS
from rsweep.sources import stac
from rsweep.sources.held import Degrees, Held
from rsweep.sources.local.folder import content, find_scenes
from rsweep.sources.local.footprints import footprints
from rsweep.sources.local.layout import Layer, Section, read_layout
from rsweep.sources.local.scene import LocalScene
from rsweep.sources.provider import Provider
from rsweep.sources.vrt import files_behind

if TYPE_CHECKING:
    from rsweep.sources.protocol import Source

OPTIONS = (
    Option("path", "str", None, "folder that holds the scenes; every study must name it"),
    Option("layout", "str", None, "layout file; unset: layout.yaml in the folder"),
    Option(
        "resampling",
        "str",
        "auto",
        "how values are put on the grid; auto: averaged by area where pixels become coarser "
        "(backscatter as power), else nearest; classes are always nearest",
        allowed=("auto", "nearest", "bilinear", "cubic", "average"),
    ),
)
COLLECTIONS: Mapping[str, tuple[str, ...]] = {sensor: (sensor,) for sensor in SENSORS}
"""A folder's collections are the sections of its layout, which are named after their sensors."""


def check(options: Mapping[str, Any], where: str) -> list[Problem]:
    """What is wrong with the options, the layout and the folder, without opening a raster."""
    if _is_catalogue(options):
        return []
    if not options.get("path"):
        return [Problem(f"{where}.path", "is missing; expected the folder that holds the scenes")]
    root = Path(options["path"])
    if not root.is_dir():
        return [Problem(f"{where}.path", f"is {str(root)!r}, which is not a folder")]
    sections, problems = read_layout(_layout_path(options))
    if problems:
        return problems
    files = walk(root)
    for name, section in sections.items():
        place = f"{_layout_path(options)}: {name}"
        scenes, wrong = find_scenes(root, section, files)
        problems += [Problem(place, text) for text in wrong]
        if not scenes and not wrong:
            problems.append(
                Problem(
                    f"{place}.files",
                    f"matches none of the {len(files)} files under {root}"
                    + (f", such as {files[0].path}" if files else ""),
                )
            )
    return problems


def planning_reads(options: Mapping[str, Any]) -> list[Path]:
    """The folder of the scenes, the file that describes it, and what its virtual rasters read."""
    if not options.get("path"):
        return []
    if _is_catalogue(options):
        return stac.planning_reads(_stac_options(options))
    root = Path(options["path"])
    behind = files_behind(root, [file.path for file in walk(root)])
    return [root, _layout_path(options), *behind]


def identity(options: Mapping[str, Any], collection: str) -> dict[str, Any]:
    """Which bands the folder has, and how their values are read; of its scenes see `held`.

    Raises:
        SourceError: the folder or the layout cannot be read, or has no such sensor.
    """
    if _is_catalogue(options):
        return stac.identity(_stac_options(options), collection)
    section = _opened(options, collection).section
    return {
        "bands": list(available_bands(options, collection)),
        "unit": section.unit,
        "gain": section.gain,
        "nodata": str(section.nodata),
        "quality": {name: _meaning(layer) for name, layer in section.quality.items()},
        "resampling": options.get("resampling") or "auto",
    }


def held(options: Mapping[str, Any], collection: str) -> tuple[Held, ...]:
    """The folder's scenes of a sensor; see `Provider`.

    Raises:
        SourceError: the folder, the layout or a file cannot be read.
    """
    if _is_catalogue(options):
        return stac.held(_stac_options(options), collection)
    return _held(_opened(options, collection))


@functools.lru_cache(maxsize=32)
def _held(folder: Folder) -> tuple[Held, ...]:
    try:
        entries = content(folder.root, folder.scenes)
    except OSError as error:
        raise SourceError(f"local: {error.filename}: {error.strerror}") from error
    boxes = footprints(folder.root, {p.file for s in folder.scenes for p in s.picks})
    return tuple(
        Held(
            scene.id,
            _boxes(scene, boxes),
            *(scene.interval or (scene.time, scene.time)),
            scene.orbit,
            _digest(entry),
        )
        for scene, entry in zip(folder.scenes, entries, strict=True)
    )


def _boxes(scene: LocalScene, known: Mapping[str, Degrees]) -> tuple[Degrees, ...]:
    """Where a scene lies; nothing if one of its files does not say."""
    paths = {pick.file.path for pick in scene.picks}
    if not paths <= set(known):
        return ()
    return tuple(dict.fromkeys(known[path] for path in sorted(paths)))


def _digest(entry: Any) -> str:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _meaning(layer: Layer) -> dict[str, Any]:
    values = {str(raw): value for raw, value in layer.values.items()}
    return {
        "gain": layer.gain,
        "offset": layer.offset,
        "values": values,
        "nodata": str(layer.nodata),
    }


def cloud_layers(options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """What the folder tells of clouds; see `Provider`."""
    if _is_catalogue(options):
        return stac.cloud_layers(_stac_options(options), collection)
    folder = _opened(options, collection)
    shares = any(scene.cloud_pct is not None for scene in folder.scenes)
    return (*folder.section.quality, *(("scene",) if shares else ()))


def available_bands(options: Mapping[str, Any], collection: str) -> tuple[str, ...]:
    """The bands that the folder's scenes have, in the sensor's order.

    Raises:
        SourceError: the folder or the layout cannot be read, or has no such sensor.
    """
    if _is_catalogue(options):
        return stac.available_bands(_stac_options(options), collection)
    had = {band for scene in _opened(options, collection).scenes for band in scene.bands}
    return tuple(band for band in SENSORS[collection].bands if band in had)


def open_source(
    options: Mapping[str, Any], collection: str, bands: Sequence[str], orbit: str | None = "any"
) -> Source:
    """The folder's scenes of one sensor.

    Args:
        options: see `OPTIONS`.
        collection: name of the sensor.
        bands: bands to read, in this order.
        orbit: ascending or descending; anything else means both.

    Raises:
        SourceError: the folder or the layout cannot be read, or has no such sensor, orbit or band.
    """
    if _is_catalogue(options):
        return stac.open_source(_stac_options(options), collection, bands, orbit)
    folder = _opened(options, collection)
    absent = [band for band in bands if band not in folder.section.bands]
    if absent:
        raise SourceError(
            f"local: the layout has no {collection} band {', '.join(absent)}; it has "
            f"{', '.join(folder.section.bands)}"
        )
    scenes = folder.scenes
    if orbit in ("ascending", "descending"):
        scenes = tuple(scene for scene in scenes if scene.orbit == orbit)
        if not scenes:
            orbits = sorted({scene.orbit or "unknown" for scene in folder.scenes})
            raise SourceError(
                f"local: no {collection} scene of orbit {orbit}; there are: {', '.join(orbits)}"
            )
    resampling = options.get("resampling") or "auto"
    # Planning asks this module for identities alone, many times a run: rasterio waits until here.
    from rsweep.sources.local.reader import LocalSource

    return LocalSource(folder.root, folder.section, scenes, bands, resampling)


def _is_catalogue(options: Mapping[str, Any]) -> bool:
    """True if the folder is described by a static STAC catalogue in it, and by no layout."""
    path = options.get("path")
    if not path or options.get("layout") or Path(path, "layout.yaml").exists():
        return False
    return any(Path(path, name).is_file() for name in stac.CATALOGUE_FILES)


def _stac_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"url": options["path"], "resampling": options.get("resampling")}


def _layout_path(options: Mapping[str, Any]) -> Path:
    return Path(options.get("layout") or Path(options["path"], "layout.yaml"))


@dataclass(frozen=True, eq=False)  # compared by identity, so that it can be a key of a cache
class Folder:
    """A folder seen through one section of its layout."""

    root: Path
    section: Section
    scenes: tuple[LocalScene, ...]


def _opened(options: Mapping[str, Any], collection: str) -> Folder:
    if not options.get("path"):
        raise SourceError("local: the study names no `path`")
    return open_folder(Path(options["path"]), _layout_path(options), collection)


@functools.lru_cache(maxsize=32)
def open_folder(root: Path, layout: Path, collection: str) -> Folder:
    """A folder as a process first saw it: a sweep asks for it once per profile.

    Raises:
        SourceError: the folder or the layout cannot be read, or has no such sensor.
    """
    if not root.is_dir():
        raise SourceError(f"local: {root} is not a folder")
    sections, problems = read_layout(layout)
    if problems:
        raise StudyError(problems)
    if collection not in sections:
        raise SourceError(
            f"local: {layout} has no section {collection}; it has {', '.join(sections)}"
        )
    scenes, wrong = find_scenes(root, sections[collection], walk(root))
    if wrong or not scenes:
        raise SourceError(f"local: {root}: {'; '.join(wrong[:5]) or 'no file matches the layout'}")
    return Folder(root, sections[collection], tuple(scenes))


PROVIDER = Provider(
    "local",
    OPTIONS,
    COLLECTIONS,
    identity,
    available_bands,
    cloud_layers,
    open_source,
    check=check,
    planning_reads=planning_reads,
    held=held,
    about="your folder of GeoTIFF scenes, or a STAC catalogue in a folder",
    needs="a folder, and a layout.yaml that says how its files are named (docs/layouts.md)",
)
