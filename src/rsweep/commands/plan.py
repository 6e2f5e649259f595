"""What a study has, needs and will cost."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsweep.budget.design import Design
    from rsweep.foresight.forecast import NodeCost
    from rsweep.plan.study import Study

ABOUT = "what of a study is there, what will run, what that costs; which profiles to run first"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    parser.add_argument("--cores", type=int, default=1, help="cores of the machine; unset: 1")
    parser.add_argument("--budget", metavar="AMOUNT", help="name the profiles to run first for "
                        "2 core-hours, 12 profiles or 5 GB")  # fmt: skip
    parser.add_argument("--interaction", action="append", default=[], metavar="KNOB,KNOB",
                        help="two knobs whose joint effect the budget is to tell too")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for programs")


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
    if given.json:
        print(json.dumps(_plain(study, costs, design), indent=1))
    else:
        print("\n".join(_lines(study, costs, design, given.cores)))
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


def _lines(
    study: Study, costs: Sequence[NodeCost], design: Design | None, cores: int
) -> Iterator[str]:
    from rsweep.plan.departures import departure_lines

    yield f"{study.name}: {len(study.profiles)} profiles over {len(study.rois)} ROIs"
    yield (f"{'stage':<10} {'nodes':>5} {'shared':>6} {'files':>7} {'there':>7} {'to do':>7} "
           f"{'core time':>20} {'disk':>10} {'memory':>8}  basis")  # fmt: skip
    for stage in dict.fromkeys(cost.node.stage for cost in costs):
        yield _stage_line(stage, [cost for cost in costs if cost.node.stage == stage])
    total, low, high = (sum(getattr(c, n) for c in costs) for n in ("seconds", "low", "high"))
    yield (f"in all {_time(total)} of core time ({_time(low)} to {_time(high)}), "
           f"about {_time(total / cores)} on {cores} cores")  # fmt: skip
    for skipped in study.skipped:
        yield f"cannot run: {skipped.name}: {skipped.reason}"
    yield from (f"outside training: {line}" for line in departure_lines(study.profiles))
    if design:
        yield from _design_lines(design)


def _stage_line(stage: str, costs: Sequence[NodeCost]) -> str:
    from rsweep.disk.sizes import size_text

    left = [cost for cost in costs if cost.to_do]
    seconds, low, high = (sum(getattr(c, n) for c in left) for n in ("seconds", "low", "high"))
    sizes = [cost.size for cost in left]
    disk = size_text(sum(s for s in sizes if s is not None)) if None not in sizes else "?"
    time = f"{_time(seconds)} ({_time(low)}-{_time(high)})" if left else ""
    shared = sum(cost.users > 1 for cost in costs)
    files, there = sum(cost.files for cost in costs), sum(cost.present for cost in costs)
    basis = "; ".join(dict.fromkeys(cost.basis for cost in left))
    return (f"{stage:<10} {len(costs):>5} {shared:>6} {files:>7} {there:>7} {files - there:>7} "
            f"{time:>20} {disk if left else '':>10} {max(c.memory_mb for c in costs):>5} MB  "
            f"{basis}")  # fmt: skip


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
