"""The prep stage: frames to model-ready tiles, and a table of where each lies on its ROI's grid."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date

import h5py
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.core.records import CompositedRoi, SensorScenes, TiledFrame, TiledRoi
from rsweep.core.sensors import SENSORS
from rsweep.stages.composite import format as composite
from rsweep.stages.job import Job
from rsweep.stages.prep.cut import cut
from rsweep.stages.prep.format import (
    EPOCH,
    ORBITS,
    VALID_FULL,
    Row,
    Tile,
    create_sensor,
    write_rois,
    write_table,
)
from rsweep.stages.prep.geometry import Lattice, reflected
from rsweep.stages.prep.normalize import normalize
from rsweep.stages.prep.resample import resize, resize_decibel
from rsweep.stages.prep.spec import PrepSettings, prep_settings


def run(job: Job) -> None:
    """Cut every ROI of a shard into tiles."""
    with ExitStack() as stack:
        inputs = {s: stack.enter_context(job.read(s)) for s in job.node.inputs}
        target = stack.enter_context(job.write())
        tables = {s: composite.read_rois(file) for s, file in inputs.items()}
        rois = [_plan_roi(job, rows) for rows in _by_roi(tables)]
        writers = {
            side: TileWriter(target.create_group(str(side)), prep_settings(job.node), side, of_side)
            for side, of_side in _by_side(rois).items()
        }
        for index, roi in enumerate(job.progress(rois, len(rois), "ROIs tiled")):
            if roi["error"] is None:
                writers[roi["side"]].add(index, roi, inputs)
        for writer in writers.values():
            writer.finish()
        write_rois(target, rois)
        job.ran["tiles"] = sum(len(writer.tiles) for writer in writers.values())


def _by_side(rois: list[Row]) -> dict[int, list[TiledRoi]]:
    """Side of the network's input -> the ROIs that are tiled to it."""
    found: dict[int, list[TiledRoi]] = {}
    for roi in rois:
        if roi["error"] is None:
            found.setdefault(roi["side"], []).append(roi)
    return found


def _by_roi(tables: dict[str, list[composite.Row]]) -> Iterator[dict[str, composite.Row]]:
    for rows in zip(*tables.values(), strict=True):
        yield dict(zip(tables, rows, strict=True))


def _plan_roi(job: Job, rows: dict[str, composite.Row]) -> Row:
    """Lattice and frames of a ROI, or why it has none; `rows` has what each sensor says of it."""
    first = next(iter(rows.values()))
    failed = [
        f"{s}: {r['error']}" if len(rows) > 1 else r["error"]
        for s, r in rows.items()
        if r["error"] is not None
    ]
    if failed:
        return {
            **job.propagate_failure({"id": first["id"], "error": "; ".join(failed)}),
            "tiles": 0,
        }
    try:
        made = {s: row for s, row in rows.items() if row["error"] is None}
        return _plan_tiles(prep_settings(job.node), made)
    except RoiError as error:
        job.fail_or_record(first["id"], str(error))
        return {"id": first["id"], "error": str(error), "tiles": 0}


def _plan_tiles(settings: PrepSettings, rows: dict[str, CompositedRoi]) -> TiledRoi:
    first = next(iter(rows.values()))
    grid = Grid.from_dict(first["grid"])
    mode, lattice = cut(settings, grid, first["polygon"])
    limit = settings.get("max_tiles", math.inf)
    if lattice.count > limit:
        raise RoiError(
            f"needs {lattice.count} tiles of {lattice.size} px, more than max_tiles {limit}; raise "
            "max_tiles or tile_size, or set input_prep: resize"
        )
    _require_bands(settings, rows)
    frames = {s: _frames(row) for s, row in rows.items()}
    dated = {b for s, by_bin in frames.items() if not SENSORS[s].static for b in by_bin}
    steps = sorted(dated) or [0]
    # A static product is there in every frame.
    frames |= {s: dict.fromkeys(steps, f[0]) for s, f in frames.items() if SENSORS[s].static}
    if len(steps) < settings["min_frames"]:
        raise RoiError(
            f"has {len(steps)} frames with a valid pixel; the model takes at least "
            f"{settings['min_frames']}"
        )
    return TiledRoi(
        id=first["id"],
        error=None,
        grid=first["grid"],
        polygon=first["polygon"],
        start=first["start"],
        end=first["end"],
        mode=mode,
        side=lattice.size if mode == "native" else settings["image_size"],
        lattice=lattice.to_dict(),
        steps=steps,
        frames=frames,
        sensors={sensor: _detail(row) for sensor, row in rows.items()},
        tiles=lattice.count,
    )


def _detail(row: CompositedRoi) -> SensorScenes:
    return SensorScenes(
        bands=row["bands"],
        scenes=row["scenes"],
        cloud_mask=row["cloud_mask"],
        warnings=row["warnings"],
    )


def _require_bands(settings: PrepSettings, rows: dict[str, CompositedRoi]) -> None:
    for sensor, row in rows.items():
        missing = [b for b in settings["bands"][sensor] if b not in row["bands"]]
        if missing:
            raise RoiError(
                f"the model reads {', '.join(missing)}, and the scenes have only "
                f"{', '.join(row['bands'])}"
            )


def _frames(row: CompositedRoi) -> dict[int, TiledFrame]:
    """Bin -> where its frame is stored, its date, and what it was made of."""
    return {frame["bin"]: {"at": i, **frame} for i, frame in enumerate(row["frames"])}


@dataclass(frozen=True)
class Strip:
    """What a row of tiles is cut from, so that a large ROI is never in memory as a whole.

    Attributes:
        top: first row of the tiles on the grid.
        values: rows of the grid [T, C, rows, W].
        rows: for each row of a tile, which of `values` it is.
        inside: True for rows of a tile that are on the grid, and no reflection.
    """

    top: int
    values: NDArray[np.float32]
    rows: NDArray[np.intp]
    inside: NDArray[np.bool_]


class TileWriter:
    """Writes a block of tiles one ROI at a time: those of one side of the network's input."""

    def __init__(
        self, file: h5py.Group, settings: PrepSettings, size: int, rois: list[TiledRoi]
    ) -> None:
        self.file, self.settings, self.size = file, settings, size
        total, steps = sum(roi["tiles"] for roi in rois), max(len(roi["steps"]) for roi in rois)
        self.held = {
            sensor: create_sensor(
                file, sensor, (total, steps, len(bands), size, size), SENSORS[sensor].decibel
            )
            for sensor, bands in settings["bands"].items()
        }
        self.tiles: list[Tile] = []

    def add(self, index: int, roi: TiledRoi, inputs: Mapping[str, h5py.File]) -> None:
        """Write a ROI's tiles."""
        lattice, grid = Lattice(**roi["lattice"]), Grid.from_dict(roi["grid"])
        frames = {s: composite.stored_composite(file, index).frames for s, file in inputs.items()}
        strips: dict[str, Strip] = {}
        for top, left in lattice.starts():
            shares = []
            for sensor, stored in frames.items():
                if sensor not in strips or strips[sensor].top != top:
                    strips[sensor] = self._strip(sensor, roi, stored, top, lattice.size)
                values, share = self._tile(sensor, strips[sensor], left, lattice.size)
                self._write(sensor, values, share)
                given = [roi["frames"][sensor].get(step) for step in roi["steps"]]
                self._write_frames(sensor, given)
                own = [t for t, frame in enumerate(given) if frame]  # it sees no others
                shares.append(float(share[own].mean()))
            place = self._place(grid, top, left, lattice.size)
            real = sum(shares) / len(shares)
            self.tiles.append(Tile(index, top, left, len(roi["steps"]), real, *place))

    def finish(self) -> None:
        """Write the table of tiles."""
        write_table(self.file, self.tiles)

    def _strip(
        self, sensor: str, roi: TiledRoi, stored: h5py.Dataset, top: int, size: int
    ) -> Strip:
        """The rows of a sensor that a row of tiles is cut from; NaN for a frame that it lacks."""
        held = roi["sensors"][sensor]["bands"]
        wanted = self.settings["bands"][sensor]
        frames, (_, _, height, width) = roi["frames"][sensor], stored.shape
        rows = reflected(top, size, height)
        first, last = int(rows.min()), int(rows.max()) + 1
        shape = (len(roi["steps"]), len(wanted), last - first, width)
        stack = np.full(shape, np.nan, np.float32)
        for t, step in enumerate(roi["steps"]):
            if step in frames:
                for c, band in enumerate(wanted):
                    at = (frames[step]["at"], held.index(band), slice(first, last))
                    stack[t, c] = stored[at]
        return Strip(top, stack, rows - first, _inside(top, size, height))

    def _tile(
        self, sensor: str, strip: Strip, left: int, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A tile's normalised values [T, C, s, s] and valid share [T, s, s]."""
        steps, bands, _, width = strip.values.shape
        cols = reflected(left, size, width)
        values = strip.values[:, :, strip.rows[:, None], cols[None]]
        valid = np.isfinite(values).all(axis=1)
        inside = strip.inside[:, None] & _inside(left, size, width)[None]
        seen = valid if self.settings["edge"] == "reflect" else valid & inside
        out, kind = self.size, self.settings.get("resample", "bilinear")
        flat = np.repeat(seen, bands, axis=0)
        average = resize_decibel if SENSORS[sensor].decibel else resize
        resized, _ = average(values.reshape(-1, size, size), flat, out, kind)
        resized = resized.reshape(steps, bands, out, out)
        _, share = resize(np.ones_like(valid, np.float32), valid & inside, out, kind)
        known: NDArray[np.bool_] = np.asarray(np.isfinite(resized).all(axis=1))
        return normalize(resized, known, self.settings["normalization"][sensor]), share

    def _write(self, sensor: str, values: NDArray[np.float32], share: NDArray[np.float32]) -> None:
        steps, held = len(values), self.held[sensor]
        held.pixels[len(self.tiles), :steps] = values
        held.valid[len(self.tiles), :steps] = np.rint(share * VALID_FULL).astype(np.uint8)

    def _write_frames(self, sensor: str, frames: list[TiledFrame | None]) -> None:
        held, row = self.held[sensor], len(self.tiles)
        held.day[row, : len(frames)] = [self._day(frame) for frame in frames]
        if held.orbit is not None:
            orbits = [ORBITS.index(frame["orbit"]) if frame else 0 for frame in frames]
            held.orbit[row, : len(frames)] = orbits

    @staticmethod
    def _day(frame: TiledFrame | None) -> int:
        return (date.fromisoformat(frame["date"]) - EPOCH).days if frame else -1

    def _place(self, grid: Grid, top: int, left: int, size: int) -> tuple[float, float, float]:
        """Longitude and latitude of a tile's centre, and metres per pixel of the input."""
        x = grid.x0 + (left + size / 2) * grid.scale_m
        y = grid.y0 - (top + size / 2) * grid.scale_m
        lon, lat = _to_lonlat(grid.crs).transform(x, y)
        return lon, lat, grid.scale_m * size / self.size


def _inside(start: int, size: int, length: int) -> NDArray[np.bool_]:
    index = np.arange(start, start + size)
    return (index >= 0) & (index < length)


@functools.cache
def _to_lonlat(crs: str) -> Transformer:
    return Transformer.from_crs(crs, 4326, always_xy=True)
