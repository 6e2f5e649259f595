"""How far a grid is from the one of the ROI's own pixels in a single pass, or of most overlap."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from rsweep.jobs.runner import reading
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.stages.stitch.format import Row, read_grid, read_rois

Values = NDArray[np.float32]

CUTTING = (
    "input_prep",
    "image_size",
    "tile_size",
    "tile_overlap",
    "max_tiles",
    "resample",
    "blend",
    "native_max_px",
    "native_max_tokens",
    "native_above",
    "context_m",
    "least_side_m",
    "lattice",
)
"""How a ROI is brought to the network; profiles that differ in these knobs alone are compared."""


@dataclass(frozen=True)
class Grid:
    """A ROI's embeddings [D, h, w], NaN where missing, and the transform of cells to the map."""

    values: Values
    transform: tuple[float, ...]


def grid_distance(grid: Grid, native: Grid) -> float | None:
    """Distance of a grid from the native one, as a share of how much the native one varies.

    The grid is read where the centres of the native cells lie. Root mean square difference of the
    vectors there over the root mean square difference of the native vectors from their mean: 0 for
    the same grid, 1 where a cell is as far off as the native mean is. None where the two share no
    two cells or the native grid does not vary.
    """
    own = native.values.reshape(len(native.values), -1).T.astype(np.float64)
    other = at_centres(grid, native).astype(np.float64)
    both = np.isfinite(own).all(axis=1) & np.isfinite(other).all(axis=1)
    own, other = own[both], other[both]
    spread = float(((own - own.mean(axis=0)) ** 2).sum()) if len(own) > 1 else 0.0
    return float(np.sqrt(((own - other) ** 2).sum() / spread)) if spread > 0 else None


def at_centres(grid: Grid, native: Grid) -> Values:
    """Vectors [cells, D] of a grid where the centres of the native grid's cells lie."""
    _, height, width = native.values.shape
    size, _, x0, _, _, y0 = native.transform
    x, y = x0 + size * (np.arange(width) + 0.5), y0 - size * (np.arange(height) + 0.5)
    own, _, left, _, _, top = grid.transform
    cols, rows = np.floor((x - left) / own).astype(int), np.floor((top - y) / own).astype(int)
    depth, high, wide = grid.values.shape
    known = ((rows >= 0) & (rows < high))[:, None] & ((cols >= 0) & (cols < wide))[None]
    picked = grid.values[:, np.clip(rows, 0, high - 1)[:, None], np.clip(cols, 0, wide - 1)[None]]
    return np.asarray(np.where(known, picked, np.nan).reshape(depth, -1).T, np.float32)


OVERLAPPING = ("tile_overlap", "blend", "max_tiles", "context_m", "least_side_m")
"""How tiles overlap; profiles that differ in these knobs alone are compared with the most of it."""


def native_distances(study: Study) -> dict[str, float]:
    """Profile -> median distance of its grids from the native ones, over the ROIs of both.

    Of profiles with `output: grid` that differ from a native one in nothing but how the ROI is
    brought to the network (`CUTTING`).
    """
    grids = _grids(study)
    natives = {_apart(p, CUTTING): p for p in grids if p.settings["input_prep"] == "native"}
    return _from(study, {p.name: natives.get(_apart(p, CUTTING)) for p in grids}, "native")


def overlap_distances(study: Study) -> dict[str, float]:
    """Profile -> median distance of its tiled grids from those of the most overlap.

    Of profiles that differ in nothing but how their tiles overlap (`OVERLAPPING`).
    """
    tiled = [p for p in _grids(study) if p.settings["input_prep"] == "tile"]
    most: dict[str, Profile] = {}
    for profile in sorted(tiled, key=lambda p: p.settings["tile_overlap"]):
        if profile.settings["tile_overlap"]:
            most[_apart(profile, OVERLAPPING)] = profile
    return _from(study, {p.name: most.get(_apart(p, OVERLAPPING)) for p in tiled}, "tile")


def _grids(study: Study) -> list[Profile]:
    return [profile for profile in study.profiles if profile.settings["output"] == "grid"]


def _from(study: Study, references: Mapping[str, Profile | None], mode: str) -> dict[str, float]:
    """Profile -> distance from its reference, where that is another profile."""
    found = {}
    for profile in study.profiles:
        reference = references.get(profile.name)
        if reference is not None and reference is not profile:
            distances = _distances(study, profile, reference, mode)
            if distances:
                found[profile.name] = round(float(np.median(distances)), 4)
    return found


def _apart(profile: Profile, but: Collection[str]) -> str:
    """All settings of a profile but some."""
    return repr(sorted((k, repr(v)) for k, v in profile.settings.items() if k not in but))


def _distances(study: Study, profile: Profile, reference: Profile, mode: str) -> list[float]:
    """Of the ROIs that the reference has in a mode: one may be too large to be native."""
    found = []
    for shard in study.shards:
        with (
            reading(study, profile.node, shard) as a,
            reading(study, reference.node, shard) as b,
        ):
            for index, rows in enumerate(zip(read_rois(a), read_rois(b), strict=True)):
                if rows[1]["error"] is None and rows[1]["mode"] == mode:
                    pair = [_grid(f, index, r) for f, r in zip((a, b), rows, strict=True)]
                    if pair[0] and pair[1]:
                        found.append(grid_distance(pair[0], pair[1]))
    return [distance for distance in found if distance is not None]


def _grid(file: h5py.File, index: int, row: Row) -> Grid | None:
    """The grid of a ROI, if it has one."""
    stored = read_grid(file, index)
    if stored is None or row["error"] is not None:
        return None
    return Grid(stored.values, tuple(row["transform"]))
