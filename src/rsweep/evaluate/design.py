"""The design of a study's evaluation: labels, blocks and folds, from the ROI table alone.

There is one for all profiles, made before any of them ran, so that all are trained and scored on
the same ROIs however many of them a profile lost. Labels are a column of the table, or a raster's:
then the rows are cells of ROIs, which have the place, the block and the fold of their ROI.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsweep.core.canonical import digest
from rsweep.core.errors import RoiError, RsweepError
from rsweep.core.files import write_json
from rsweep.core.grid import centre_and_size
from rsweep.core.roi import Roi
from rsweep.evaluate.blocks import EARTH_KM, auto_size_km, blocks_of
from rsweep.evaluate.cells import Cells, draw_cells
from rsweep.evaluate.folds import deal, strata
from rsweep.plan.evaluation import HELD_OUT, EvaluateOptions, is_missing, task_of

NEVER = -1
"""Fold of a ROI that is trained on and never scored, and of one without a label."""
ANY_DISTANCE = "none"
"""`buffer_m` of a published split, which is taken as it is."""
ROUND_EARTH = 0.006
"""Degrees of a sphere are up to 0.6 % longer or shorter than those of the ellipsoid, which must not
make neighbours of squares that touch: so much of a side may be shared."""
MOST_GROUPS = 20
"""Groups of which each is a fold of its own; more are dealt out over `folds`."""

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Design:
    """Which ROIs are scored together and which are trained on.

    A row is a ROI, or a labelled cell of one.

    Attributes:
        label, task, cv: as the study says; task is classification or regression.
        ids: rows, ROIs in table order.
        labels: of each row, None where it has none or no place on the map.
        lonlat: centres in degrees, and size_m: width and height on the ground; None without place.
        blocks: block of each labelled ROI, which is resampled whole; -1 of others.
        folds: repeat -> fold of each ROI; -1 where it is never scored.
        block_km, range_km: side of a block and the labels' range, of spatial blocks.
        buffer_m: distance within which of a scored ROI nothing is trained on; "none": no distance
            is too near.
        validation: rows by which settings of probes are chosen, where a column says so.
        cells: what the rows are where labels are a raster's; None where they are ROIs.
    """

    label: str
    task: str
    cv: str
    ids: Sequence[str]
    labels: Sequence[str | None]
    lonlat: Sequence[Sequence[float] | None]
    size_m: Sequence[Sequence[float] | None]
    blocks: Sequence[int]
    folds: Sequence[Sequence[int]]
    block_km: float | None
    range_km: float | None
    buffer_m: float | str
    validation: Sequence[str] = ()
    cells: Cells | None = None

    @cached_property
    def digest(self) -> str:
        """Identity: the same digest is the same labels, folds and neighbours."""
        held = asdict(self)
        return digest(held if self.cells else {k: v for k, v in held.items() if k != "cells"})[:16]

    @cached_property
    def rois(self) -> Sequence[str]:
        """The ROI of each row."""
        return self.cells.rois if self.cells else self.ids

    @property
    def unit(self) -> str:
        """What a row is, in words."""
        return "cells" if self.cells else "ROIs"

    @cached_property
    def place(self) -> Indices:
        """[N] number of each row's ROI, in table order."""
        numbers = {roi: number for number, roi in enumerate(dict.fromkeys(self.rois))}
        return np.array([numbers[roi] for roi in self.rois], np.intp)

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """[N] true where a ROI has a label and a place."""
        return np.array([label is not None for label in self.labels])

    @cached_property
    def targets(self) -> NDArray[Any]:
        """[N] words, or numbers; what unlabelled ROIs have means nothing."""
        if self.task == "regression":
            return np.array([np.nan if v is None else float(v) for v in self.labels])
        return np.array(["" if v is None else v for v in self.labels])

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes in order; none for numbers."""
        return [] if self.task == "regression" else sorted(set(self.targets[self.labelled]))

    @cached_property
    def near(self) -> Indices:
        """[M, 2] pairs of places that share ground or lie within `buffer_m`, both ways."""
        places, rows = np.unique(self.place[self.labelled], return_index=True)
        rows = np.flatnonzero(self.labelled)[rows]
        lonlat, size = rows_of(self.lonlat, rows), rows_of(self.size_m, rows)
        distance = 0.0 if isinstance(self.buffer_m, str) else self.buffer_m
        return np.asarray(places[near_pairs(lonlat, size, distance)])

    def test(self, repeat: int, fold: int) -> Indices:
        """ROIs that a fold scores."""
        return np.flatnonzero(np.asarray(self.folds[repeat]) == fold)

    def train(self, repeat: int, fold: int) -> Indices:
        """Rows that a fold may train on: labelled, of other folds, near to none that it scores.

        With `buffer_m: none` and random folds those near to it are among them.
        """
        scored = np.asarray(self.folds[repeat]) == fold
        free = self.labelled & ~scored
        if self.cv != "random" and self.buffer_m != ANY_DISTANCE:
            near = self.near[np.isin(self.near[:, 1], self.place[scored]), 0]
            free &= ~np.isin(self.place, near)
        return np.flatnonzero(free)

    def fold_names(self, repeat: int) -> list[int]:
        """The folds of a repeat."""
        return sorted(set(self.folds[repeat]) - {NEVER})

    def sharing(self) -> float:
        """Share of scored rows whose ROI shares ground with one trained on.

        It is 0 but for random folds, and with `buffer_m: none`.
        """
        shared, scored = 0, 0
        for fold in self.fold_names(0):
            test, train = self.place[self.test(0, fold)], self.place[self.train(0, fold)]
            pairs = self.near[np.isin(self.near[:, 1], train)]
            shared, scored = shared + int(np.isin(test, pairs[:, 0]).sum()), scored + len(test)
        return shared / max(scored, 1)


def rows_of(values: Sequence[Sequence[float] | None], rows: Indices) -> NDArray[np.float64]:
    """Pairs of numbers of some ROIs, [M, 2]."""
    return np.array([values[i] for i in rows.tolist()], np.float64).reshape(-1, 2)


def near_pairs(
    lonlat: NDArray[np.float64], size_m: NDArray[np.float64], buffer_m: float
) -> Indices:
    """[M, 2] pairs, both ways, of rectangles less than `buffer_m` apart in either axis.

    Rectangles that touch without sharing ground are not near with a buffer of 0.
    """
    from sklearn.neighbors import BallTree  # slow to import

    if len(lonlat) < 2:
        return np.zeros((0, 2), np.intp)
    radians = np.radians(lonlat[:, ::-1])
    reach_m = float(np.hypot(*size_m.max(axis=0)) + np.sqrt(2) * buffer_m)
    tree = BallTree(radians, metric="haversine")
    found = tree.query_radius(radians, 1.01 * reach_m / 1000 / EARTH_KM)
    first = np.repeat(np.arange(len(found)), [len(others) for others in found])
    second = np.concatenate(found).astype(np.intp)
    first, second = first[first != second], second[first != second]
    gap = _offsets_m(lonlat[first], lonlat[second]) - (size_m[first] + size_m[second]) / 2
    near = (gap < buffer_m - ROUND_EARTH * size_m.max()).all(axis=1)
    return np.asarray(np.stack([first, second], axis=1)[near])


def _offsets_m(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances in metres from west to east and from south to north, [M, 2]."""
    turn = np.abs((a[:, 0] - b[:, 0] + 180) % 360 - 180)
    east = np.radians(turn) * np.cos(np.radians((a[:, 1] + b[:, 1]) / 2))
    north = np.radians(np.abs(a[:, 1] - b[:, 1]))
    return 1000 * EARTH_KM * np.stack([east, north], axis=1)


def make_design(rois: Sequence[Roi], options: EvaluateOptions) -> Design:
    """The design that a study's `evaluate` section asks for.

    Raises:
        RsweepError: its ROIs cannot be parted so; names the setting that would help.
    """
    if options["label_raster"]:
        return _of_cells(rois, options)
    places = [_place(roi) for roi in rois]
    given = [roi.properties.get(options["label"]) for roi in rois]
    labels = [
        None if place is None or is_missing(label) else str(label)
        for label, place in zip(given, places, strict=True)
    ]
    task = task_of([label for label in labels if label is not None], options["task"])
    draft = Design(
        options["label"],
        task,
        options["cv"],
        [roi.id for roi in rois],
        labels,
        [place and place[0] for place in places],
        [place and place[1] for place in places],
        [],
        [],
        None,
        None,
        options["buffer_m"],
    )
    return _parted(draft, rois, options)


def _of_cells(rois: Sequence[Roi], options: EvaluateOptions) -> Design:
    """The design of labelled cells; each lies where its ROI does."""
    cells, labels, task = draw_cells(rois, options)
    by_id = {roi.id: roi for roi in rois}
    places = {name: centre_and_size(by_id[name]) for name in dict.fromkeys(cells.rois)}
    draft = Design(
        options["label"],
        task,
        options["cv"],
        cells.ids(),
        labels,
        [places[name][0] for name in cells.rois],
        [places[name][1] for name in cells.rois],
        [],
        [],
        None,
        None,
        options["buffer_m"],
        cells=cells,
    )
    return _parted(draft, [by_id[name] for name in cells.rois], options)


def _place(roi: Roi) -> tuple[tuple[float, float], tuple[float, float]] | None:
    try:
        return centre_and_size(roi)
    except RoiError:
        return None


def _parted(draft: Design, rois: Sequence[Roi], options: EvaluateOptions) -> Design:
    known = np.flatnonzero(draft.labelled)
    if len(set(draft.targets[known].tolist())) < 2:
        raise RsweepError(
            f"evaluate.label: {len(known)} {draft.unit} have a {draft.label}, and "
            f"fewer than two different ones"
        )
    column = [str(roi.properties.get(options["column"] or "", "")) for roi in rois]
    groups = np.array(column)[known]
    block_km, range_km, own = _blocks(draft, known, groups, options)
    blocks = _spread(own, known, len(rois))
    parted = replace(draft, block_km=block_km, range_km=range_km, blocks=blocks)
    if options["cv"] == "column":
        folds = [_spread(_column_folds(groups), known, len(rois))]
        validation = [draft.ids[i] for i in known.tolist() if column[i] == "validation"]
        return replace(parted, folds=folds, validation=validation)
    fixed = draft.cv == "group" and own.max() < MOST_GROUPS
    repeats = 1 if fixed else options["repeats"]
    drawn = [
        own if fixed else _draw(draft, known, own, repeat, options) for repeat in range(repeats)
    ]
    return replace(parted, folds=[_spread(folds, known, len(rois)) for folds in drawn])


def _blocks(
    draft: Design, known: Indices, groups: NDArray[Any], options: EvaluateOptions
) -> tuple[float | None, float | None, Indices]:
    """Side of a block in km, the labels' range, and the block of each labelled ROI."""
    place = np.unique(draft.place[known], return_inverse=True)[1]
    if draft.cv == "random":
        return None, None, np.asarray(place, np.intp)
    if draft.cv == "group":
        return None, None, np.asarray(np.unique(groups, return_inverse=True)[1], np.intp)
    lonlat = rows_of(draft.lonlat, known)
    size, reach = options["block_km"], None
    if size == "auto":
        size, reach = auto_size_km(lonlat, draft.targets[known], options["folds"])
    first = np.unique(place, return_index=True)[1]  # cells of one ROI lie at one place
    return size, reach, blocks_of(lonlat[first], size)[place]


def _draw(
    draft: Design, known: Indices, own: Indices, repeat: int, options: EvaluateOptions
) -> Indices:
    count = int(own.max()) + 1
    if count < options["folds"]:
        more = "; cells of one ROI are in one block" if draft.cells else ""
        raise RsweepError(
            f"evaluate.folds is {options['folds']}, but the labelled ROIs lie in "
            f"{count} blocks; fewer folds, or a smaller block_km{more}"
        )
    rng = np.random.default_rng([repeat, count])
    return deal(own, strata(draft.targets[known]), options["folds"], rng)


def _column_folds(groups: NDArray[Any]) -> Indices:
    """Folds that a column says; of train, validation and test only test is scored."""
    if set(groups) <= {*HELD_OUT, ""}:
        return np.where(groups == "test", 0, NEVER)
    names = sorted(set(groups) - {""})
    return np.array([names.index(g) if g else NEVER for g in groups])


def _spread(values: Indices, known: Indices, count: int) -> list[int]:
    whole = np.full(count, NEVER, np.intp)
    whole[known] = values
    return [int(v) for v in whole]


def write_design(design: Design, path: Path) -> None:
    """Write design.json."""
    write_json(path, asdict(design))


def read_design(path: Path) -> Design:
    """The design that `write_design` wrote."""
    held = json.loads(path.read_text())
    cells = held.pop("cells", None)
    return Design(**held, cells=cells and Cells(**cells))
