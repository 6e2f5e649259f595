"""Peak memory of each stage against the number of ROIs in a shard and of scenes in a window.

    python benchmarks/memory.py

Every stage runs in a fresh process. Its peak is the high-water mark of resident memory while it
ran, less what the process held once it had imported the stage: so it counts the network of `infer`,
and not Python. Synthetic scenes, one a day, on 48 x 48 pixels of 10 m; THOR tiny with random
weights in tiles of 32 pixels; grids. Writes benchmarks/results/memory.csv.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from measure import STAGES, Chain, facts, squares, write_csv

from rsweep.core.store import Store
from rsweep.jobs.runner import run_job

SIZES = [(8, 6), (32, 6), (128, 6), (8, 24), (8, 96)]
BUFFER_M = 240
FIRST_DAY = date(2022, 3, 1)
PROFILE = {
    "model": "thor",
    "variant": "tiny",
    "weights": "random",
    "image_size": 32,
    "patch_size": 8,
    "input_prep": "tile",
    "output": "grid",
    "cloudy_pct": 100,
    "synthetic": {"revisit_days": 1},
}


def chain(folder: str, rois: int, scenes: int) -> Chain:
    end = FIRST_DAY + timedelta(days=scenes)
    window = {"start": FIRST_DAY.isoformat(), "end": end.isoformat()}
    found = Chain.of(Store(folder), squares(rois, BUFFER_M), **{**PROFILE, "temporal": window})
    found.threads = 1
    return found


def status_mb(name: str) -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) / 1024


def one_stage(folder: str, rois: int, scenes: int, stage: str) -> dict[str, Any]:
    """Run a stage in this process; what it held at most, and the size of what it wrote."""
    work = chain(folder, rois, scenes)
    importlib.import_module(f"rsweep.stages.{stage}.run")
    base = status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    size = 0.0
    for node in work.at(stage):
        run_job(work.job(node))
        size += work.store.path(node, work.shard.name).stat().st_size / 2**20
    return {
        "peak_mb": round(status_mb("VmHWM") - base, 1),
        "base_mb": round(base, 1),
        "output_mb": round(size, 1),
    }


def measured(rois: int, scenes: int) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            command = [sys.executable, __file__, "--one", folder, str(rois), str(scenes), stage]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr[-3000:])
            found = json.loads(done.stdout.splitlines()[-1])
            yield {"stage": stage, "rois": rois, "scenes": scenes, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    one = parser.parse_args().one
    if one:
        print(json.dumps(one_stage(one[0], int(one[1]), int(one[2]), one[3])))
        return
    about, rows = facts(), []
    for rois, scenes in SIZES:
        for row in measured(rois, scenes):
            print(row, flush=True)
            rows.append(row)
    write_csv("memory", rows, about)


if __name__ == "__main__":
    main()
