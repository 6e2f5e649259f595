"""The composite stage: scenes of a window to frames, by blocks of rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.core.records import CompositedRoi, FetchedRoi, Frame, ListedScene, SceneRecord
from rsweep.core.sensors import SENSORS, Sensor
from rsweep.sources.units import decibel, linear
from rsweep.stages.composite.format import FrameWriter, Row, write_rois
from rsweep.stages.composite.frames import mean_date, scene_day, scenes_by_frame
from rsweep.stages.composite.reduce import METHODS
from rsweep.stages.composite.scenes import Scenes, own_pixels
from rsweep.stages.composite.spec import CompositeSettings, composite_settings_of
from rsweep.stages.fetch import format as fetched
from rsweep.stages.job import Job

log = logging.getLogger("rsweep")

NO_CLOUDS = (
    "least_cloudy knows no cloud of some scenes, and takes the one with most pixels in the ROI"
)

Image = tuple[NDArray[np.float32], NDArray[np.uint16], list[str]]
"""Values [C, H, W], observations [H, W], and the ids of its scenes."""


@dataclass(frozen=True)
class Made:
    """The frames of a ROI.

    Attributes:
        frames: one after another, so that one is in memory at a time; each None where it is empty.
        spans: first day and day after the last of each.
        scenes: all scenes of the window, with what is known of their clouds.
        mask: the cloud rule that was applied.
        warnings: what a reader should know of them.
    """

    frames: Iterator[Image | None]
    spans: list[tuple[str, str]]
    scenes: list[ListedScene]
    mask: str
    warnings: list[str] = field(default_factory=list)


class Kept(NamedTuple):
    """A frame of the file: its number in the window, that whose pixels it repeats, its scenes."""

    bin: int
    repeats: int | None
    scenes: list[str]


def run(job: Job) -> None:
    """Composite every ROI of a shard."""
    with job.read("scenes") as source, job.write() as target:
        rois = fetched.read_rois(source)
        done = [
            _composite_roi(job, source, target, i, roi)
            for i, roi in enumerate(job.progress(rois, len(rois), "ROIs composited"))
        ]
        write_rois(target, done)


def _composite_roi(
    job: Job, source: h5py.File, target: h5py.File, index: int, roi: fetched.Row
) -> Row:
    if roi["error"] is not None:
        return job.propagate_failure(roi)
    settings = composite_settings_of(job.node)
    sensor = SENSORS[job.node.inputs["scenes"].settings["sensor"]]
    try:
        if "frames" in roi:
            made = _fetched(fetched.stored_frames(source, index), roi)
        else:
            made = _made(fetched.stored_scenes(source, index), roi, sensor, settings)
        described = _write_frames(target.create_group(str(index)), made, settings)
    except RoiError as error:
        job.fail_or_record(roi["id"], str(error))
        target.pop(str(index), None)
        return {"id": roi["id"], "error": str(error)}
    warnings = [*made.warnings, *_orbits(roi["scenes"], sensor)]
    for text in warnings:
        log.warning("ROI %s: %s", roi["id"], text)
    frames = [_dated(kept, made, roi) for kept in described]
    if sensor.decibel:
        frames = [{**frame, "orbit": _orbit(frame["scenes"], roi["scenes"])} for frame in frames]
    return CompositedRoi(
        id=roi["id"],
        error=None,
        grid=roi["grid"],
        polygon=roi["polygon"],
        bands=roi["bands"],
        start=roi["start"],
        end=roi["end"],
        cloud_mask=made.mask,
        warnings=warnings,
        frames=frames,
        scenes=made.scenes,
    )


def _fetched(stored: fetched.StoredFrames, roi: FetchedRoi) -> Made:
    """Frames that the provider reduced, as they were fetched."""

    def frames() -> Iterator[Image | None]:
        for i, frame in enumerate(roi["frames"]):
            count = stored.count[i]
            yield (stored.values[i], count, frame["scenes"]) if count.any() else None

    spans = [(frame["start"], frame["end"]) for frame in roi["frames"]]
    return Made(frames(), spans, _listed(roi["scenes"]), "by the provider")


def _made(
    stored: fetched.StoredScenes, roi: FetchedRoi, sensor: Sensor, settings: CompositeSettings
) -> Made:
    """Frames of a ROI's scenes."""
    own = own_pixels(Grid.from_dict(roi["grid"]), roi["polygon"])
    scenes = Scenes(
        stored,
        roi["scenes"],
        sensor,
        settings.get("cloud_mask", {}),
        own,
        settings.get("mask_dilation", 0),
    )
    listed, method = scenes.with_cloud_shares(), settings["composite"]
    by_frame = list(scenes_by_frame(listed, roi["start"], roi["end"], settings))
    spans = [(first.isoformat(), after.isoformat()) for (first, after), _ in by_frame]
    frames = (_frame(scenes, chosen, method) for _, chosen in by_frame)
    blind = method == "least_cloudy" and scenes.mask == "none"
    blind = blind and any(scene["cloud_pct"] is None for scene in listed)
    return Made(frames, spans, _listed(listed), scenes.mask, [NO_CLOUDS] if blind else [])


def _frame(scenes: Scenes, chosen: list[int], method: str) -> Image | None:
    if method == "least_cloudy" and chosen:
        chosen = [max(chosen, key=scenes.clear_share)]
    return _reduce(scenes, chosen, method) if chosen else None


def _listed(scenes: list[SceneRecord]) -> list[ListedScene]:
    return [_listed_one(scene) for scene in scenes]


def _listed_one(scene: SceneRecord) -> ListedScene:
    found = ListedScene(id=scene["id"], time=scene["time"], cloud_pct=scene["cloud_pct"])
    if "roi_cloud_pct" in scene:
        found["roi_cloud_pct"] = scene["roi_cloud_pct"]
    return found


def _orbits(scenes: list[SceneRecord], sensor: Sensor) -> list[str]:
    """A warning where radar scenes of both directions are mixed, which see slopes differently."""
    directions = {str(scene["properties"].get("orbit", "")).lower() for scene in scenes}
    if sensor.decibel and {"ascending", "descending"} <= directions:
        return ["mixes ascending and descending radar scenes; `orbit` chooses one direction"]
    return []


def _orbit(made_of: list[str], scenes: list[SceneRecord]) -> str:
    """Orbit direction of a radar frame's scenes; "" where they differ or do not tell."""
    found = {str(s["properties"].get("orbit", "")).lower() for s in scenes if s["id"] in made_of}
    return found.pop() if len(found) == 1 else ""


def _dated(kept: Kept, made: Made, roi: FetchedRoi) -> Frame:
    """A frame with the days that it covers, and the mean day of its scenes."""
    used = set(kept.scenes)
    days = [scene_day(s, roi["start"], roi["end"]) for s in roi["scenes"] if s["id"] in used]
    first, after = made.spans[kept.bin]
    return Frame(
        bin=kept.bin,
        repeats=kept.repeats,
        scenes=kept.scenes,
        start=first,
        end=after,
        date=mean_date(days),
    )


def _reduce(scenes: Scenes, chosen: list[int], method: str) -> Image | None:
    """One frame, by blocks of rows and bands: memory does not grow with the number of scenes."""
    _, bands, height, width = scenes.stored.bands.shape
    frame = np.empty((bands, height, width), np.float32)
    count = np.empty((height, width), np.uint16)
    used = np.zeros(len(chosen), bool)
    for rows in scenes.strips(len(chosen)):
        clear = scenes.clear(chosen, rows)
        present = np.zeros((len(chosen), rows.stop - rows.start, width), bool)
        for part in scenes.band_steps(len(chosen), rows):
            values = scenes.block(chosen, part, rows, clear)
            present |= np.isfinite(values).any(axis=1)
            frame[part, rows] = _reduce_block(values, method, scenes.sensor.decibel)
        used |= present.reshape(len(chosen), -1).any(axis=1)
        count[rows] = present.sum(axis=0)
    if not count.any():
        return None
    return frame, count, [scenes.listed[i]["id"] for i, u in zip(chosen, used, strict=True) if u]


def _reduce_block(
    values: NDArray[np.float32], method: str, in_decibel: bool
) -> NDArray[np.float32]:
    if in_decibel and method in ("median", "mean"):
        return decibel(METHODS[method](linear(values)))
    return METHODS[method](values)


def _write_frames(group: h5py.Group, made: Made, settings: CompositeSettings) -> list[Kept]:
    """Store the frames that are kept."""
    policy, bins = settings.get("empty_frame", "drop"), len(made.spans)
    writer, counts = FrameWriter(group, bins), dict[int, NDArray[np.uint16]]()
    used: dict[int, list[str]] = {}
    for i, frame in enumerate(made.frames):
        if frame is None:
            continue
        values, counts[i], used[i] = frame
        writer.put(i if policy == "repeat" else len(used) - 1, values)
    if not used:
        raise RoiError("every pixel of every frame is missing or cloud")
    if policy == "error" and len(used) < bins:
        empty = next(i for i in range(bins) if i not in used)
        raise RoiError(f"frame {empty + 1} of {bins} is empty (empty_frame: error)")
    kept = range(bins) if policy == "repeat" else list(used)
    sources = [min(used, key=lambda j: (abs(j - i), j)) for i in kept]
    for i, source in zip(kept, sources, strict=True):
        if i != source:
            writer.repeat(i, source)
    writer.finish([counts[j] for j in sources])
    return [Kept(i, j if j != i else None, used[j]) for i, j in zip(kept, sources, strict=True)]
