"""What a study has, needs and will cost."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rsweep.commands.output import Part, Rows, answer

if TYPE_CHECKING:
    from rsweep.budget.design import Design
    from rsweep.foresight.forecast import Amount, NodeCost, Quantity
    from rsweep.foresight.totals import Wall
    from rsweep.plan.study import Study
    from rsweep.sources.earthengine.ledger import Month

HEADS = (
    "stage",
    "nodes",
    "shared",
    "files",
    "there",
    "to do",
    "core time",
    "disk",
    "memory",
    "basis",
)
NAMES: dict[str, str] = {
    "requests": "requests",
    "fetched_bytes": "bytes to fetch",
    "eecu_seconds": "Earth Engine",
    "tiles": "tiles",
    "flops": "operations",
    "device_seconds": "GPU time",
    "core_seconds": "core time",
    "memory_mb": "memory of a job",
    "disk_bytes": "disk",
    "money": "money",
}
WORTH_SAYING = 1.02
"""Tiles of a shared lattice for each of ROIs' own from which the difference is said."""
ABOUT = "what of a study is there, what will run, what that costs; which profiles to run first"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")
    slots = parser.add_mutually_exclusive_group()
    slots.add_argument("--cores", type=_count, default=1, help="cores of the machine; unset: 1")
    slots.add_argument("--jobs", type=_count, help="jobs that a cluster runs at once")
    parser.add_argument(
        "--budget",
        metavar="AMOUNT",
        help="name the profiles to run first for "
        "2 core-hours, 2 gpu-hours, 12 profiles, 5 GB, 20 EUR, …",
    )
    parser.add_argument(
        "--interaction",
        action="append",
        default=[],
        metavar="KNOB,KNOB",
        help="two knobs whose joint effect the budget is to tell too",
    )


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number from 1")
    return int(text)


@dataclass(frozen=True)
class Told:
    """What there is to tell of a study.

    Attributes:
        slots: cores, or jobs at once, by their name.
        month: of Earth Engine's ledger.
    """

    study: Study
    costs: Sequence[NodeCost]
    totals: dict[str, Amount]
    slots: tuple[int, str]
    wall: Wall
    month: Month | None
    design: Design | None


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.errors import RsweepError
    from rsweep.foresight.first import choose_first
    from rsweep.foresight.forecast import forecast
    from rsweep.foresight.service import ledger_month
    from rsweep.foresight.totals import money, totals, wall_seconds
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    costs = forecast(study)
    try:
        pairs = [_pair(text) for text in given.interaction]
        design = choose_first(study, costs, given.budget, pairs) if given.budget else None
    except ValueError as error:
        raise RsweepError(f"--budget: {error}") from None
    paid = money(study, costs)
    found: dict[str, Amount] = {str(name): amount for name, amount in totals(costs).items()}
    found |= {"money": paid} if paid else {}
    slots = (given.jobs, "jobs at once") if given.jobs else (given.cores, "cores")
    wall = wall_seconds(study, costs, slots[0])
    told = Told(study, costs, found, slots, wall, ledger_month(study), design)
    answer(given.json, _plain(told), _parts(told))
    return 0


def _pair(text: str) -> tuple[str, str]:
    first, _, second = text.partition(",")
    if not first or not second:
        raise ValueError(f"--interaction {text!r}; expected two knobs, such as model,frames")
    return first, second


def _plain(told: Told) -> dict[str, Any]:
    from rsweep.foresight.mosaic import mosaic_cost
    from rsweep.foresight.race import race_cost
    from rsweep.plan.departures import departure_lines

    study, month, (slots, of) = told.study, told.month, told.slots
    mosaic = mosaic_cost(study)
    race = race_cost(study, told.costs)
    return {
        "study": study.name,
        "profiles": [p.name for p in study.profiles],
        "rois": len(study.rois),
        "cannot_run": [{"name": s.name, "reason": s.reason} for s in study.skipped],
        "nodes": [
            {
                "stage": c.node.stage,
                "key": c.node.key,
                "files": c.files,
                "present": c.present,
                "profiles": c.users,
                **{name: asdict(amount) for name, amount in c.amounts.items()},
            }
            for c in told.costs
        ],
        "totals": {name: asdict(amount) for name, amount in told.totals.items()},
        "currency": study.options["prices"].get("currency", ""),
        "wall_seconds": {**asdict(told.wall), of.replace(" ", "_"): slots},
        "earthengine": month
        and {
            "project": month.project,
            "month": month.month,
            "eecu_seconds": month.eecu_seconds,
            "budget_hours": study.options["budget"].get("eecu_hours"),
        },
        "outside_training": list(departure_lines(study.profiles)),
        "first": asdict(told.design) if told.design else None,
        "race": asdict(race) if race else None,
        "mosaic_tiles": asdict(mosaic) if mosaic else None,
    }


def _parts(told: Told) -> Iterator[Part]:
    from rsweep.core.durations import format_duration
    from rsweep.foresight.mosaic import mosaic_cost
    from rsweep.foresight.race import race_cost
    from rsweep.plan.departures import departure_lines

    study, costs = told.study, told.costs
    yield f"{study.name}: {len(study.profiles)} profiles over {len(study.rois)} ROIs"
    stages = dict.fromkeys(cost.node.stage for cost in costs)
    yield Rows(HEADS, [_stage_row(s, [c for c in costs if c.node.stage == s]) for s in stages])
    if told.totals:
        yield "in all:"
        yield Rows(("what", "about", "from", "to", "basis"), [*_total_rows(told)])
    wall = told.wall
    about, low, high = (format_duration(s) for s in (wall.seconds, wall.low, wall.high))
    yield (
        f"about {about} on {told.slots[0]} {told.slots[1]} ({low} to {high}), without starting "
        f"processes and waiting for services"
    )
    if race := race_cost(study, costs):
        first, every = format_duration(race.first), format_duration(race.every)
        yield (
            f"race: {first} of core time for all profiles on the first {race.first_share:.0%} "
            f"of the ROIs, up to {every} if none stops"
        )
    mosaic = mosaic_cost(study)
    if mosaic and mosaic.shared > WORTH_SAYING * mosaic.own:
        yield (
            f"grids of neighbours join (lattice: shared), which takes about {mosaic.shared:,.0f} "
            f"tiles in place of the {mosaic.own:,.0f} of lattice: roi"
        )
    if told.month:
        yield _month_line(told.month, study.options["budget"].get("eecu_hours"))
    for skipped in study.skipped:
        yield f"cannot run: {skipped.name}: {skipped.reason}"
    yield from (f"outside training: {line}" for line in departure_lines(study.profiles))
    if told.design:
        yield from _design_lines(told.design)


def _stage_row(stage: str, costs: Sequence[NodeCost]) -> list[str]:
    from rsweep.foresight.totals import total

    left = [cost for cost in costs if cost.to_do]
    shared = sum(cost.users > 1 for cost in costs)
    files, there = sum(cost.files for cost in costs), sum(cost.present for cost in costs)
    counts = [str(n) for n in (len(costs), shared, files, there, files - there)]
    if not left:
        return [stage, *counts, "", "", "", ""]
    shown: tuple[Quantity, ...] = ("core_seconds", "disk_bytes", "memory_mb")
    amounts = [total(left, quantity) for quantity in shown]
    cells = [_text(name, amount.value) for name, amount in zip(shown, amounts, strict=True)]
    return [stage, *counts, *cells, amounts[0].basis]


def _total_rows(told: Told) -> Iterator[list[str]]:
    currency = str(told.study.options["prices"].get("currency", ""))
    for name, amount in told.totals.items():
        bounds = [_text(name, n, currency) for n in (amount.value, amount.low, amount.high)]
        yield [NAMES[name], *bounds, amount.basis]


def _text(name: str, value: float, currency: str = "") -> str:
    """An amount with its unit."""
    from rsweep.core.durations import format_duration
    from rsweep.disk.sizes import size_text

    if name in ("fetched_bytes", "disk_bytes"):
        return size_text(value)
    if name in ("device_seconds", "core_seconds"):
        return format_duration(value)
    if name in ("requests", "tiles"):
        return f"{value:,.0f}"
    units = {
        "eecu_seconds": (3600.0, "EECU-hours"),
        "flops": (1e12, "TFLOP"),
        "memory_mb": (1.0, "MB"),
        "money": (1.0, currency),
    }
    scale, unit = units[name]
    number = value / scale
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}".strip()


def _month_line(month: Month, budget: float | None) -> str:
    used = f"{month.eecu_seconds / 3600:.3g}"
    of = f" of {budget:g}" if budget is not None else ""
    return f"Earth Engine, project {month.project}, {month.month}: {used}{of} EECU-hours are used"


def _design_lines(design: Design) -> Iterator[str]:
    yield (
        f"first, for {design.cost:.4g} of {design.budget:.4g}: {len(design.chosen)} profiles "
        f"tell {len(design.estimated)} effects"
    )
    yield from (f"  {name}" for name in design.chosen)
    if design.missing:
        yield f"not told at this budget: {'; '.join(design.missing)}"
    if design.aliased:
        yield f"never told apart in this sweep: {'; '.join(design.aliased)}"
    yield (
        f"all effects take {design.least:.4g}; no choice can take less than {design.bound:.4g} "
        f"(gap {100 * design.gap:.1f} %)"
    )
