"""What a cell costs before its first tile, with and without a worker that has its network loaded.

    python benchmarks/startup.py [--cells 20] [--only MODEL…]

Runs the inference cells of a small study, one after the other, as Snakemake's local executor does
(a fresh interpreter each, `scripts/run.py`): once with a worker, once with none. The tiles are
few, so that a cell is its start. Writes results/startup.csv.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import ROOT, facts, write_csv

from rsweep.core.store import Store
from rsweep.jobs.owner import own_jobs
from rsweep.jobs.runner import run_job
from rsweep.plan.stored import tell
from rsweep.plan.workflow import Plan
from rsweep.stages.job import Job

RUN = ROOT / "scripts/run.py"
MODELS = {
    "rcf": {"model": "rcf", "image_size": 32},
    "thor tiny": {
        "model": "thor",
        "weights": "random",
        "variant": "tiny",
        "image_size": 48,
        "patch_size": 12,
    },
    "dofa base": {"model": "dofa", "weights": "random", "image_size": 64},
}


def prepare(folder: Path, settings: dict[str, Any], cells: int) -> list[list[str]]:
    """A study with one ROI per shard, its tiles made; what its inference cells are called with."""
    rows = [f"r{i},{14 + i / 50},46.0,160" for i in range(cells)]
    (folder / "rois.csv").write_text("\n".join(["id,lon,lat,buffer_m", *rows]) + "\n")
    config = {
        "study": "s",
        "rois": str(folder / "rois.csv"),
        "results": str(folder / "results"),
        "shard_size": 1,
        "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
        "base": {"provider": "synthetic", **settings},
    }
    plan = Plan(config)
    for node in plan.nodes.values():
        for shard in plan.shards.values():
            if node.stage in ("fetch", "composite", "prep"):
                run_job(Job(node, shard, Store(plan.store), plan.study.node_options()))
    (infer,) = [node for node in plan.nodes.values() if node.stage == "infer"]
    tell(plan.path)
    return [
        [str(folder / "log"), "2", "infer", infer.key, shard, "2", "4000"] for shard in plan.shards
    ]


def seconds(cells: list[list[str]], **environment: str) -> list[float]:
    """Of each cell, from the start of its process to its end."""
    found = []
    for cell in cells:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-S", str(RUN), *cell], check=True, env=os.environ | environment
        )
        found.append(time.perf_counter() - began)
    return found


def measured(names: list[str], count: int, root: Path) -> Iterator[dict[str, Any]]:
    """A row per model and way: with a worker, and with none."""
    own_jobs({})
    for model in names:
        with tempfile.TemporaryDirectory(dir=root) as folder:
            cells = prepare(Path(folder), MODELS[model], count)
            for way, idle in (("worker", "60"), ("none", "0")):
                taken = seconds(cells, RSWEEP_WORKER_IDLE_S=idle)
                for made in ("infer", "memo"):  # else the next way finds them made
                    shutil.rmtree(Path(folder) / "results/store" / made, ignore_errors=True)
                rest = sorted(taken[1:])[len(taken[1:]) // 2]
                yield {
                    "model": model,
                    "worker": way,
                    "cells": count,
                    "total_s": round(sum(taken), 2),
                    "first_s": round(taken[0], 2),
                    "median_of_rest_s": round(rest, 2),
                }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    given = parser.parse_args()
    about, rows = facts(), []
    for row in measured(given.only, given.cells, Path(tempfile.gettempdir())):
        rows.append(row)
        print(row, flush=True)
    write_csv("startup", rows, about)


if __name__ == "__main__":
    main()
