"""The composite stage: scenes of a window to frames, by blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsweep.core.errors import RoiError
from rsweep.core.files import get_json, put, put_json
from rsweep.sources.sensors import SENSORS, Sensor
from rsweep.stages.composite.frames import mean_date, scenes_by_frame
from rsweep.stages.composite.reduce import METHODS, decibel, linear
from rsweep.stages.composite.rules import clear_pixels
from rsweep.stages.job import Job

BLOCK_BYTES = 32 << 20
"""Size of one block of scenes in memory as float32; the reducers need about four of these."""

Settings = Mapping[str, Any]
Frame = tuple[NDArray[np.float32], NDArray[np.uint16], list[str]]
"""Values [C, H, W], observations [H, W], and the ids of its scenes."""


@dataclass(frozen=True)
class Scenes:
    """The scenes of one ROI as fetched: `group` has bands [S, C, H, W] and quality [S, H, W]."""

    group: h5py.Group
    listed: list[dict[str, Any]]
    sensor: Sensor
    rules: Mapping[str, Any]

    def block(
        self, chosen: list[int], bands: slice, rows: slice, clear: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """Values [S, C, rows, W] in the sensor's unit, NaN where missing or not `clear`."""
        raw = np.stack([self.group["bands"][i, bands, rows] for i in chosen])
        values = raw.astype(np.float32)
        for layer, scene in zip(values, (self.listed[i] for i in chosen), strict=True):
            if (scene["gain"], scene["offset"]) != (1.0, 0.0):
                layer *= np.float32(scene["gain"])
                layer += np.float32(scene["offset"])
        values[(raw == self.sensor.nodata) | ~np.isfinite(values)] = np.nan
        if clear is not None:
            values[np.broadcast_to(~clear[:, None], values.shape)] = np.nan
        return values

    def clear(self, chosen: list[int], rows: slice) -> NDArray[np.bool_] | None:
        """Clear pixels [S, rows, W], or None if all are."""
        if not self.sensor.sees_clouds:
            return None
        quality = self.group.get("quality", {})
        wanted = [n for n in quality if n in {rule["layer"] for rule in self.rules.values()}]
        layers = {n: np.stack([quality[n][i, rows] for i in chosen]) for n in wanted}
        try:
            return clear_pixels(self.rules, layers)
        except KeyError as error:
            have = ", ".join(quality) or "none"
            raise RoiError(f"cloud_mask needs the layer {error.args[0]}; its scenes have "
                           f"{have}") from None  # fmt: skip

    def clear_share(self, index: int) -> float:
        """Share of a scene's pixels that are there in every band and clear."""
        bands, seen = self.group["bands"], 0
        for rows in self.strips(1):
            values = self.block([index], slice(None), rows, self.clear([index], rows))
            seen += int(np.isfinite(values[0]).all(axis=0).sum())
        return float(seen / (bands.shape[2] * bands.shape[3]))

    def strips(self, scenes: int) -> Iterator[slice]:
        """Rows to read at once, so that one band of so many scenes fits a block."""
        _, _, height, width = self.group["bands"].shape
        stored, fit = self.group["bands"].chunks[2], BLOCK_BYTES // (4 * scenes * width)
        # Whole chunks where they fit; else part of one, which is then read several times.
        step = max(fit // stored * stored if fit >= stored else fit, 1)
        for top in range(0, height, step):
            yield slice(top, min(top + step, height))

    def band_steps(self, scenes: int, rows: slice) -> Iterator[slice]:
        """Bands to read at once, as many as fit a block beside those rows."""
        _, bands, _, width = self.group["bands"].shape
        step = max(BLOCK_BYTES // (4 * scenes * (rows.stop - rows.start) * width), 1)
        for first in range(0, bands, step):
            yield slice(first, min(first + step, bands))


def run(job: Job) -> dict[str, Any]:
    """Composite every ROI of a shard."""
    with job.read("scenes") as source, job.write() as target:
        rois = get_json(source, "rois")
        done = [
            _composite_roi(job, source, target, i, roi)
            for i, roi in enumerate(job.progress(rois, len(rois), "ROIs composited"))
        ]
        put_json(target, "rois", done)
    return {}


def _composite_roi(
    job: Job, source: h5py.File, target: h5py.File, index: int, roi: dict[str, Any]
) -> dict[str, Any]:
    if roi["error"]:
        return job.carry(roi)
    sensor = SENSORS[job.node.inputs["scenes"].settings["sensor"]]
    settings = job.node.settings
    group = source[str(index)]
    try:
        if "frames" in roi:
            frames = list(_fetched_frames(group, roi))
        else:
            scenes = Scenes(group, roi["scenes"], sensor, settings.get("cloud_mask", {}))
            frames = list(_frames(scenes, roi, settings))
        described = _write_frames(target.create_group(str(index)), frames, settings)
    except RoiError as error:
        job.fail_or_record(roi["id"], str(error))
        target.pop(str(index), None)
        return {"id": roi["id"], "error": str(error)}
    same = {name: roi[name] for name in ("id", "error", "grid", "polygon", "bands", "start", "end")}
    listed = [{k: s[k] for k in ("id", "time", "cloud_pct")} for s in roi["scenes"]]
    return {**same, "frames": described, "scenes": listed}


def _frames(scenes: Scenes, roi: dict[str, Any], settings: Settings) -> Iterator[Frame | None]:
    """Frames of a ROI, each None if it is empty."""
    for chosen in scenes_by_frame(scenes.listed, roi["start"], roi["end"], settings):
        if settings["composite"] == "least_cloudy" and chosen:
            chosen = [max(chosen, key=scenes.clear_share)]
        yield _reduce(scenes, chosen, settings["composite"]) if chosen else None


def _fetched_frames(group: h5py.Group, roi: dict[str, Any]) -> Iterator[Frame | None]:
    """Frames that the provider reduced, as they were fetched."""
    for i, frame in enumerate(roi["frames"]):
        count = group["count"][i]
        yield (group["frames"][i], count, frame["scenes"]) if count.any() else None


def _reduce(scenes: Scenes, chosen: list[int], method: str) -> Frame | None:
    """One frame, by blocks of rows and bands: memory does not grow with the number of scenes."""
    _, bands, height, width = scenes.group["bands"].shape
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


def _write_frames(group: h5py.Group, frames: list[Any], settings: Settings) -> list[dict[str, Any]]:
    """Store the frames kept; per frame its bin, scenes, and the bin that it repeats if any."""
    full = [i for i, frame in enumerate(frames) if frame is not None]
    if not full:
        raise RoiError("every pixel of every frame is missing or cloud")
    policy = settings.get("empty_frame", "drop")
    if policy == "error" and len(full) < len(frames):
        empty = next(i for i in range(len(frames)) if i not in full)
        raise RoiError(f"frame {empty + 1} of {len(frames)} is empty (empty_frame: error)")
    kept = range(len(frames)) if policy == "repeat" else full
    sources = [min(full, key=lambda j: (abs(j - i), j)) for i in kept]
    bands, height, width = frames[full[0]][0].shape
    shape = (len(sources), bands, height, width)
    values = group.create_dataset("frames", shape, "f4", chunks=(1, 1, height, width))
    for i, source in enumerate(sources):
        values[i] = frames[source][0]
    put(group, "count", np.stack([frames[j][1] for j in sources]), chunks=(1, height, width))
    return [{"bin": i, "repeats": j if j != i else None, "scenes": frames[j][2]}
            for i, j in zip(kept, sources, strict=True)]  # fmt: skip


def frame_date(frame: Mapping[str, Any], times: Mapping[str, str]) -> str:
    """Date of a frame: the mean acquisition of the scenes that it is made of."""
    return mean_date([times[scene] for scene in frame["scenes"]])
