"""A published table, made again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rsweep.commands.output import answer

if TYPE_CHECKING:
    from rsweep.recipes.regenerate import Outcome

ABOUT = "make a published table again: get its data, run its studies, compare number by number"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("recipe", type=Path, help="a recipe's folder, such as recipes/pooling")
    parser.add_argument("--cores", type=int, default=1, help="jobs at once")
    parser.add_argument("--offline", action="store_true", help="fetch nothing; data are in place")
    parser.add_argument("--data-only", action="store_true", help="get and prepare data, then stop")


def run(given: argparse.Namespace) -> int:
    """Run the command; 0 if every published number came out again, 1 if one did not."""
    from rsweep.recipes.obtain import obtain
    from rsweep.recipes.recipe import read_recipe
    from rsweep.recipes.regenerate import prepare, run_studies
    from rsweep.results.published import regenerated_line

    recipe = read_recipe(given.recipe)
    obtain(recipe, given.offline)
    prepare(recipe)
    if given.data_only:
        data = recipe.folder / "data"
        answer(given.json, {"data": str(data)}, [f"the data of {recipe.folder} are in {data}"])
        return 0
    outcomes = list(run_studies(recipe, given.cores))
    lines = [f"\n{recipe.title} ({recipe.paper})"]
    for outcome in outcomes:
        lines += [*map(regenerated_line, outcome.rows), _sum(outcome)]
    found = [{"results": str(o.folder), "failed": o.failed, "rows": list(o.rows)} for o in outcomes]
    answer(given.json, found, lines)
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def _sum(outcome: Outcome) -> str:
    if not outcome.rows:
        return f"no number is published to compare with; {outcome.folder}/report.html"
    return (
        f"{outcome.failed} of {len(outcome.rows)} published numbers did not come out again; "
        f"{outcome.folder}/report.html, published.csv, published.svg"
    )
