"""What a cell costs before its first tile, with and without a worker that has its network loaded.

    python benchmarks/startup.py [--cells 20] [--only MODEL…]

Runs the inference cells of a small study, one after the other, as Snakemake's local executor does
(a fresh interpreter each, `scripts/infer.py`): once with a worker, once with none. The tiles are
few, so that a cell is its start. Writes results/startup.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import facts, write_csv

from rsweep.core.store import Store
from rsweep.jobs import client
from rsweep.jobs.runner import run_job
from rsweep.plan.workflow import Plan
from rsweep.stages.job import Job

SOURCE = Path(client.__file__).parents[2]
CLIENT = """
import json, sys
from types import SimpleNamespace
from rsweep.jobs.client import run_cell
r = json.loads(sys.argv[1])
run_cell(SimpleNamespace(config=r["config"], threads=2, log=[r["log"]], resources={"mem_mb": 4000},
                         output=[r["output"]],
                         wildcards=SimpleNamespace(key=r["key"], shard=r["shard"])))
"""
MODELS = {
    "rcf": {"model": "rcf", "image_size": 32},
    "thor tiny": {"model": "thor", "weights": "random", "variant": "tiny", "image_size": 48,
                  "patch_size": 12},
    "dofa base": {"model": "dofa", "weights": "random", "image_size": 64},
}  # fmt: skip


def prepare(folder: Path, settings: dict[str, Any], cells: int) -> list[dict[str, Any]]:
    """A study with one ROI per shard, its tiles made; the requests of its inference cells."""
    rows = [f"r{i},{14 + i / 50},46.0,160" for i in range(cells)]
    (folder / "rois.csv").write_text("\n".join(["id,lon,lat,buffer_m", *rows]) + "\n")
    config = {
        "study": "s", "rois": str(folder / "rois.csv"), "results": str(folder / "results"),
        "shard_size": 1, "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
        "base": {"provider": "synthetic", **settings},
    }  # fmt: skip
    plan = Plan(config)
    for node in plan.nodes.values():
        for shard in plan.shards.values():
            if node.stage in ("fetch", "composite", "prep"):
                run_job(Job(node, shard, Store(plan.store), plan.study.node_options()))
    (infer,) = [node for node in plan.nodes.values() if node.stage == "infer"]
    return [{"config": config, "key": infer.key, "shard": shard, "log": str(folder / "log"),
             "output": plan.file(infer, shard)} for shard in plan.shards]  # fmt: skip


def seconds(cells: list[dict[str, Any]], **environment: str) -> list[float]:
    """Of each cell, from the start of its process to its end."""
    found = []
    for cell in cells:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", CLIENT, json.dumps(cell)], check=True,
                       env=os.environ | environment)  # fmt: skip
        found.append(time.perf_counter() - began)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    given = parser.parse_args()
    count = given.cells
    client.own_jobs()
    os.environ["PYTHONPATH"] = str(SOURCE)
    about, rows = facts(), []
    for model in given.only:
        with tempfile.TemporaryDirectory() as folder:
            cells = prepare(Path(folder), MODELS[model], count)
            for way, idle in (("worker", "60"), ("none", "0")):
                taken = seconds(cells, RSWEEP_WORKER_IDLE_S=idle)
                rest = sorted(taken[1:])[len(taken[1:]) // 2]
                rows.append({"model": model, "worker": way, "cells": count,
                             "total_s": round(sum(taken), 2), "first_s": round(taken[0], 2),
                             "median_of_rest_s": round(rest, 2)})  # fmt: skip
                print(rows[-1], flush=True)
    write_csv("startup", rows, about)


if __name__ == "__main__":
    main()
