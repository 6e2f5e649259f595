"""The jobs of a race: draw the parts, judge profiles on one, decide who goes on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from rsweep.core.files import write_json
from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.evaluate.design import Design, read_design
from rsweep.evaluate.evaluation import evaluate_vectors, read_predictions
from rsweep.evaluate.folds import strata
from rsweep.evaluate.measures import Features
from rsweep.evaluate.race import Look, draw_parts, look_confidence, take_look
from rsweep.evaluate.tokens import tokens_at
from rsweep.plan.evaluation import EvaluateOptions
from rsweep.plan.profiles import Profile
from rsweep.plan.race import Race
from rsweep.plan.rounds import (
    Round,
    Stopped,
    left_after,
    only,
    parts_file,
    race_folder,
    read_parts,
)
from rsweep.plan.study import Study
from rsweep.results.profile import Row, read_rows
from rsweep.results.records import estimated, read_records

log = logging.getLogger("rsweep")


def draw_race(study: Study, design: Path, path: Path) -> None:
    """Write which shards each round of a study's race has."""
    made = read_design(design)
    sizes = np.array([len(shard.rois) for shard in study.shards])
    known = np.flatnonzero(made.labelled)
    shards = {roi.id: i for i, shard in enumerate(study.shards) for roi in shard.rois}
    shard_of = np.array([shards[made.rois[row]] for row in known.tolist()])
    kinds = [np.asarray(made.blocks)[known], strata(made.targets[known])]
    parts = draw_parts(shard_of, sizes, kinds, _race(study).parts)
    write_json(path, [[study.shards[i].name for i in sorted(part)] for part in parts])


def evaluate_part(
    study: Study, number: int, profiles: Sequence[str], design: Path, path: Path
) -> None:
    """Evaluate some profiles on the part of a round; `path` then lists their keys."""
    made, keys = read_design(design), {}
    options: EvaluateOptions = {**study.evaluate, "labels_per_class": None}
    part = _part(study, number)
    for profile in only(study, profiles).profiles:
        folder = race_folder(study) / str(number) / profile.name
        found = evaluate_vectors(part_features(part, profile, made), folder, made, options)
        keys[profile.name] = found.key
        log.info("round %d, %s: %s", number, profile.name, found.note or found.scores)
    write_json(path, keys)


def part_features(part: Study, profile: Profile, design: Design) -> Features:
    """Vectors [N, D] of a profile in the order of the design; NaN of places beyond the part.

    Of labelled cells they are those of the tokens that hold them, as the verdict has them.
    """
    rows_of = _rows_of(design)
    grids = design.cells is not None and profile.settings["output"] == "grid"
    rows = [
        (rows_of[row.roi.id], _vectors(row, rows_of[row.roi.id], design))
        for row in read_rows(part, profile, grids)
        if len(row.embedding) and row.roi.id in rows_of
    ]
    width = max([1, *(vectors.shape[1] for _, vectors in rows)])
    found = np.full((len(design.ids), width), np.nan, np.float32)
    for at, vectors in rows:
        found[at] = vectors
    return found


def _rows_of(design: Design) -> dict[str, NDArray[np.intp]]:
    """ROI -> its rows of the design."""
    order = np.argsort(design.place, kind="stable")
    starts = np.flatnonzero(np.diff(design.place[order])) + 1
    return {design.rois[rows[0]]: rows for rows in np.split(order, starts)}


def _vectors(row: Row, at: NDArray[np.intp], design: Design) -> Features:
    """Vectors [n, D] of a ROI for its rows of the design."""
    cells, outcome = design.cells, row.outcome
    pooled = np.tile(row.embedding, (len(at), 1))
    if cells is None or outcome["error"] is not None:
        return pooled
    if row.grid is None or row.shares is None:
        return pooled if outcome["valid_share"] >= cells.least_valid else np.nan * pooled
    centres = np.asarray(cells.centres, np.float64)[at]
    transform = Affine(*outcome["transform"])
    return tokens_at(row.grid, row.shares, transform, centres, cells.least_valid)


def decide_round(study: Study, number: int, design: Path, path: Path) -> None:
    """Write who goes on after a round and who stops."""
    made, race, before = read_design(design), _race(study), left_after(study, number - 1)
    folder = race_folder(study) / str(number)
    found = {p.name: read_predictions(folder / p.name, made) for p in before.profiles}
    matters = study.evaluate["matters"]
    confidence = look_confidence(race.confidence, len(race.parts))
    look = take_look(found, made, matters, confidence)
    stopped = stopped_by(look)
    out = {one.profile for one in stopped}
    going = [profile.name for profile in before.profiles if profile.name not in out]
    part = _part(before, number)
    spent, saved = _saved(part, only(part, going), len(study.rois))
    places = sum(len(shard.rois) for shard in part.shards)
    write_json(
        path,
        asdict(
            Round(
                number,
                [shard.name for shard in part.shards],
                places,
                look.rois,
                round(look.blocks, 1),
                confidence,
                matters,
                going,
                stopped,
                spent,
                saved,
                look.note,
            )
        ),
    )
    log.info("round %d: %d go on, stopped: %s", number, len(going), ", ".join(out) or "none")


def stopped_by(look: Look) -> list[Stopped]:
    """The profiles that a look stops, by name."""
    names, quality = look.names, look.quality
    return [
        Stopped(
            names[one.profile],
            names[one.better],
            quality[one.profile],
            one.behind.value,
            one.behind.low,
            one.behind.high,
        )
        for one in look.beaten
    ]


def _race(study: Study) -> Race:
    assert study.race is not None, "only a study that races has these jobs"
    return study.race


def _part(study: Study, number: int) -> Study:
    """A study with the shards alone that a round has."""
    names = set(read_parts(parts_file(study))[number - 1])
    return replace(study, shards=[shard for shard in study.shards if shard.name in names])


def _saved(part: Study, left: Study, places: int) -> tuple[float, float]:
    """Seconds that nodes took which nobody needs any more, and what all other places would take."""
    needed, had = left.nodes(), sum(len(shard.rois) for shard in part.shards)
    dropped = [node for key, node in part.nodes().items() if key not in needed]
    spent = sum(_seconds(part, node, part.shards) for node in dropped)
    return round(spent, 3), round(spent * (places - had) / max(had, 1), 3)


def _seconds(part: Study, node: Node, shards: Sequence[Shard]) -> float:
    return estimated(read_records(part, node), {s.name: len(s.rois) for s in shards}, "seconds")
