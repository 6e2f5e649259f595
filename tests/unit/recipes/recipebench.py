"""A recipe in a folder of its own, with generated data, run without Snakemake."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from rsweep.core.store import Store
from rsweep.evaluate.tasks import design_study, evaluate_batch, judge_study
from rsweep.jobs.runner import run_job
from rsweep.plan.study import Study, make_study
from rsweep.plan.workflow import batches
from rsweep.results.given import write_given
from rsweep.results.profile import write_embeddings, write_meta
from rsweep.results.published import read_regenerated, write_regenerated
from rsweep.results.table import write_sweep
from rsweep.stages.job import Job

RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def copy_recipe(name: str, root: Path) -> Path:
    """The recipe's folder, below a folder that studies start from."""
    folder = root / "recipes" / name
    shutil.copytree(RECIPES / name, folder, ignore=shutil.ignore_patterns("data"))
    return folder


def prepare(folder: Path) -> None:
    subprocess.run([sys.executable, str(folder / "prepare.py"), str(folder)], check=True)


def read_study(folder: Path, name: str, **other: object) -> Study:
    """A study of the recipe; the working folder is that which holds `recipes/`."""
    config = yaml.safe_load((folder / name).read_text())
    for section, value in other.items():
        if isinstance(value, dict):
            value = {**config.get(section, {}), **value}
        config[section] = value
    return make_study(config, name)


def republish(
    path: Path,
    number: Callable[[dict[str, str]], float],
    tolerance: Callable[[dict[str, str]], float],
) -> None:
    """Put other numbers in place of the published ones, computed by other code."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "published": number(row), "tolerance": tolerance(row)})


def run(study: Study) -> list[dict[str, str]]:
    """Every stage, the evaluation, and the comparison with what is published."""
    store, options, folder = Store(study.store), study.node_options(), study.folder
    for node in study.nodes().values():
        for shard in study.shards:
            run_job(Job(node, shard, store, options))
    for profile in study.profiles:
        own = study.folder_of(profile.name)
        own.mkdir(parents=True, exist_ok=True)
        write_embeddings(study, profile, own / "embeddings.parquet")
        write_meta(study, profile, own / "meta.json")
    for given in study.given:
        own = study.folder_of(given.name)
        write_given(study, given, own / "embeddings.parquet", own / "meta.json")
    design = folder / "evaluation/design.json"
    design_study(study, design)
    names = [name for batch in batches(study).values() for name in batch]
    evaluate_batch(study, names, design, folder / "evaluation/batch.json")
    judge_study(study, design, folder / "verdict.json", folder / "pairs.parquet")
    write_sweep(study, folder / "sweep.csv")
    if not study.options["published"]:
        return []
    published = Path(study.options["published"])
    write_regenerated(published, folder / "sweep.csv", folder / "published.csv")
    return read_regenerated(folder / "published.csv")
