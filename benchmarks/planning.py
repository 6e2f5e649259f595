"""What each process of a large study spends on planning.

    python benchmarks/planning.py [--rois 100000] [--shard-size 1024] [--against CHECKOUT]
    python benchmarks/planning.py --command [--rois 10000]

A 24-profile study (that of dag.py). Rows, each of a process of its own: Snakemake without a
workflow; the first Snakemake process of the study, which plans (`--list-rules` parses and no more);
the next one; a job, from knowing which node and shard it is to knowing what to do, imports apart.
With a checkout of another version, the same of it, by turns. Writes results/planning.csv.

`--command` measures `rsweep plan` instead, beside a process that only reads the table of ROIs: with
an empty store, and with a record of every job. Writes results/plan_command.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dag import make_study
from measure import ROOT, facts, write_csv

TURNS = 3
JOB = """
import json, sys, time, yaml
from pathlib import Path
config = yaml.safe_load(Path("study.yaml").read_text())
key, shard = sys.argv[1:]
try:
    from rsweep.jobs.owner import plan_folder
    from rsweep.jobs.script import find_job
    from rsweep.plan.stored import tell
    from rsweep.plan.planning import find_plan
    tell(find_plan(config))  # as the Snakemake process has that starts the job
    began = time.perf_counter(), time.process_time()
    job = find_job(plan_folder, key, shard, 1)
except ImportError:
    from rsweep.plan.workflow import Plan
    began = time.perf_counter(), time.process_time()
    plan = Plan(config)
    job = plan.nodes[key], plan.shards[shard], plan.study.node_options()
print(json.dumps([time.perf_counter() - began[0], time.process_time() - began[1]]))
"""
CELL = """
import json, yaml
from pathlib import Path
from rsweep.plan.workflow import Plan
plan = Plan(yaml.safe_load(Path("study.yaml").read_text()))
print(json.dumps([list(plan.nodes)[-1], list(plan.shards)[-1]]))
"""


def ran(root: Path, folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Seconds and peak memory of a Python process with a version's library, and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *words], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{words} failed in {folder}: {output[-2000:]}")
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "memory_mb": round(usage.ru_maxrss / 1024),
    }, output


def snakemake(root: Path, folder: Path, snakefile: Path) -> dict[str, Any]:
    """What parsing a workflow costs."""
    return ran(
        root,
        folder,
        "-m",
        "snakemake",
        "--list-rules",
        "--snakefile",
        str(snakefile),
        "--configfile",
        "study.yaml",
        "--workflow-profile",
        "none",
    )[0]


def job(root: Path, folder: Path, cell: list[str]) -> dict[str, Any]:
    """What a job spends on knowing what to do."""
    whole, output = ran(root, folder, "-c", JOB, *cell)
    seconds, cpu = json.loads(output)
    return {**whole, "seconds": round(seconds, 4), "cpu_seconds": round(cpu, 4)}


def measure(roots: dict[str, Path], rois: int, shard_size: int) -> Iterator[dict[str, Any]]:
    """Rows: first processes once, the others the best of some turns."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folders = {version: Path(name, version) for version in roots}
        (Path(name) / "empty.smk").write_text("rule all:\n")
        for version, root in roots.items():
            folders[version].mkdir()
            make_study(folders[version], rois, shard_size)
            best[version, "first"] = snakemake(root, folders[version], root / "Snakefile")
        cells = {v: json.loads(ran(roots[v], folders[v], "-c", CELL)[1]) for v in roots}
        for _ in range(TURNS):
            for version, root in roots.items():
                folder = folders[version]
                for what, found in (
                    ("snakemake alone", snakemake(root, folder, Path(name) / "empty.smk")),
                    ("next", snakemake(root, folder, root / "Snakefile")),
                    ("job", job(root, folder, cells[version])),
                ):
                    least = best.setdefault((version, what), found)
                    if found["cpu_seconds"] < least["cpu_seconds"]:
                        best[version, what] = found
    for (version, what), found in best.items():
        yield {
            "version": version,
            "rois": rois,
            "profiles": 24,
            "shard_size": shard_size,
            "what": what,
            **found,
        }


TABLE = """
import yaml
from rsweep.core.roi_table import read_rois
read_rois(yaml.safe_load(open("study.yaml"))["rois"])
"""
RECORDS = """
from rsweep.core.store import Store
from rsweep.plan.study import load_study
study = load_study("study.yaml")
store = Store(study.store)
for node in study.nodes().values():
    store._declare(node)
    for shard in study.shards:
        rois = len(shard.rois)
        store.write_record(node, shard.name, {
            "rois": rois, "seconds": rois / 9, "core_seconds": rois / 10, "own_days": None,
            "tiles": rois, "forward_seconds": rois / 10, "extents": shard.extents})
"""


def measure_command(rois: int, shard_size: int) -> Iterator[dict[str, Any]]:
    """Rows of `rsweep plan`, each the best of some turns by the time of its cores."""
    plan = ("-m", "rsweep.cli", "plan", "study.yaml", "--json")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_study(folder, rois, shard_size)
        yield {"what": "the table alone", **_best(folder, "-c", TABLE)}
        yield {"what": "rsweep plan, empty store", **_best(folder, *plan)}
        ran(ROOT, folder, "-c", RECORDS)
        yield {"what": "rsweep plan, a record of every job", **_best(folder, *plan)}


def _best(folder: Path, *words: str) -> dict[str, Any]:
    turns = [ran(ROOT, folder, *words)[0] for _ in range(TURNS)]
    return min(turns, key=lambda found: float(found["cpu_seconds"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rois", type=int, default=100_000)
    parser.add_argument("--shard-size", type=int, default=1024)
    parser.add_argument("--against", type=Path, help="a checkout of another version")
    parser.add_argument("--name", default="planning", help="of the CSV file")
    parser.add_argument("--command", action="store_true", help="measure `rsweep plan`")
    given = parser.parse_args()
    if given.command:
        rows = [
            {"rois": given.rois, "profiles": 24, **row}
            for row in measure_command(given.rois, given.shard_size)
        ]
        write_csv("plan_command", rows, facts())
        return
    roots = {"this": ROOT, **({"other": given.against.resolve()} if given.against else {})}
    write_csv(given.name, list(measure(roots, given.rois, given.shard_size)), facts())


if __name__ == "__main__":
    main()
