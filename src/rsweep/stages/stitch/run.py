"""The stitch stage: token maps to a pooled vector or a georeferenced grid per ROI."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from shapely import wkt

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.core.records import SensorNotes, StitchedRoi, TiledRoi
from rsweep.stages.infer import format as infer
from rsweep.stages.job import Job
from rsweep.stages.prep import format as prep
from rsweep.stages.prep.geometry import Lattice, crop_to, roi_span, token_lattice
from rsweep.stages.stitch.assemble import assemble, block_mean, merge_groups
from rsweep.stages.stitch.format import Row, StoredGrid, write_grid, write_rois, write_vectors
from rsweep.stages.stitch.pool import coverage, pool
from rsweep.stages.stitch.spec import OWN_VECTORS, StitchSettings, stitch_settings

Values = NDArray[np.float32]
LEAST_REAL = 0.5
"""Share of measured input below which a vector is said to be of what was filled in."""

DIMENSIONS = 32
"""Of a grid that are brought into the order of its file at a time."""

log = logging.getLogger("rsweep")


def run(job: Job) -> None:
    """Stitch every ROI of a shard."""
    with job.read("tiles") as tiles, job.read("tokens") as tokens, job.write() as target:
        rois = prep.read_rois(tiles)
        sensors = sorted(job.node.inputs["tiles"].settings["bands"])
        inputs = {
            side: Inputs.of(block, infer.tokens(tokens, side), sensors)
            for side, block in prep.blocks(tiles).items()
        }
        done: list[Row] = []
        vectors: list[Values | None] = []
        for index, roi in enumerate(job.progress(rois, len(rois), "ROIs stitched")):
            row, vector = _stitch_roi(job, roi, inputs, target, index)
            done.append(row)
            vectors.append(vector)
        _write_all(target, vectors, stitch_settings(job.node)["storage_dtype"])
        write_rois(target, done)
    _warn_of_little(done)


def _warn_of_little(rois: list[Row]) -> None:
    """Say which ROIs' vectors are made of inputs that were mostly filled in."""
    few = [roi for roi in rois if roi["error"] is None and roi["real_share"] < LEAST_REAL]
    if few:
        log.warning(
            "%d of %d ROIs, %s first: less than half of what the network saw was measured "
            "(real_share %.0f %%), the rest missing or a reflection; let context_m and "
            "least_side_m unset, use a smaller image_size, or input_prep: resize",
            len(few),
            len(rois),
            few[0]["id"],
            100 * few[0]["real_share"],
        )


@dataclass(frozen=True)
class Inputs:
    """The datasets of a block's tiles and tokens, a row per tile, looked up once.

    Attributes:
        rois: number of each tile's ROI [tiles].
        valid: of each sensor, the valid share of pixels [tiles, T, H, W].
        real: share of each tile's input that was measured, neither missing nor filled in [tiles].
        maps: token group -> [tiles, h, w, D], finest first.
        vectors: vectors of the network's own [tiles, D], by name.
    """

    rois: NDArray[np.int32]
    valid: list[h5py.Dataset]
    real: Values
    maps: Mapping[str, h5py.Dataset]
    vectors: Mapping[str, h5py.Dataset]

    @classmethod
    def of(cls, tiles: prep.Block, tokens: infer.Tokens, sensors: list[str]) -> Inputs:
        """Those of a block of two files."""
        maps = tokens.maps
        finest_first = sorted(maps, key=lambda name: (-maps[name].shape[1], name))
        valid = [tiles.sensors[sensor].valid for sensor in sensors]
        named = {name: maps[name] for name in finest_first}
        return cls(tiles.roi[()], valid, tiles.real[()], named, tokens.vectors)


class RoiTiles:
    """The tiles of one ROI: their geometry, token maps and valid pixels.

    A ROI's rows follow each other, so that what it has of a dataset is read in one piece.
    """

    def __init__(self, roi: TiledRoi, index: int, inputs: Inputs) -> None:
        self.roi, self.inputs = roi, inputs
        rows = np.flatnonzero(inputs.rois == index)
        self.rows = slice(int(rows[0]), int(rows[-1]) + 1)
        self.lattice = Lattice(**roi["lattice"])
        self.grid = Grid.from_dict(roi["grid"])
        self.polygon = wkt.loads(roi["polygon"])

    @property
    def image_size(self) -> int:
        """Pixels per side of the network's input."""
        return int(self.inputs.valid[0].shape[-1])

    @property
    def side(self) -> int:
        """Tokens per side of the finest group's maps."""
        return int(next(iter(self.inputs.maps.values())).shape[1])

    def maps(self) -> Iterator[list[Values]]:
        """Token maps [h, w, D] tile by tile, of each group, finest first."""
        return (list(held[self.rows]) for held in self.inputs.maps.values())

    def vectors(self, name: str) -> Values:
        """The network's own vectors [tiles, D]."""
        return np.asarray(self.inputs.vectors[name][self.rows], np.float32)

    def valid(self, side: int) -> list[Values]:
        """Valid share [side, side, 1] of the tokens of each tile, over sensors and frames."""
        steps, shares = len(self.roi["steps"]), []
        for row in range(self.rows.start, self.rows.stop):
            seen = [held[row, :steps].mean(axis=0) for held in self.inputs.valid]
            mean = np.mean(seen, axis=0).astype(np.float32) / prep.VALID_FULL
            shares.append(block_mean(mean, side, side)[..., None])
        return shares

    def real(self, side: int) -> list[Values]:
        """Of each tile, the share of its input that was measured, at all its tokens."""
        return [np.full((side, side, 1), share) for share in self.inputs.real[self.rows]]


def _stitch_roi(
    job: Job, roi: prep.Row, inputs: Mapping[int, Inputs], target: h5py.File, index: int
) -> tuple[Row, Values | None]:
    if roi["error"] is not None:
        return job.propagate_failure(roi), None
    settings = stitch_settings(job.node)
    try:
        tiles = RoiTiles(roi, index, inputs[roi["side"]])
        found, vector = _embed_roi(settings, tiles, target, index)
        _require_fit(vector, settings["storage_dtype"])
    except RoiError as error:
        job.fail_or_record(roi["id"], str(error))
        target.pop(str(index), None)
        return {"id": roi["id"], "error": str(error)}, None
    return _told(roi, found), vector


def _told(roi: TiledRoi, found: Embedded) -> StitchedRoi:
    """The row of a ROI that has an embedding."""
    frames = {
        sensor: {str(step): frame for step, frame in by_step.items()}
        for sensor, by_step in roi["frames"].items()
    }
    used = {scene for by_step in frames.values() for f in by_step.values() for scene in f["scenes"]}
    row = StitchedRoi(
        id=roi["id"],
        error=None,
        grid=roi["grid"],
        start=roi["start"],
        end=roi["end"],
        mode=roi["mode"],
        side=roi["side"],
        steps=roi["steps"],
        frames=frames,
        tiles=roi["tiles"],
        sensors={
            sensor: SensorNotes(cloud_mask=one["cloud_mask"], warnings=one["warnings"])
            for sensor, one in roi["sensors"].items()
        },
        scenes=sorted(used),
        valid_share=found.valid_share,
        real_share=found.real_share,
    )
    if found.transform is not None:
        row["transform"] = found.transform
    return row


class Embedded(NamedTuple):
    """What there is to say of an embedding; see `StitchedRoi`."""

    valid_share: float
    real_share: float
    transform: list[float] | None = None


def _embed_roi(
    settings: StitchSettings, tiles: RoiTiles, target: h5py.File, index: int
) -> tuple[Embedded, Values]:
    """What there is to say of a ROI's embedding, and its vector; its grid goes to the file."""
    side = tiles.side
    blend = settings.get("blend", "hann")
    area, rows, cols, corner = _cells(tiles, side)
    weights = _valid_area(tiles, side, rows, cols, blend)
    if not weights.any():
        raise RoiError("has no valid pixel inside it")
    pooling = settings.get("pooling", "mean")
    if pooling in OWN_VECTORS:
        vector, seen = _own_vector(tiles, pooling)
        return Embedded(float(weights.sum() / area.sum()), seen), vector
    maps = (assemble(of_group, tiles.lattice, blend) for of_group in tiles.maps())
    merged = merge_groups(list(maps), settings.get("group_merge", "mean"))[rows, cols]
    # A network may say nothing (NaN) of a token of which it was shown too little.
    weights = np.where(np.isfinite(merged).all(axis=-1), weights, 0)
    if not weights.any():
        raise RoiError("has no token with enough valid pixels")
    real = assemble(tiles.real(side), tiles.lattice, blend)[rows, cols, 0]
    valid, measured = float(weights.sum() / area.sum()), float(np.average(real, weights=weights))
    if settings["output"] == "pooled":
        return Embedded(valid, measured), pool(merged, weights, pooling)
    write_grid(target, index, _stored(merged, weights, real, settings["storage_dtype"]))
    return Embedded(valid, measured, corner), pool(merged, weights, "mean")


def _cells(tiles: RoiTiles, side: int) -> tuple[NDArray[np.float64], slice, slice, list[float]]:
    """The finest cells that touch the ROI: share covered, rows, columns, and their transform."""
    lattice, grid = token_lattice(tiles.lattice, side), tiles.grid
    rows, cols = crop_to(roi_span(grid, tiles.roi["polygon"]), lattice)
    cell_m = float(lattice.cell) * grid.scale_m
    x0 = grid.x0 + lattice.left * grid.scale_m + cols.start * cell_m
    y0 = grid.y0 - lattice.top * grid.scale_m - rows.start * cell_m
    shape = (rows.stop - rows.start, cols.stop - cols.start)
    area = coverage(tiles.polygon, x0, y0, cell_m, *shape)
    return area, rows, cols, [cell_m, 0.0, x0, 0.0, -cell_m, y0]


def _valid_area(
    tiles: RoiTiles, side: int, rows: slice, cols: slice, blend: str
) -> NDArray[np.float64]:
    """Share of each cell that is valid ground of the ROI, by the pixels that the network saw.

    By pixels and not by cells: a cell at the ROI's edge may miss only what lies outside the ROI.
    """
    fine = tiles.image_size if tiles.image_size % side == 0 else side
    step = fine // side
    valid = assemble(tiles.valid(fine), tiles.lattice, blend)[..., 0]
    at = (slice(rows.start * step, rows.stop * step), slice(cols.start * step, cols.stop * step))
    lattice, grid = token_lattice(tiles.lattice, fine), tiles.grid
    pixel_m = float(lattice.cell) * grid.scale_m
    x0 = grid.x0 + lattice.left * grid.scale_m + at[1].start * pixel_m
    y0 = grid.y0 - lattice.top * grid.scale_m - at[0].start * pixel_m
    area = coverage(tiles.polygon, x0, y0, pixel_m, *valid[at].shape) * valid[at]
    cells = (rows.stop - rows.start, step, cols.stop - cols.start, step)
    return np.asarray(area.reshape(cells).mean(axis=(1, 3)))


def _own_vector(tiles: RoiTiles, name: str) -> tuple[Values, float]:
    """Mean of the network's own vectors of the tiles, by the valid ground of the ROI in each.

    And of the share of their input that was measured.
    """
    side = tiles.image_size
    lattice, grid = token_lattice(tiles.lattice, side), tiles.grid
    cell_m = float(lattice.cell) * grid.scale_m
    weights = []
    for (top, left), valid in zip(tiles.lattice.starts(), tiles.valid(side), strict=True):
        x0, y0 = grid.x0 + left * grid.scale_m, grid.y0 - top * grid.scale_m
        area = coverage(tiles.polygon, x0, y0, cell_m, side, side)
        weights.append(float((area * valid[..., 0]).sum()))
    vectors = tiles.vectors(name)
    known = np.where(np.isfinite(vectors).all(axis=-1), weights, 0)
    if not known.any():
        raise RoiError("has no tile with enough valid pixels")
    real = float(np.average(tiles.inputs.real[tiles.rows], weights=known))
    return pool(vectors, known, "mean"), real


def _stored(merged: Values, valid: NDArray[np.float64], real: Values, dtype: str) -> StoredGrid:
    """A grid as it is stored; a cell without valid ground of the ROI is missing."""
    values = np.empty((merged.shape[-1], *valid.shape), dtype)
    for first in range(0, len(values), DIMENSIONS):  # no copy of the whole: a ROI may be large
        part = slice(first, first + DIMENSIONS)
        grid = np.where(valid[..., None] > 0, merged[..., part], np.nan).transpose(2, 0, 1)
        _require_fit(grid, dtype)
        values[part] = grid
    return StoredGrid(values, valid.astype(np.float32), real)


def _require_fit(values: Values, dtype: str) -> None:
    largest = float(np.nanmax(np.abs(values), initial=0))
    if largest > float(np.finfo(dtype).max):
        raise RoiError(f"has a value of {largest:.3g}, which storage_dtype {dtype} cannot hold")


def _write_all(target: h5py.File, vectors: list[Values | None], dtype: str) -> None:
    """Store all vectors [R, D]; a ROI without one is a row of NaN."""
    width = next((len(v) for v in vectors if v is not None), 0)
    missing = np.full(width, np.nan, np.float32)
    rows = [missing if v is None else v for v in vectors]
    write_vectors(target, np.asarray(rows, dtype=dtype).reshape(len(rows), width))
