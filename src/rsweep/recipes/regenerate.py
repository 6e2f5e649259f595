"""Making a published table again: data, studies, and what came out beside what was published."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import rsweep
from rsweep.core.errors import RsweepError
from rsweep.plan.config import read_config
from rsweep.recipes.recipe import Recipe
from rsweep.results.published import read_regenerated

ROOT = Path(rsweep.__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a study of a recipe gave: its results, and a row per published number."""

    folder: Path
    rows: Sequence[dict[str, str]]

    @property
    def failed(self) -> int:
        """Numbers that did not come out again."""
        return sum(row["status"] != "pass" for row in self.rows)


def prepare(recipe: Recipe) -> None:
    """Run the recipe's own script, which makes tables of ROIs of the data.

    Raises:
        RsweepError: it failed; the text is what it said.
    """
    if not recipe.prepare:
        return
    script = recipe.folder / recipe.prepare
    done = subprocess.run(
        [sys.executable, str(script), str(recipe.folder)],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RsweepError(f"{script} failed\n{done.stderr.strip() or done.stdout.strip()}")


def run_studies(recipe: Recipe, cores: int) -> Iterator[Outcome]:
    """Run a recipe's studies, each by Snakemake in this folder; what each gave.

    A study without `published` has none: its settings are public and its results are not.

    Raises:
        RsweepError: a study failed.
    """
    for name in recipe.studies:
        file = recipe.folder / name
        config = read_config(file)
        _run(file, cores)
        folder = Path(config.get("results") or "results") / str(config["study"])
        told = config.get("published")
        yield Outcome(folder, read_regenerated(folder / "published.csv") if told else ())


def _run(study: Path, cores: int) -> None:
    if not (ROOT / "Snakefile").is_file():
        raise RsweepError(f"{ROOT} has no Snakefile; regenerate from a checkout of rsweep")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--workflow-profile",
        str(ROOT / "profiles/default"),
        "--cores",
        str(cores),
        "--configfile",
        str(study),
    ]
    done = subprocess.run(command, env=_environment(), check=False)
    if done.returncode:
        raise RsweepError(
            f"{study} did not run to its end (exit code {done.returncode}); fix "
            "what is said above and run the same command again"
        )


def _environment() -> dict[str, str]:
    source = str(Path(rsweep.__file__).parents[1])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
