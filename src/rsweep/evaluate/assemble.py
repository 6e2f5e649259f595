"""The verdict of a study, put together from what its profiles' folders hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import spearmanr

from rsweep.core.errors import RsweepError
from rsweep.core.files import replacing
from rsweep.evaluate.alike import dead_knobs, likeness
from rsweep.evaluate.answer import answer, cv_words, notes
from rsweep.evaluate.compare import Pairs
from rsweep.evaluate.costs import costs_of
from rsweep.evaluate.curves import curves_of
from rsweep.evaluate.design import Design
from rsweep.evaluate.effects import effects_of
from rsweep.evaluate.evaluation import (
    Evaluation,
    Predictions,
    encode,
    read_digest,
    read_evaluation,
    read_predictions,
)
from rsweep.evaluate.judge import Compared, compare_profiles
from rsweep.evaluate.matched import axes
from rsweep.evaluate.measures import Digest
from rsweep.evaluate.metrics import PRIMARY, chance
from rsweep.evaluate.verdict import (
    CellsJudged,
    Confusion,
    Cost,
    Interval,
    Measure,
    Standing,
    Verdict,
)
from rsweep.plan.study import Study
from rsweep.results.ran import Ran

MOST_ALIKE = 40
"""Profiles whose likeness the verdict holds, best first: a matrix of hundreds says nothing."""
LEAST_CORRELATED = 4
MEASURES = {
    "rank": "effective rank (RankMe): how many directions the embeddings fill",
    "nearness": "likeness of near ROIs less that of far ones",
    "seam": "seam of tiled grids: change across borders of tiles over change inside",
}


@dataclass(frozen=True)
class Held:
    """What there is of each profile and given set, in the order of the study.

    `given` has the names of sets that others computed, whose cost is not known.
    """

    evaluations: Mapping[str, Evaluation]
    predictions: Mapping[str, Predictions]
    digests: Mapping[str, Digest]
    costs: Mapping[str, Cost]
    settings: Mapping[str, Mapping[str, Any]]
    given: Collection[str] = ()
    seams: Mapping[str, float | None] = field(default_factory=dict)


def read_held(study: Study, design: Design, ran: Mapping[str, Ran]) -> Held:
    """Read what the evaluations of a study's profiles left.

    Raises:
        RsweepError: a profile was not evaluated.
    """
    evaluations, predictions, digests = {}, {}, {}
    settings: dict[str, Mapping[str, Any]] = {p.name: p.settings for p in study.profiles}
    settings |= {given.name: given.settings for given in study.given}
    for name in settings:
        folder = study.folder_of(name)
        found = read_evaluation(folder)
        if found is None:
            raise RsweepError(
                f"{folder} holds no evaluation.json; run the study again with --forcerun evaluate"
            )
        evaluations[name] = found
        predictions[name] = read_predictions(folder, design)
        digests[name] = read_digest(folder)
    unknown = {given.name: Cost(None) for given in study.given}
    costs = {**costs_of(study, ran), **unknown}
    seams = {name: each.seam for name, each in ran.items()}
    return Held(evaluations, predictions, digests, costs, settings, frozenset(unknown), seams)


def make_verdict(held: Held, design: Design, matters: float) -> tuple[Verdict, Compared | None]:
    """Compare the profiles and say what follows."""
    seconds = {name: _or_infinite(cost.seconds) for name, cost in held.costs.items()}
    compared = compare_profiles(held.predictions, design, seconds, matters)
    scored = np.any([np.asarray(folds) >= 0 for folds in design.folds], axis=0)
    classes = [str(name) for name in design.targets[scored]] if design.classes else []
    standings = _standings(held, compared, matters, design.unit)
    base: dict[str, Any] = {
        "label": design.label,
        "task": design.task,
        "metric": PRIMARY[design.task],
        "matters": matters,
        "chance": chance(design.task, len(design.classes)),
        "classes": {name: classes.count(name) for name in design.classes},
        "rois": len(design.ids),
        "labelled": int(design.labelled.sum()),
        "cv": cv_words(design),
        "standings": standings,
        "cells": _cells(design, compared),
    }
    if compared is None:
        text = "No answer: the profiles have no labelled ROIs in common that could be scored."
        empty: dict[str, Any] = dict.fromkeys(("recommended", "best", "saving", "rois_to_decide"))
        nothing = Verdict(**base, **empty, answer=text, compared=0, blocks=0)
        return nothing, None
    return _verdict(held, design, compared, base), compared


def _cells(design: Design, compared: Compared | None) -> CellsJudged | None:
    if design.cells is None:
        return None
    cells, counts = design.cells, dict(design.cells.counts)
    rois = len(np.unique(design.place[compared.rows])) if compared else 0
    return CellsJudged(raster=cells.raster, size_m=cells.size_m, rois=rois, **counts)


def _or_infinite(seconds: float | None) -> float:
    """A cost that is not known is taken for more than any: such a set is never the cheapest."""
    return np.inf if seconds is None else seconds


def _verdict(held: Held, design: Design, compared: Compared, base: dict[str, Any]) -> Verdict:
    names, decision = compared.names, compared.decision
    settings = [held.settings[name] for name in names]
    effects, interactions = effects_of(settings, names, compared.draws, compared.costs)
    traits = [held.evaluations[name].traits for name in names]
    digests = [held.digests[name] for name in names]
    shown = [s.profile for s in base["standings"] if s.quality][:MOST_ALIKE]
    best = names[compared.best]
    chosen = None if decision.recommended is None else names[decision.recommended]
    curves, reference = curves_of(held.predictions, design, compared)
    more, rois = decision.more, len(np.unique(design.place[compared.rows]))
    found = Verdict(
        **base,
        answer="",
        recommended=chosen,
        best=best,
        saving=_saving(held.costs, chosen, best),
        rois_to_decide=None if more is None else _round_up(more * rois),
        compared=len(compared.rows),
        blocks=compared.outcomes.count,
        effects=effects,
        interactions=interactions,
        dead_knobs=dead_knobs(settings, names, traits, digests),
        curves=curves,
        curve_reference=reference,
        measures=_measures(base["standings"]),
        likeness=likeness(shown, [held.digests[name] for name in shown]),
        confusion=_confusion(held, design, chosen or best),
        notes=notes(design, compared, held.evaluations),
    )
    return Verdict(**{**vars(found), "answer": answer(found)})


def _saving(costs: Mapping[str, Cost], chosen: str | None, best: str) -> float | None:
    if chosen is None:
        return None
    spent, most = costs[chosen].seconds, costs[best].seconds
    return round(1 - spent / most, 4) if most and spent is not None else None


def _round_up(count: float) -> int:
    """Two digits, upwards: it is a rough estimate."""
    scale = 10 ** max(len(str(int(count))) - 2, 0)
    return int(np.ceil(count / scale) * scale)


def _standings(held: Held, compared: Compared | None, matters: float, unit: str) -> list[Standing]:
    varied = axes(list(held.settings.values()))
    place = {name: i for i, name in enumerate(compared.names)} if compared else {}
    found = [
        _standing(name, held, varied, compared, place.get(name), matters, unit)
        for name in held.evaluations
    ]
    return sorted(
        found, key=lambda s: (-s.quality.value if s.quality else 2, _or_infinite(s.cost.seconds))
    )


def _standing(
    name: str,
    held: Held,
    varied: Mapping[str, Any],
    compared: Compared | None,
    place: int | None,
    matters: float,
    unit: str,
) -> Standing:
    own, settings = held.evaluations[name], held.settings[name]
    common: dict[str, Any] = {
        "profile": name,
        "probes": own.scores,
        "rois": own.rois,
        "lost": own.lost,
        "cost": held.costs[name],
        "settings": {k: settings[k] for k in varied if k in settings},
        "rank": own.traits.rank,
        "nearness": own.traits.nearness,
        "seam": held.seams.get(name),
        "given": name in held.given,
    }
    if compared is None or place is None:
        all_of = own.rois + own.lost
        note = own.note or f"not compared: it has {own.rois} of {all_of} labelled {unit}"
        unknown: dict[str, Any] = dict.fromkeys(
            ("quality", "behind", "p_better", "p_equivalent", "p_worse", "front")
        )
        return Standing(**common, **unknown, status="not compared", note=note)
    return Standing(**common, **_compared(compared, place, matters))


def _compared(compared: Compared, place: int, matters: float) -> dict[str, Any]:
    pairs, best, decision = compared.pairs, compared.best, compared.decision
    better = float(pairs.above(matters)[place, best])
    worse = float(pairs.above(matters)[best, place])
    status = "within" if decision.within[place] else "worse" if decision.worse[place] else ""
    behind = (pairs.difference, pairs.low, pairs.high)
    return {
        "status": status or "undecided",
        "quality": compared.draws.interval(place),
        "behind": Interval(*(round(float(m[best, place]), 5) for m in behind)),
        "p_better": round(better, 4),
        "p_worse": round(worse, 4),
        "p_equivalent": round(max(1 - better - worse, 0.0), 4),
        "front": round(float(compared.front[place]), 4),
    }


def _measures(standings: Sequence[Standing]) -> list[Measure]:
    found = []
    for name, meaning in MEASURES.items():
        known = [
            (getattr(s, name), s.quality.value)
            for s in standings
            if s.quality and getattr(s, name) is not None
        ]
        values, qualities = np.array(known).T if known else (np.zeros(0), np.zeros(0))
        enough = len(known) >= LEAST_CORRELATED and min(np.ptp(values), np.ptp(qualities)) > 0
        follows = round(float(spearmanr(values, qualities).statistic), 3) if enough else None
        if known or name != "seam":  # which few studies have
            found.append(Measure(name, meaning, follows, len(known)))
    return found


def _confusion(held: Held, design: Design, name: str) -> Confusion | None:
    """Of the profile's best probe, first repeat."""
    if not design.classes:
        return None
    scores = held.evaluations[name].scores
    probe = max(scores, key=lambda p: scores[p]["balanced_accuracy"])
    guess, truth = held.predictions[name][probe, 0][0], encode(design.targets, design)
    counts = np.zeros((len(design.classes),) * 2, int)
    np.add.at(counts, (truth[guess >= 0], guess[guess >= 0]), 1)
    recall = np.diag(counts) / np.maximum(counts.sum(axis=1), 1)
    return Confusion(
        name, probe, design.classes, counts.tolist(), [round(float(r), 4) for r in recall]
    )


def write_pairs(names: Sequence[str], pairs: Pairs, matters: float, path: Path) -> None:
    """Write comparisons.parquet: a row per pair of profiles."""
    first, second = np.triu_indices(len(names), 1)
    held: dict[str, NDArray[Any]] = {
        "difference": pairs.difference,
        "low": pairs.low,
        "high": pairs.high,
        "p_better": pairs.above(matters),
        "p_worse": pairs.above(matters).T,
    }
    columns = {name: pa.array(values[first, second]) for name, values in held.items()}
    of = np.asarray(names)
    table = pa.table(
        {
            "profile": pa.array(of[first]).dictionary_encode(),
            "other": pa.array(of[second]).dictionary_encode(),
            **columns,
        }
    )
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
