"""Everything wrong with a study."""

from __future__ import annotations

import argparse

from rsweep.commands.output import answer
from rsweep.core.errors import StudyError

ABOUT = "everything wrong with a study"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument(
        "--online", action="store_true", help="ask services on a network too: a few requests each"
    )


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.plan.departures import departure_lines
    from rsweep.plan.served import unserved
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    problems, unasked = unserved(study, given.study, given.online)
    if problems:
        raise StudyError(problems)
    stages: dict[str, int] = {}
    for node in study.nodes().values():
        stages[node.stage] = stages.get(node.stage, 0) + 1
    parts = ", ".join(f"{count} {stage}" for stage, count in stages.items())
    places = f"{len(study.rois)} ROIs in {len(study.shards)} shards"
    others = f" and {len(study.given)} given sets" if study.given else ""
    size = f"{len(study.profiles)} profiles{others} over {places}"
    outside = list(departure_lines(study.profiles))
    lines = [
        f"{given.study} is valid: {size}; distinct stages: {parts}",
        *(f"skipped {skipped.name}: {skipped.reason}" for skipped in study.skipped),
        *(f"outside training: {line}" for line in outside),
        *(f"not asked: {service} (--online asks it for bands and scenes)" for service in unasked),
    ]
    data = {
        "profiles": len(study.profiles),
        "rois": len(study.rois),
        "shards": len(study.shards),
        "stages": stages,
        "skipped": [{"name": s.name, "reason": s.reason} for s in study.skipped],
        "outside_training": outside,
        "not_asked": list(unasked),
    }
    answer(given.json, data, lines)
    return 0
