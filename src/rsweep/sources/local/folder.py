"""Which files of a folder make which scenes, by its layout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from rsweep.core.digests import File
from rsweep.sources.local.baselines import baseline_of, normal, with_offsets
from rsweep.sources.local.layout import Layer, Section
from rsweep.sources.local.scene import LocalScene, Pick
from rsweep.sources.vrt import content_digests


@dataclass
class _Draft:
    """A scene while its files are being gathered."""

    times: dict[str, str] = field(default_factory=dict)
    orbit: str | None = None
    baseline: str | None = None
    interval: tuple[str, str] | None = None
    bands: dict[str, list[Pick]] = field(default_factory=dict)
    quality: dict[str, list[Pick]] = field(default_factory=dict)


def find_scenes(
    root: Path, section: Section, files: Iterable[File]
) -> tuple[list[LocalScene], list[str]]:
    """Scenes that a section finds among files, ordered by (time, id), and what is wrong."""
    files = list(files)
    drafts: dict[str, _Draft] = {}
    problems: list[str] = []
    for file, match in _matches(section.files, files):
        try:
            _add_file(drafts, section, file, match)
        except ValueError as error:
            problems.append(f"{file.path}: {error}")
    for name, layer in section.quality.items():
        problems += _add_quality(drafts, name, layer, files)
    sidecars = {file.path: file for file in files} if section.sidecar else {}
    scenes = [
        scene
        for key, draft in drafts.items()
        if (scene := _finish(root, section, key, draft, sidecars, problems)) is not None
    ]
    found, wrong = with_offsets(section, scenes)
    return sorted(found, key=lambda scene: (scene.time, scene.id)), problems + wrong


def _matches(
    pattern: re.Pattern[str], files: Iterable[File]
) -> Iterable[tuple[File, re.Match[str]]]:
    whole_path = "/" in pattern.pattern
    for file in files:
        text = file.path if whole_path else PurePosixPath(file.path).name
        match = pattern.fullmatch(text)
        if match:
            yield file, match


def _scene_id(file: File, match: re.Match[str]) -> str:
    """The group `scene`, or the path without its suffix and without the band."""
    groups = match.groupdict()
    if groups.get("scene"):
        return str(groups["scene"])
    path = file.path
    if groups.get("band"):
        start = len(path) - len(match.string)
        path = path[: start + match.start("band")] + path[start + match.end("band") :]
    return str(PurePosixPath(path).with_suffix("")).strip("_-. ")


def _add_file(
    drafts: dict[str, _Draft], section: Section, file: File, match: re.Match[str]
) -> None:
    groups = match.groupdict()
    text = groups.get("date") or section.date
    if text is None:
        raise ValueError("has no date")
    time = section.parse_date(text)
    draft = drafts.setdefault(_scene_id(file, match), _Draft())
    draft.times[time] = file.path
    draft.interval = section.interval(text)
    draft.baseline = normal(groups.get("baseline")) or baseline_of(file.path) or draft.baseline
    draft.orbit = section.orbit.get(groups.get("orbit") or "", draft.orbit)
    for band, name in section.bands.items():
        if "band" not in groups:
            draft.bands.setdefault(band, []).append(Pick(file, name))
        elif same_name(str(name), groups["band"] or ""):
            draft.bands.setdefault(band, []).append(Pick(file, 1))
    for name, layer in section.quality.items():
        if layer.files is not None:
            continue
        if "band" not in groups:
            draft.quality.setdefault(name, []).append(Pick(file, layer.band))
        elif same_name(str(layer.band), groups["band"] or ""):
            draft.quality.setdefault(name, []).append(Pick(file, 1))


def same_name(one: str, other: str) -> bool:
    """True if two band names differ only in case and leading zeros: B02, b2."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", name).lower()


def _add_quality(
    drafts: dict[str, _Draft], name: str, layer: Layer, files: Iterable[File]
) -> list[str]:
    if layer.files is None:
        return []
    found = list(_matches(layer.files, files))
    for file, match in found:
        draft = drafts.get(_scene_id(file, match))
        if draft is not None:
            draft.quality.setdefault(name, []).append(Pick(file, layer.band))
    if not found:
        return [f"no file matches the pattern of quality layer {name}: {layer.files.pattern}"]
    if drafts and not any(name in draft.quality for draft in drafts.values()):
        example = _scene_id(*found[0])
        return [
            f"quality layer {name} belongs to no scene: its group `scene` says {example!r}, "
            f"the bands' say {next(iter(drafts))!r}"
        ]
    return []


def _finish(
    root: Path,
    section: Section,
    key: str,
    draft: _Draft,
    files: Mapping[str, File],
    problems: list[str],
) -> LocalScene | None:
    if len(draft.times) != 1:
        problems.append(f"scene {key!r} has several dates: {', '.join(sorted(draft.times))}")
        return None
    ((time, first),) = draft.times.items()
    told: dict[str, Any] = {}
    sidecar = str(PurePosixPath(first).with_suffix(".json"))
    if section.sidecar and sidecar in files:
        try:
            told = _read_sidecar(root / sidecar, section.sidecar)
        except (OSError, ValueError) as error:
            problems.append(f"{sidecar}: {error}")
    baseline = normal(told.pop("baseline", None)) or draft.baseline
    if baseline and section.sensor.startswith("s2"):
        told["baseline"] = baseline
    return LocalScene(
        key,
        time,
        told.pop("orbit", None) or draft.orbit,
        {band: tuple(draft.bands[band]) for band in section.bands if band in draft.bands},
        {name: tuple(picks) for name, picks in draft.quality.items()},
        told.pop("cloud_pct", None),
        told,
        interval=draft.interval,
    )


def _read_sidecar(path: Path, keys: Mapping[str, str]) -> dict[str, Any]:
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError("is not a JSON object")
    told = {name: data[key] for name, key in keys.items() if key in data}
    if "cloud_pct" in told:
        told["cloud_pct"] = float(told["cloud_pct"])
    if "orbit" in told:
        told["orbit"] = str(told["orbit"]).lower()
    if "offset" in told:
        told["offset"] = float(told["offset"])
    return told


def content(root: Path, scenes: Iterable[LocalScene]) -> list[list[Any]]:
    """What the scenes say and hold, whatever their files are called and wherever they lie.

    One entry per scene: id, time, orbit, cloud share, properties, offset, interval, then band and
    quality layer -> [sha256 of the file, band in it].

    Raises:
        OSError: a file cannot be read.
    """
    scenes = list(scenes)
    hashed = content_digests(root, {pick.file for scene in scenes for pick in scene.picks})

    def read_from(layers: Mapping[str, tuple[Pick, ...]]) -> dict[str, list[list[Any]]]:
        return {
            name: [[hashed[pick.file.path], pick.band] for pick in picks]
            for name, picks in layers.items()
        }

    return [
        [
            s.id,
            s.time,
            s.orbit,
            s.cloud_pct,
            dict(s.properties),
            s.offset,
            s.interval,
            read_from(s.bands),
            read_from(s.quality),
        ]
        for s in scenes
    ]
