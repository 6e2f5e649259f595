"""What profiles chosen under a budget can say, beside other ways to choose at equal cost.

    python benchmarks/budget.py [--seconds 8]

About 500 invented profiles of six crossed knobs share fetches, composites, tiles and inference;
costs are drawn. Per budget (a share of the full grid's cost): effects that can be estimated,
and the mean of their variances for unit noise. The smallest budget asks for main effects alone, the
others for those of image size by model too.
Written to benchmarks/results/budget.csv.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time

import numpy as np
from measure import facts, write_csv

from rsweep.budget.cover import total
from rsweep.budget.design import choose_profiles
from rsweep.budget.effects import Candidate, Effects, sweep_effects, variances

LEVELS = {
    "model": 4,
    "composite": 3,
    "image_size": 4,
    "input_prep": 2,
    "normalization": 2,
    "output": 3,
}
SECONDS = {"fetch": 50.0, "composite": 5.0, "prep": 3.0, "infer": 40.0, "stitch": 1.0}
INTERACTION = (("model", "image_size"),)


def invented(draw: random.Random) -> tuple[list[Candidate], dict[str, float]]:
    """Profiles of the crossed knobs, an eighth of them left out as impossible."""
    costs: dict[str, float] = {}
    found = []
    for levels in itertools.product(*map(range, LEVELS.values())):
        if draw.random() < 0.13:
            continue
        m, comp, size, prep, norm, out = levels
        keys = {
            "fetch": (m % 2,),
            "composite": (m % 2, comp),
            "prep": (m % 2, comp, size, prep, norm),
            "infer": (m, comp, size, prep, norm),
            "stitch": (m, comp, size, prep, norm, out),
        }
        nodes = {stage: f"{stage}{key}" for stage, key in keys.items()}
        for stage, key in nodes.items():
            costs.setdefault(key, SECONDS[stage] * (0.5 + draw.random()))
        own = dict(zip(LEVELS, levels, strict=True))
        needs = {stage: frozenset([key]) for stage, key in nodes.items()}
        found.append(Candidate("-".join(map(str, levels)), own, needs))
    return found, costs


def fill(
    order: list[int], candidates: list[Candidate], costs: dict[str, float], budget: float
) -> list[int]:
    """Profiles in an order, each taken if it fits the budget."""
    chosen: list[int] = []
    for i in order:
        if total([*chosen, i], candidates, costs) <= budget:
            chosen.append(i)
    return chosen


def one_at_a_time(candidates: list[Candidate]) -> list[int]:
    """The first profile, then those that differ from it in one knob, then in two, and so on."""
    base = candidates[0].levels

    def differs(i: int) -> int:
        return sum(candidates[i].levels[knob] != base[knob] for knob in base)

    return sorted(range(len(candidates)), key=differs)


def row(
    way: str, share: float, chosen: list[int], seconds: float, effects: Effects, gap: float | None
) -> dict[str, object]:
    found = variances(effects, chosen)
    good = np.isfinite(found)
    return {
        "way": way,
        "share_of_grid_cost": share,
        "profiles": len(chosen),
        "effects": len(found),
        "estimated": int(good.sum()),
        "mean_variance": round(float(found[good].mean()), 4) if good.any() else "",
        "seconds": round(seconds, 2),
        "gap": "" if gap is None else round(gap, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="for the integer programme")
    seconds = parser.parse_args().seconds
    candidates, costs = invented(random.Random(0))
    every = list(range(len(candidates)))
    whole = total(every, candidates, costs)
    place = {c.name: i for i, c in enumerate(candidates)}
    rows = []
    for share, wanted in ((0.06, ()), (0.12, INTERACTION), (0.25, INTERACTION)):
        budget, effects = share * whole, sweep_effects(candidates, wanted)
        rows.append(row("full grid", share, every, 0.0, effects, None))
        began = time.perf_counter()
        design = choose_profiles(candidates, costs, budget, wanted, seconds)
        took = time.perf_counter() - began
        chosen = [place[name] for name in design.chosen]
        rows.append(row("chosen", share, chosen, took, effects, design.gap))
        ofat = fill(one_at_a_time(candidates), candidates, costs, budget)
        rows.append(row("one factor at a time", share, ofat, 0.0, effects, None))
        for seed in range(5):
            order = random.Random(seed).sample(every, len(every))
            drawn = fill(order, candidates, costs, budget)
            rows.append(row(f"random {seed}", share, drawn, 0.0, effects, None))
    write_csv("budget", rows, facts())


if __name__ == "__main__":
    main()
