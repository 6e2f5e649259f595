"""The jobs of an evaluation: one design, profiles by batches, one verdict."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rsweep.core.files import write_json
from rsweep.evaluate.assemble import make_verdict, read_held, write_pairs
from rsweep.evaluate.design import make_design, read_design, write_design
from rsweep.evaluate.evaluation import evaluate_profile
from rsweep.evaluate.verdict import write_verdict
from rsweep.plan.rounds import finished, rounds_so_far
from rsweep.plan.study import Study
from rsweep.results.ran import read_ran

log = logging.getLogger("rsweep")


def design_study(study: Study, path: Path) -> None:
    """Write the study's design."""
    design = make_design(study.rois, study.evaluate)
    log.info("%s ROIs labelled, digest %s", design.labelled.sum(), design.digest)
    write_design(design, path)


def evaluate_batch(study: Study, names: Sequence[str], design: Path, path: Path) -> None:
    """Evaluate some profiles and given sets, if they are not yet; `path` then lists their keys."""
    made = read_design(design)
    keys = {}
    for name in names:
        found = evaluate_profile(study.folder_of(name), made, study.evaluate)
        keys[name] = found.key
        log.info("%s: %s", name, found.note or found.scores)
    write_json(path, keys)


def judge_study(study: Study, design: Path, verdict: Path, pairs: Path) -> None:
    """Write the verdict and the comparison of every pair of profiles."""
    made, told, study = read_design(design), list(race_notes(study)), finished(study)
    held = read_held(study, made, read_ran(study))
    matters = study.evaluate["matters"]
    found, compared = make_verdict(held, made, matters)
    found = replace(found, notes=[*found.notes, *told])
    write_verdict(found, verdict)
    if compared is not None:
        write_pairs(compared.names, compared.pairs, matters, pairs)
    log.info(found.answer)


def race_notes(study: Study) -> Iterator[str]:
    """What a race has done to the comparison: who is not in it, and why."""
    for found in rounds_so_far(study):
        if found.stopped:
            how = [f"{one.profile} ({one.behind:.3f} behind {one.better})" for one in found.stopped]
            yield (
                f"Stopped early by the race, after {found.places:,} of {len(study.rois):,} ROIs, "
                f"as worse by more than {found.matters:g}, and not compared: {', '.join(how)}."
            )
