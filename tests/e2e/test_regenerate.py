"""A recipe from its folder to its table, as a person runs it; and what a wrong setting does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ENVIRONMENT, Run, Workplace

from rsweep.results.published import read_regenerated

TOLD = {
    "title": "A table",
    "paper": "arXiv 0000.00000",
    "bibtex": "@misc{a}",
    "needs": "nothing",
    "verified": "in a test",
    "not_run": "",
    "studies": ["study.yaml"],
    "prepare": "prepare.py",
    "data": [{"name": "labels", "to": "labels.csv", "licence": "own", "where": "a friend"}],
}
PREPARE = """
import csv, sys
from pathlib import Path
data = Path(sys.argv[1]) / "data"
rows = list(csv.DictReader((data / "labels.csv").open()))
with (data / "rois.csv").open("w", newline="") as file:
    writer = csv.DictWriter(file, [*rows[0], "split"])
    writer.writeheader()
    for number, row in enumerate(rows):
        writer.writerow({**row, "split": "train" if number % 3 else "test"})
"""
FOLDER = "recipes/tiny"


def rsweep(workplace: Workplace, *arguments: str) -> Run:
    command = [sys.executable, "-m", "rsweep.cli", *arguments]
    done = subprocess.run(
        command,
        cwd=workplace.folder,
        env=ENVIRONMENT,
        timeout=580,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return Run(done.returncode, done.stdout)


def write_recipe(workplace: Workplace, published: float = 0.0, **study: object) -> Path:
    folder = workplace.folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "study": "tiny",
        "rois": f"{FOLDER}/data/rois.csv",
        "published": f"{FOLDER}/published.csv",
        "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
        "base": {"model": "rcf", "image_size": 16, "patch_size": 8, "features": 8},
        "profiles": {"mean": {}, "max": {"pooling": "max"}},
        "evaluate": {
            "label": "v",
            "task": "regression",
            "cv": "column",
            "column": "split",
            "probes": ["knn"],
            "k": 2,
        },
    }
    (folder / "study.yaml").write_text(yaml.safe_dump({**told, **study}, sort_keys=False))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(TOLD))
    (folder / "prepare.py").write_text(PREPARE)
    (folder / "published.csv").write_text(
        "what,profile,minus,measure,published,tolerance,source\n"
        f"mean,mean,,knn_rmse,{published},0.001,Table 1\n"
    )
    return folder


def write_labels(folder: Path) -> None:
    places = [(8.5 + 0.02 * i, 50.5 + 0.01 * (i % 3)) for i in range(12)]
    lines = [f"r{i},{lon},{lat},80,{(i * 7) % 5 + i / 10}" for i, (lon, lat) in enumerate(places)]
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/labels.csv").write_text("\n".join(["id,lon,lat,buffer_m,v", *lines]))


@pytest.mark.timeout(900)
def test_a_recipe_asks_for_data_runs_compares_and_notices_another_setting(
    workplace: Workplace,
) -> None:
    folder = write_recipe(workplace)
    asked = rsweep(workplace, "regenerate", FOLDER)
    assert asked.code == 1
    assert "get it at a friend" in asked.output
    assert "put it at recipes/tiny/data/labels.csv" in asked.output
    write_labels(folder)
    first = rsweep(workplace, "regenerate", FOLDER, "--cores", "2")
    assert first.code == 1, first.output
    assert "fail: mean: published 0 ± 0.001, regenerated" in first.output
    results = workplace.folder / "results/tiny"
    (row,) = read_regenerated(results / "published.csv")
    assert row["status"] == "fail"
    assert "0 of 1 published numbers came out again" in (results / "report.html").read_text()
    # The number itself, once it is what is published, comes out again.
    write_recipe(workplace, float(row["regenerated"]))
    second = rsweep(workplace, "regenerate", FOLDER, "--offline")
    assert second.code == 0, second.output
    assert "1 of 1 published numbers came out again" in (results / "report.html").read_text()
    assert (results / "published.svg").read_text().count("<svg") == 1
    target = [sys.executable, *workplace.command("regenerate")[1:]]
    target[target.index("study.yaml")] = f"{FOLDER}/study.yaml"
    done = subprocess.run(target, cwd=workplace.folder, env=ENVIRONMENT, timeout=580)
    assert done.returncode == 0
    # Another number of neighbours does not give it.
    evaluate = {
        "label": "v",
        "task": "regression",
        "cv": "column",
        "column": "split",
        "probes": ["knn"],
        "k": 4,
    }
    write_recipe(workplace, float(row["regenerated"]), evaluate=evaluate)
    assert rsweep(workplace, "regenerate", FOLDER).code == 1
    done = subprocess.run(target, cwd=workplace.folder, env=ENVIRONMENT, timeout=580)
    assert done.returncode == 1
