"""Places and stages of the tiny study that the tests of results share."""

from __future__ import annotations

import csv
from pathlib import Path

from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.study import Study
from rsweep.stages.job import Job

POLE = "<pole & friends>"


def write_rois(path: Path) -> None:
    rows = [
        {"id": f"r{i}", "lon": 8.6 + 0.05 * i, "lat": 50.5, "buffer_m": 100, "crop": "ab"[i % 2]}
        for i in range(6)
    ]
    rows.append({"id": POLE, "lon": 8.6, "lat": 89.0, "buffer_m": 100, "crop": "a"})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run_stages(study: Study) -> None:
    store, options = Store(study.store), study.node_options()
    for node in study.nodes().values():
        for shard in study.shards:
            run_job(Job(node, shard, store, options))
