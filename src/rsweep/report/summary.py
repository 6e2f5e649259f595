"""What a person reads when a run starts and ends."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from rsweep.core.durations import format_duration
from rsweep.core.log import say
from rsweep.jobs.upstream import pull
from rsweep.jobs.workdir import clear_leftovers, set_aside
from rsweep.plan.departures import departure_lines
from rsweep.plan.workflow import Plan, missing_files
from rsweep.results.complete import failures
from rsweep.stages.registry import STAGES

MOST_OUTSIDE = 8
"""Lines about what models were not trained with; `rsweep validate` has all."""

_START: dict[str, float] = {}
_MISSING: set[Path] = set()


def receive(plan: Plan) -> None:
    """Take from other stores what a study lacks, before it is found out what is to run."""
    if plan.study.options["upstream"]:
        say(f"{pull(plan.study)} stage files taken from other stores")


def announce(plan: Plan) -> None:
    """Say what a study is about to do."""
    _START["time"] = time.monotonic()
    clear_leftovers(plan)
    set_aside(plan)
    _MISSING.update(missing_files(plan))
    say("\n".join([_size(plan, _MISSING), *_outside(plan)]))


def preview(plan: Plan) -> None:
    """Say what a study would do, before the table of jobs of a dry run."""
    say("\n".join([_size(plan, missing_files(plan)), *_outside(plan)]))
    say("jobs that would run, by rule; `snakemake -n -p` lists each with its reason")


def _size(plan: Plan, missing: set[Path]) -> str:
    study, total = plan.study, len(plan.nodes) * len(plan.shards)
    size = f"{len(study.profiles)} profiles over {len(study.rois)} ROIs"
    there = f"{total - len(missing)} of {total} stage files are there already"
    return f"study {study.name}: {size}; {there}"


def _outside(plan: Plan) -> list[str]:
    """Where profiles leave what their models were trained on, a line each and not too many."""
    found = departure_lines(plan.study.profiles)
    lines = [f"outside training: {line}" for line in found[:MOST_OUTSIDE]]
    if len(found) > MOST_OUTSIDE:
        lines.append(f"and {len(found) - MOST_OUTSIDE} more: see `rsweep validate`")
    return lines


def conclude(plan: Plan, failed: bool = False) -> None:
    """Say what ran, what was reused, what went wrong, and where the results are."""
    made = _MISSING - missing_files(plan)
    total = len(plan.nodes) * len(plan.shards)
    seconds = time.monotonic() - _START.get("time", time.monotonic())
    counts = {stage: sum(p.parent.parent.name == stage for p in made) for stage in STAGES}
    ran = ", ".join(f"{n} {stage}" for stage, n in counts.items() if n) or "no stage"
    took = format_duration(seconds)
    say(
        f"{'stopped' if failed else 'done'} after {took}. Ran {ran}; "
        f"{total - len(_MISSING)} stage files reused."
    )
    if failed:
        say(
            "a job failed (its reason is above); what is complete is kept, so fix that and run the "
            "same command again."
        )
    _report_failed_rois(plan)
    if failed:
        return
    say(f"results are in {plan.folder}/: open report.html, or sweep.csv")


def _report_failed_rois(plan: Plan) -> None:
    table = plan.folder / "sweep.csv"
    if not table.exists():
        return
    with table.open(newline="") as file:
        bad = [row for row in csv.DictReader(file) if row.get("rois_failed") not in ("0", "", None)]
    for line in failures(bad):
        say(line)
