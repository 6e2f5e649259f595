"""The fetch stage: every scene of a window on the grid of each ROI, raw, resumable by ROI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rsweep.core.errors import BudgetError, RoiError, SourceError, TransientError
from rsweep.core.files import explained, new_file, replacing
from rsweep.core.grid import Grid
from rsweep.core.nodes import Node
from rsweep.core.records import FetchedRoi, ProviderFrame, SceneRecord
from rsweep.core.roi import Roi
from rsweep.core.sensors import SENSORS
from rsweep.sources.protocol import Metered, Scene, Source, stored_as
from rsweep.sources.registry import find_provider
from rsweep.stages.composite.frames import scenes_by_frame
from rsweep.stages.composite.rules import in_order
from rsweep.stages.composite.spec import CompositeSettings
from rsweep.stages.fetch.format import (
    Row,
    adopt,
    append,
    scene_layers,
    write_held,
    write_part,
    write_rois,
)
from rsweep.stages.fetch.locks import Lock, Pinned, PixelDigest, pin, read_lock, request_digest
from rsweep.stages.fetch.parts import own_parts
from rsweep.stages.fetch.place import Place, source_and_place
from rsweep.stages.fetch.spec import fetch_settings
from rsweep.stages.fetch.used import Scenes, scenes_digest, used_scenes
from rsweep.stages.job import Job

MAX_FAILURES = 8
"""ROIs that cannot be had now, after which the provider is taken to be down."""


@dataclass(frozen=True)
class Fetching:
    """What a job fetches with.

    Attributes:
        bands: to read, in order.
        pinned: ROI -> its scenes as a lock has them; nothing without a lock.
    """

    job: Job
    source: Source
    bands: list[str]
    pinned: dict[str, Pinned] = field(default_factory=dict)


def run(job: Job) -> None:
    """Fetch a shard; a ROI already fetched by a run that was stopped is not fetched again."""
    source, bands = _open(job)
    path = job.options[job.node.key].get("lock")
    lock = read_lock(path, job.node) if path else None
    held = _held(job, lock)
    tag = f".{lock.tag}" if lock else ""
    folder, name = job.store.folder(job.node), job.node.file(job.shard.name)
    with ExitStack() as stack:
        with explained(folder):
            parts = stack.enter_context(own_parts(folder, f"{name}{tag}"))
        _run(Fetching(job, source, bands), lock, parts, held)


def _held(job: Job, lock: Lock | None) -> Scenes | None:
    """The scenes on a disk that the shard uses; None where they are a service's.

    Raises:
        SourceError: they are not those that the study was planned with.
    """
    planned = job.node.scenes.get(job.shard.name)
    if planned is None:
        return None
    known = lock.scenes if lock else None
    used = used_scenes(job.node, _provider_options(job), [job.shard], known)
    found = used.get(job.shard.name, {})
    if scenes_digest(found) != planned:
        raise SourceError(
            "scenes of this shard have changed since the study was planned; run it again"
        )
    return found


def _run(fetching: Fetching, lock: Lock | None, parts: Path, held: Scenes | None) -> None:
    job, source = fetching.job, fetching.source
    tasks = [(roi, parts / f"{i}.h5") for i, roi in enumerate(job.shard.rois)]
    absent = [task for task in tasks if not task[1].exists()]
    if lock:
        rois = [roi for roi, _ in absent]
        fetching.pinned.update(pin(lock, job.node, fetching.bands, source, rois))
    _fetch_parts(fetching, absent)
    job.ran["reused_rois"] = len(tasks) - len(absent)
    job.ran.update(getattr(source, "stats", {}))
    with job.write() as file:
        rows = [adopt(file, i, path) for i, (_, path) in enumerate(tasks)]
        job.ran["scenes"] = sum(len(row["scenes"]) for row in rows if row["error"] is None)
        write_rois(
            file, [row if row["error"] is None else job.propagate_failure(row) for row in rows]
        )
        if held is not None:
            write_held(file, job.shard.name, held)


def _fetch_parts(fetching: Fetching, tasks: list[tuple[Roi, Path]]) -> None:
    """Fetch ROIs; one that cannot be had now does not keep the others from being fetched."""
    failed: list[str] = []
    spent: BudgetError | None = None
    job = fetching.job
    with ThreadPoolExecutor(getattr(fetching.source, "workers", 1)) as pool:
        fetches = {pool.submit(_fetch_part, fetching, *task): task[0].id for task in tasks}
        try:
            for fetch in job.progress(as_completed(fetches), len(tasks), "ROIs fetched"):
                try:
                    fetch.result()
                except TransientError as error:
                    failed.append(f"ROI {fetches[fetch]}: {error}")
                    if len(failed) == MAX_FAILURES:
                        break
                except BudgetError as error:  # what is on its way is paid for, so it is kept
                    spent = error
                    _cancel(fetches)
                except CancelledError:
                    continue
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if spent:
        raise spent
    if failed:
        raise TransientError(
            f"{len(failed)} of {len(tasks)} ROIs cannot be fetched now; others "
            f"are kept: {failed[0]}"
        )


def _cancel(fetches: Iterable[Future[None]]) -> None:
    """Start none of those that have not begun."""
    for fetch in fetches:
        fetch.cancel()


def _open(job: Job) -> tuple[Source, list[str]]:
    """The provider opened for a node, and the bands to read."""
    settings = fetch_settings(job.node)
    provider = find_provider(settings["provider"])
    options = _provider_options(job)
    budget = job.options[job.node.key].get("budget", {})
    named = settings["bands"]
    if isinstance(named, str):  # all of them
        named = list(provider.available_bands(options, settings["collection"]))
    orbit = settings.get("orbit", "any")
    source = provider.open_source(options, settings["collection"], named, orbit)
    if isinstance(source, Metered):
        source.meter(job.node.key, job.store.root, budget)
    return source, named


def _provider_options(job: Job) -> dict[str, Any]:
    told = job.options[job.node.key]
    return {name: value for name, value in told.items() if name not in ("lock", "budget")}


def _fetch_part(fetching: Fetching, roi: Roi, path: Path) -> None:
    with explained(path), replacing(path) as temporary, new_file(temporary) as file:
        write_part(file, _fetch_roi(fetching, roi, file))


def _fetch_roi(fetching: Fetching, roi: Roi, file: h5py.File) -> Row:
    """Fetch one ROI into a file; what there is to say of it, or why there is nothing."""
    pinned = fetching.pinned.get(roi.id)
    try:
        if pinned and pinned.entry["error"]:
            raise RoiError(pinned.entry["error"])
        return _fetch_scenes(fetching, roi, file, pinned)
    except RoiError as error:
        if pinned and not pinned.entry["error"]:  # never an outcome: the lock has pixels
            raise SourceError(f"ROI {roi.id} of the lock: {error}") from error
        fetching.job.fail_or_record(roi.id, str(error))
        return {"id": roi.id, "error": str(error)}


def _fetch_scenes(
    fetching: Fetching, roi: Roi, file: h5py.File, pinned: Pinned | None
) -> FetchedRoi:
    """Fetch the scenes of a ROI, those of a lock where there is one; the ROI's manifest."""
    job, bands, sha256 = fetching.job, fetching.bands, PixelDigest()
    source, place = source_and_place(fetching.source, job.node, roi)
    if pinned:
        scenes = list(pinned.scenes)
    else:
        scenes = _prefilter(source.scenes(place.grid, place.start, place.end), job.node)
    frames: list[ProviderFrame] | None = None
    settings = fetch_settings(job.node)
    if "composite" in settings:
        told = [_told(scene) for scene in scenes]
        frames = _write_frames(file, source, scenes, place, settings["composite"], sha256)
    else:
        told = list(_write_scenes(file, source, scenes, place.grid, job, sha256))
    if pinned:
        pinned.check(roi.id, sha256.hexdigest())
        told = list(pinned.entry["scenes"])
    where = place.to_dict()
    row: FetchedRoi = {
        "id": roi.id,
        "error": None,
        "grid": where["grid"],
        "polygon": where["polygon"],
        "start": where["start"],
        "end": where["end"],
        "bands": bands,
        "scenes": told,
        "provider": settings["provider"],
        "collection": settings["collection"],
        "request": request_digest(job.node, bands, where, [scene["id"] for scene in told]),
        "sha256": sha256.hexdigest(),
    }
    if frames is not None:
        row["frames"] = frames
    return row


def _prefilter(scenes: list[Scene], node: Node) -> list[Scene]:
    if not scenes:
        raise RoiError("has no scenes in its window")
    limit = fetch_settings(node).get("fetch_cloudy_pct", 100.0)
    kept = [s for s in scenes if s.cloud_pct is None or s.cloud_pct <= limit]
    if not kept:
        least = min(s.cloud_pct for s in scenes if s.cloud_pct is not None)
        raise RoiError(
            f"all {len(scenes)} scenes are cloudier than fetch_cloudy_pct {limit:g}; "
            f"the least cloudy has {least:.4g} %"
        )
    return kept


def _write_scenes(
    file: h5py.File,
    source: Source,
    scenes: list[Scene],
    grid: Grid,
    job: Job,
    sha256: PixelDigest,
) -> Iterator[SceneRecord]:
    """Append the scenes that have a pixel on the grid, one at a time."""
    sensor = SENSORS[fetch_settings(job.node)["sensor"]]
    count = 0
    for scene, pixels in zip(scenes, source.read(scenes, grid), strict=True):
        dtype, nodata = stored_as(scene.properties, sensor)
        bands = pixels.bands.astype(dtype, copy=False)
        if not _has_data(bands, nodata):
            continue
        layers = scene_layers(bands, pixels.quality)
        append(file, layers, count)
        sha256.add(layers)
        count += 1
        yield _told(scene)
    if not count:
        raise RoiError(f"none of its {len(scenes)} scenes has a pixel there")


def _write_frames(
    file: h5py.File,
    source: Any,
    scenes: list[Scene],
    place: Place,
    settings: CompositeSettings,
    sha256: PixelDigest,
) -> list[ProviderFrame]:
    """Frames as the provider reduces them; per frame the ids of the scenes that it looked at."""
    listed = [_told(scene) for scene in scenes]
    frames = scenes_by_frame(listed, place.start, place.end, settings)
    stacks = [[scenes[i] for i in chosen] for _, chosen in frames]
    rules = in_order(settings.get("cloud_mask", {}))
    made = source.composites(stacks, place.grid, settings["composite"], rules)
    for i, frame in enumerate(made):
        layers = {"frames": frame.values, "count": frame.count}
        append(file, layers, i)
        sha256.add(layers)
    return [
        {"start": first.isoformat(), "end": after.isoformat(), "scenes": [s.id for s in stack]}
        for ((first, after), _), stack in zip(frames, stacks, strict=True)
    ]


def _told(scene: Scene) -> SceneRecord:
    return {
        "id": scene.id,
        "time": scene.time,
        "cloud_pct": scene.cloud_pct,
        "gain": scene.gain,
        "offset": scene.offset,
        "properties": dict(scene.properties),
    }


def _has_data(bands: np.ndarray[Any, Any], nodata: float | None) -> bool:
    if nodata is None or np.isnan(nodata):
        return bool(np.isfinite(bands).any())
    return bool((bands != nodata).any())
