"""What planning costs: Snakemake's dry run of a 24-profile sweep, before anything and after all.

    python benchmarks/dag.py [--rois 100 1000 10000] [--shard-size 64 256] [--schedulers greedy ilp]

For each number of ROIs: seconds and memory of a dry run with an empty store, and of one for which
everything is there (empty files stand for it, made by `snakemake --touch`'s own bookkeeping where
asked with --metadata). Parsing alone is timed by `--list-rules`. Writes results/dag.csv.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from measure import ROOT, facts, write_csv

from rsweep.workflow import Plan

PROFILES = [
    {"model": "rcf", "image_size": [32, 64], "input_prep": ["resize", "tile"],
     "composite": ["median", "mean"]},
    {"model": "thor", "weights": "random", "variant": "tiny", "image_size": 96,
     "patch_size": [6, 8, 12, 16], "composite": ["median", "mean"], "output": ["pooled", "grid"]},
]  # fmt: skip


def make_study(folder: Path, rois: int, shard_size: int) -> Path:
    """A study of so many ROIs and 24 profiles."""
    rows = (f"r{i},{14 + i % 100 * 0.02:.2f},{44 + i // 100 * 0.02:.2f},200" for i in range(rois))
    (folder / "rois.csv").write_text("\n".join(["id,lon,lat,buffer_m", *rows]) + "\n")
    study = {
        "study": "size", "rois": str(folder / "rois.csv"), "results": str(folder / "results"),
        "shard_size": shard_size, "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
        "base": {"provider": "synthetic"}, "sweep": PROFILES,
    }  # fmt: skip
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def run(study: Path, *options: str) -> tuple[dict[str, Any], str]:
    """Seconds and peak memory of a Snakemake command, and what it said."""
    command = [sys.executable, "-m", "snakemake", "--configfile", str(study), "--cores", "2",
               "--directory", str(study.parent), "--snakefile", str(ROOT / "Snakefile"),
               "--workflow-profile", str(ROOT / "profiles" / "default"), *options]  # fmt: skip
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(output[-3000:])
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": round(time.perf_counter() - began, 1), "cpu_seconds": round(cpu, 1),
            "memory_mb": round(usage.ru_maxrss / 1024)}, output  # fmt: skip


def finish(study: Path) -> None:
    """Make every file of a study, empty, inputs before outputs."""
    plan = Plan(yaml.safe_load(study.read_text()))
    for node in plan.nodes.values():
        folder = Path(plan.file(node, "x")).parent
        folder.mkdir(parents=True, exist_ok=True)
        for shard in plan.shards:
            Path(plan.file(node, shard)).touch()
    for name in plan.results():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix else path.mkdir(exist_ok=True)
        if not path.suffix:
            (path / ".snakemake_timestamp").touch()


def measure(rois: int, shard_size: int, schedulers: list[str]) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        study = make_study(Path(name), rois, shard_size)
        about = {"rois": rois, "profiles": 24, "shard_size": shard_size}
        found, _ = run(study, "--list-rules")
        yield {**about, "what": "parse", "scheduler": "", "jobs": 0, **found}
        for scheduler in schedulers:
            found, output = run(study, "-n", "--quiet", "rules", "--scheduler", scheduler)
            jobs = int(re.findall(r"^total +(\d+)", output, re.M)[0])
            yield {**about, "what": "plan", "scheduler": scheduler, "jobs": jobs, **found}
        finish(study)
        run(study, "--touch", "--quiet", "all")  # records what made each file, as a real run does
        found, output = run(study, "-n")
        assert "Nothing to be done" in output, output[-2000:]
        yield {**about, "what": "no-op", "scheduler": "greedy", "jobs": 0, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rois", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--shard-size", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--schedulers", nargs="+", default=["greedy", "ilp"])
    parser.add_argument("--name", default="dag", help="of the CSV file")
    given = parser.parse_args()
    about, rows = facts(), []
    for rois in given.rois:
        for shard_size in given.shard_size:
            for row in measure(rois, shard_size, given.schedulers):
                rows.append(row)
                print(row, flush=True)
    write_csv(given.name, rows, about)


if __name__ == "__main__":
    main()
