"""What a study has, needs and will cost."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rsweep.commands.output import Part, Rows, answer

if TYPE_CHECKING:
    from rsweep.budget.design import Design
    from rsweep.foresight.forecast import NodeCost
    from rsweep.plan.study import Study

HEADS = ("stage", "nodes", "shared", "files", "there", "to do", "core time", "disk", "memory",
         "basis")  # fmt: skip
ABOUT = "what of a study is there, what will run, what that costs; which profiles to run first"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument("--cores", type=int, default=1, help="cores of the machine; unset: 1")
    parser.add_argument("--budget", metavar="AMOUNT", help="name the profiles to run first for "
                        "2 core-hours, 12 profiles or 5 GB")  # fmt: skip
    parser.add_argument("--interaction", action="append", default=[], metavar="KNOB,KNOB",
                        help="two knobs whose joint effect the budget is to tell too")  # fmt: skip


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.errors import RsweepError
    from rsweep.foresight.first import choose_first
    from rsweep.foresight.forecast import forecast
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    costs = forecast(study)
    try:
        pairs = [_pair(text) for text in given.interaction]
        design = choose_first(study, costs, given.budget, pairs) if given.budget else None
    except ValueError as error:
        raise RsweepError(f"--budget: {error}") from None
    answer(given.json, _plain(study, costs, design), _parts(study, costs, design, given.cores))
    return 0


def _pair(text: str) -> tuple[str, str]:
    first, _, second = text.partition(",")
    if not first or not second:
        raise ValueError(f"--interaction {text!r}; expected two knobs, such as model,frames")
    return first, second


def _plain(study: Study, costs: Sequence[NodeCost], design: Design | None) -> dict[str, Any]:
    from rsweep.plan.departures import departure_lines

    return {
        "study": study.name, "profiles": [p.name for p in study.profiles],
        "skipped": [{"name": s.name, "reason": s.reason} for s in study.skipped],
        "nodes": [{"stage": c.node.stage, "key": c.node.key, "files": c.files,
                   "present": c.present, "profiles": c.users, "core_seconds": c.seconds,
                   "low": c.low, "high": c.high, "bytes": c.size, "memory_mb": c.memory_mb,
                   "basis": c.basis} for c in costs],
        "outside_training": list(departure_lines(study.profiles)),
        "first": asdict(design) if design else None,
    }  # fmt: skip


def _parts(
    study: Study, costs: Sequence[NodeCost], design: Design | None, cores: int
) -> Iterator[Part]:
    from rsweep.core.durations import format_duration
    from rsweep.plan.departures import departure_lines

    yield f"{study.name}: {len(study.profiles)} profiles over {len(study.rois)} ROIs"
    stages = dict.fromkeys(cost.node.stage for cost in costs)
    yield Rows(HEADS, [_stage_row(s, [c for c in costs if c.node.stage == s]) for s in stages])
    total, low, high = (sum(getattr(c, n) for c in costs) for n in ("seconds", "low", "high"))
    span = f"{format_duration(low)} to {format_duration(high)}"
    wall = format_duration(total / cores)
    yield f"in all {format_duration(total)} of core time ({span}), about {wall} on {cores} cores"
    for skipped in study.skipped:
        yield f"cannot run: {skipped.name}: {skipped.reason}"
    yield from (f"outside training: {line}" for line in departure_lines(study.profiles))
    if design:
        yield from _design_lines(design)


def _stage_row(stage: str, costs: Sequence[NodeCost]) -> list[str]:
    from rsweep.core.durations import format_duration
    from rsweep.disk.sizes import size_text

    left = [cost for cost in costs if cost.to_do]
    seconds, low, high = (sum(getattr(c, n) for c in left) for n in ("seconds", "low", "high"))
    sizes = [cost.size for cost in left]
    disk = size_text(sum(s for s in sizes if s is not None)) if None not in sizes else "?"
    time = f"{format_duration(seconds)} ({format_duration(low)} to {format_duration(high)})"
    shared = sum(cost.users > 1 for cost in costs)
    files, there = sum(cost.files for cost in costs), sum(cost.present for cost in costs)
    basis = "; ".join(dict.fromkeys(cost.basis for cost in left))
    memory = f"{max(c.memory_mb for c in costs)} MB"
    counts = [str(n) for n in (len(costs), shared, files, there, files - there)]
    return [stage, *counts, time if left else "", disk if left else "", memory, basis]


def _design_lines(design: Design) -> Iterator[str]:
    yield (f"first, for {design.cost:.4g} of {design.budget:.4g}: {len(design.chosen)} profiles "
           f"tell {len(design.estimated)} effects")  # fmt: skip
    yield from (f"  {name}" for name in design.chosen)
    if design.missing:
        yield f"not told at this budget: {'; '.join(design.missing)}"
    if design.aliased:
        yield f"never told apart in this sweep: {'; '.join(design.aliased)}"
    yield (f"all effects take {design.least:.4g}; no choice can take less than {design.bound:.4g} "
           f"(gap {100 * design.gap:.1f} %)")  # fmt: skip
