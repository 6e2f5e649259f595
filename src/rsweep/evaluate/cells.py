"""Labelled cells: the places at which grids are judged, drawn once per study from a raster alone.

All profiles are asked about the same cells of ground, whatever the size of their tokens: the
answer for a cell is that of the token that holds the cell's centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from rsweep.core.canonical import digest
from rsweep.core.digests import known_sha256
from rsweep.core.errors import RoiError, RsweepError
from rsweep.core.grid import roi_polygon
from rsweep.core.roi import Roi
from rsweep.evaluate.label_raster import LabelRaster, majority, means, open_labels
from rsweep.plan.evaluation import EvaluateOptions

COUNTS = ("seen", "unknown", "mixed", "beyond", "kept")
EDGE_M = 1e-3
"""By how much rounding may move the edge of a ROI."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Labelled cells, a row of the design each.

    Attributes:
        raster, sha256: name and content of the raster that the labels are from.
        size_m: side of a cell.
        rois: ROI of each.
        centres: [x, y] of each in the UTM zone of its ROI.
        counts: whole cells in ROIs (`seen`), and what became of them: `unknown` (too little of
            the ground has a label), `mixed`, `beyond` (more than a ROI may have) and `kept`.
        least_valid: valid ground that the token of a cell must have.
    """

    raster: str
    sha256: str
    size_m: float
    rois: Sequence[str]
    centres: Sequence[Sequence[float]]
    counts: Mapping[str, int]
    least_valid: float

    def ids(self) -> list[str]:
        """A name for each: its ROI and where it lies there."""
        return [
            f"{roi} {x:.10g} {y:.10g}" for roi, (x, y) in zip(self.rois, self.centres, strict=True)
        ]


@dataclass(frozen=True)
class Drawn:
    """The cells of one ROI: centres [N, 2], labels, and what became of all that it has."""

    centres: Floats
    labels: Sequence[str]
    counts: Mapping[str, int]


def draw_cells(rois: Sequence[Roi], options: EvaluateOptions) -> tuple[Cells, list[str], str]:
    """The labelled cells of a study, their labels, and the task: of classes or of numbers.

    Raises:
        RsweepError: the raster cannot be read, or labels no cell.
    """
    path = Path(options["label_raster"] or "")
    with open_labels(path, options["label_band"], options["label_ignore"]) as raster:
        task = options["task"]
        if task == "auto":
            task = "regression" if raster.of_numbers else "classification"
        found = {roi.id: _draw(roi, raster, task, options) for roi in rois}
    counts = {name: sum(drawn.counts[name] for drawn in found.values()) for name in COUNTS}
    if not counts["kept"]:
        raise RsweepError(
            f"evaluate.label_raster: {path} labels none of {counts['seen']} cells of "
            f"{options['label_cell_m']:g} m ({counts['unknown']} without a label, "
            f"{counts['mixed']} mixed); a smaller label_cell_m or label_purity "
            f"keeps more"
        )
    cells = Cells(
        path.name,
        known_sha256(path),
        options["label_cell_m"],
        [name for name, drawn in found.items() for _ in drawn.labels],
        [centre for drawn in found.values() for centre in drawn.centres.tolist()],
        counts,
        options["label_valid"],
    )
    return cells, [label for drawn in found.values() for label in drawn.labels], task


def _draw(roi: Roi, raster: LabelRaster, task: str, options: EvaluateOptions) -> Drawn:
    size, purity = options["label_cell_m"], options["label_purity"] - 1e-9
    try:
        crs, polygon = roi_polygon(roi)
    except RoiError:
        return Drawn(np.zeros((0, 2)), [], dict.fromkeys(COUNTS, 0))
    centres = whole_cells(polygon, size)
    summary = majority if task == "classification" else means
    parts = [np.zeros((3, 0)), *(summary(v) for v in raster.cells(crs, centres, size))]
    value, share, known = np.concatenate(parts, axis=1)
    good = np.flatnonzero((known >= purity) & (share >= purity))
    rng = np.random.default_rng([options["label_seed"], int(digest(roi.id)[:12], 16)])
    chosen = np.sort(rng.permutation(good)[: options["label_cells"]])
    labelled = int((known >= purity).sum())
    counts = {
        "seen": len(known),
        "unknown": len(known) - labelled,
        "mixed": labelled - len(good),
        "beyond": len(good) - len(chosen),
        "kept": len(chosen),
    }
    return Drawn(centres[chosen], _words(value[chosen], task, options["label_names"]), counts)


def _words(values: Floats, task: str, names: Mapping[str, Any]) -> list[str]:
    if task == "regression":
        return [repr(value) for value in values.tolist()]
    return [str(names.get(f"{value:g}", f"{value:g}")) for value in values.tolist()]


def whole_cells(polygon: BaseGeometry, size_m: float) -> Floats:
    """Centres [N, 2] of the cells of a lattice, on multiples of their size, that a polygon covers.

    Neighbouring ROIs of one UTM zone share the lattice.
    """
    left, bottom, right, top = (bound / size_m for bound in polygon.bounds)
    x, y = np.meshgrid(
        np.arange(np.floor(left), np.ceil(right)) + 0.5,
        np.arange(np.floor(bottom), np.ceil(top))[::-1] + 0.5,
    )
    centres = np.stack([x.ravel(), y.ravel()], axis=1) * size_m
    half = size_m / 2 - EDGE_M
    boxes = shapely.box(*(centres - half).T, *(centres + half).T)
    shapely.prepare(polygon)
    return np.asarray(centres[shapely.covers(polygon, boxes)], np.float64)
