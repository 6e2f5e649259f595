"""What a sweep costs: against as many independent runs, and against the library called directly.

    python benchmarks/sweep.py [--rois N]
    python benchmarks/sweep.py --against CHECKOUT [--rois N]

1. `sweep`: one study of 24 profiles; `no-op`: the same command again.
2. `independent`: the same 24 profiles as 24 studies, each with its own store.
3. `workflow, stages`: Snakemake asked for the profiles' stitched files alone, no tables or
   figures; `library`: `run_job` for the same nodes in dependency order, inference on two threads
   in one process, and a pool of 2 for composites, tiles and stitching.

With `--against`, of a checkout of another version: the sweep and its stages by either version, the
library, and the library with inference, too, on one thread in the pool; in turn in one run, into
benchmarks/results/sweep_versions.csv.

ROIs are squares of 480 m in the synthetic world, over a month. CPU seconds are of all processes.
`stage_seconds` is the sum over the records of the stage files: what the stages themselves took.
Writes benchmarks/results/sweep.csv.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from measure import ROOT, STAGES, facts, write_csv

from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.workflow import Plan
from rsweep.stages.infer.networks import Networks
from rsweep.stages.job import Job

CORES = 2
WINDOW = {"start": "2022-06-01", "end": "2022-07-01"}
RCF = {
    "model": "rcf",
    "image_size": [32, 64],
    "pooling": ["mean", "max"],
    "composite": ["median", "mean"],
}
THOR = {
    "model": "thor",
    "weights": "random",
    "variant": "tiny",
    "image_size": 48,
    "patch_size": [6, 8, 12, 24],
    "composite": ["median", "mean"],
    "output": ["pooled", "grid"],
}
PROFILES = 24
PR_SET_CHILD_SUBREAPER = 36


def study(folder: Path, name: str, rois: Path, **content: Any) -> dict[str, Any]:
    return {
        "study": name,
        "rois": str(rois),
        "temporal": WINDOW,
        "results": str(folder / name),
        "base": {"provider": "synthetic", "model": "rcf"},
        **content,
    }


def write_rois(path: Path, count: int) -> Path:
    lines = [
        f"r{i:03d},{8.4 + 0.02 * (i % 32)},{50.3 + 0.015 * (i // 32)},240" for i in range(count)
    ]
    path.write_text("\n".join(["id,lon,lat,buffer_m", *lines]) + "\n")
    return path


def adopt_orphans() -> None:
    """Make this process the parent of workers whose own is gone, so that their time counts."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def measured(action: Callable[[], object]) -> dict[str, float]:
    """Wall seconds of an action, and CPU seconds of it and all that it starts."""
    began, wall = _cpu(), time.perf_counter()
    action()
    wall = time.perf_counter() - wall
    with suppress(ChildProcessError):
        while True:
            os.wait()
    return {"wall_s": round(wall, 1), "cpu_s": round(_cpu() - began, 1)}


def _cpu() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def snakemake(folder: Path, config: Mapping[str, Any], *targets: str, root: Path = ROOT) -> None:
    """Run a study in a folder of its own, by the version of rsweep that is in `root`."""
    file = folder / f"{config['study']}.json"
    file.write_text(json.dumps(config))
    command = [
        Path(sys.executable).with_name("snakemake"),
        *targets,
        "--cores",
        str(CORES),
        "--snakefile",
        root / "Snakefile",
        "--directory",
        folder,
        "--quiet",
        "all",
        "--workflow-profile",
        root / "profiles" / "default",
        "--configfile",
        file,
    ]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{config['study']} failed:\n{done.stderr[-3000:]}")


def library(config: dict[str, Any], threads: int) -> None:
    """Every node of a study, stage by stage, two at a time; inference alone if of two threads."""
    text = json.dumps(config)
    plan = plan_of(text)
    with ProcessPoolExecutor(CORES, get_context("forkserver")) as pool:
        for stage in STAGES:
            cells = [
                (text, node.key, shard, threads)
                for node in plan.nodes.values()
                for shard in plan.shards
                if node.stage == stage
            ]
            alone = stage == "infer" and threads == CORES
            list((map if alone else pool.map)(run_node, cells))


@functools.cache
def networks() -> Networks:
    """Those of this process, which stay loaded as a worker's do."""
    found = Networks()
    found.limit_mb(4000)
    return found


@functools.cache
def plan_of(text: str) -> Plan:
    return Plan(json.loads(text))


def run_node(cell: tuple[str, str, str, int]) -> None:
    text, key, shard, threads = cell
    plan = plan_of(text)
    node, store = plan.nodes[key], Store(plan.store)
    kept = networks() if node.stage == "infer" else None
    run_job(
        Job(
            node,
            plan.shards[shard],
            store,
            plan.study.node_options(),
            threads=threads,
            networks=kept,
        )
    )


def records(*folders: Path) -> dict[str, float]:
    """How many stages ran, and the seconds that they took, as they recorded it."""
    found = [
        json.loads(path.read_text())
        for folder in folders
        for path in folder.glob("store/*/*/*.run.json")
    ]
    return {"stages": len(found), "stage_seconds": round(sum(r["seconds"] for r in found), 1)}


def run_all(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    rois = write_rois(folder / "rois.csv", count)
    whole = study(folder, "sweep", rois, sweep=[RCF, THOR])
    yield {
        "case": "sweep",
        **measured(lambda: snakemake(folder, whole)),
        **records(folder / "sweep"),
    }
    yield {"case": "no-op", **measured(lambda: snakemake(folder, whole)), "stages": 0}

    direct = study(folder, "library", rois, sweep=[RCF, THOR])
    yield {
        "case": "library",
        **measured(lambda: library_process(direct)),
        **records(folder / "library"),
    }
    stages = study(folder, "stages", rois, sweep=[RCF, THOR])
    plan = Plan(stages)
    assert len(plan.profiles) == PROFILES
    targets = sorted({file for name in plan.profiles for file in plan.stitched(name)})
    yield {
        "case": "workflow, stages",
        **measured(lambda: snakemake(folder, stages, *targets)),
        **records(folder / "stages"),
    }

    singles = [
        study(folder, f"single{i}", rois, profiles={name: without_temporal(p.settings)})
        for i, (name, p) in enumerate(plan.profiles.items())
    ]
    took = measured(lambda: [snakemake(folder, single) for single in singles])
    yield {"case": "independent", **took, **records(*(folder / s["study"] for s in singles))}


def run_versions(folder: Path, count: int, other: Path) -> Iterator[dict[str, Any]]:
    """The stages, and the whole sweep, by this version and another; and the library."""
    rois = write_rois(folder / "rois.csv", count)
    both = {"before": other, "after": ROOT}
    for name, threads in {"library": CORES, "library, one thread": 1}.items():
        direct = study(folder, name.replace(", ", "-").replace(" ", "-"), rois, sweep=[RCF, THOR])
        took = measured(functools.partial(library_process, direct, threads))
        yield {"case": name, **took, **records(folder / direct["study"])}
    for what, words in (("stages", ("--until", "stitch")), ("sweep", ())):
        for version, root in both.items():
            name = f"{what}-{version}"
            one = study(folder, name, rois, sweep=[RCF, THOR])
            run = functools.partial(snakemake, folder, one, *words, root=root)
            yield {"case": f"{what}, {version}", **measured(run), **records(folder / name)}
            yield {"case": f"{what}, {version}, again", **measured(run), "stages": 0}


def without_temporal(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a profile itself says, of its resolved settings."""
    said = {**RCF, **THOR}
    model = THOR if settings["model"] == "thor" else RCF
    return {name: settings[name] for name in said if name in model}


def library_process(config: dict[str, Any], threads: int = CORES) -> None:
    """The library in a fresh process, imports included, as Snakemake's is."""
    words = ["--library", json.dumps(config), "--threads", str(threads)]
    subprocess.run([sys.executable, __file__, *words], check=True)


def with_ratios(rows: list[dict[str, Any]], unit: str = "cpu_s") -> list[dict[str, Any]]:
    """Each case's seconds over the first one's: the sweep, or of two versions the library."""
    sweep = rows[0]
    for row in rows:
        row["wall_ratio"] = round(row["wall_s"] / sweep["wall_s"], 2)
        row["cpu_ratio"] = round(row[unit] / sweep[unit], 2)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rois", type=int, default=200)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--library", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=CORES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.library:
        library(json.loads(given.library), given.threads)
        return
    adopt_orphans()
    about, rows = facts(), []
    with tempfile.TemporaryDirectory() as folder:
        place, other = Path(folder), given.against
        cases = run_versions(place, given.rois, other) if other else run_all(place, given.rois)
        for row in cases:
            rows.append({**row, "rois": given.rois, "profiles": PROFILES})
            print(rows[-1], flush=True)
    write_csv("sweep_versions" if given.against else "sweep", with_ratios(rows), about)


if __name__ == "__main__":
    main()
