r"""What planning costs: Snakemake's dry run of a 24-profile sweep, before anything and after all.

    python benchmarks/dag.py [--rois 100 1000 10000] [--shard-size 64 256] [--schedulers greedy ilp]
    python benchmarks/dag.py --shard-size 256 --schedulers greedy --latency-ms 0 2 10 \
        --name dag_slow
    python benchmarks/dag.py --rois 100 1000 --shard-size 256 --latency-ms 2 10 --cache-s 0 \
        --name dag_slow_uncached
    python benchmarks/dag.py --study config/config.yaml --latency-ms 10 --name dag_slow_run

For each number of ROIs: seconds and memory of a dry run with an empty store, and of one for which
everything is there (empty files stand for it, and `snakemake --touch` records what made them).
Parsing alone is timed by `--list-rules`. With latencies, the working directory lies on a file
system that answers so late (slow_fs.py, which says what it needs), and its metadata operations are
counted. With a study, that study is really run, and then run again. Writes results/dag.csv.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from measure import ROOT, facts, write_csv

from rsweep.plan.workflow import Plan

PROFILES = [
    {
        "model": "rcf",
        "image_size": [32, 64],
        "input_prep": ["resize", "tile"],
        "composite": ["median", "mean"],
    },
    {
        "model": "thor",
        "weights": "random",
        "variant": "tiny",
        "image_size": 96,
        "patch_size": [6, 8, 12, 16],
        "composite": ["median", "mean"],
        "output": ["pooled", "grid"],
    },
]


@dataclass(frozen=True)
class Place:
    """A folder that Snakemake works in.

    Attributes:
        path: where it is seen.
        about: what is written of it in every row.
        operations: how many metadata operations there have been, where they are counted.
    """

    path: Path
    about: dict[str, Any]
    operations: Callable[[], int] | None = None


@contextmanager
def place(disk: Path, latency_ms: float | None, cache_s: float) -> Iterator[Place]:
    """A folder as it is, or as a file system with a latency shows it."""
    if latency_ms is None:
        yield Place(disk, {})
        return
    from slow_fs import mounted  # which needs what the disk does not

    with mounted(disk, latency_ms, cache_s) as mount:
        yield Place(mount.path, {"latency_ms": latency_ms, "cache_s": cache_s}, mount.total)


def make_study(folder: Path, rois: int, shard_size: int) -> None:
    """A study of so many ROIs and 24 profiles; its paths are the folder's own."""
    rows = (
        f"r{i},{14 + i % 1000 * 0.02:.2f},{-20 + i // 1000 * 0.02:.2f},200" for i in range(rois)
    )
    (folder / "rois.csv").write_text("\n".join(["id,lon,lat,buffer_m", *rows]) + "\n")
    study = {
        "study": "size",
        "rois": "rois.csv",
        "shard_size": shard_size,
        "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
        "base": {"provider": "synthetic"},
        "sweep": PROFILES,
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


def snakemake(where: Place, *options: str) -> tuple[dict[str, Any], str]:
    """Seconds, peak memory and operations of a Snakemake command, and what it said."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--configfile",
        str(where.path / "study.yaml"),
        "--cores",
        "2",
        "--directory",
        str(where.path),
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--workflow-profile",
        str(ROOT / "profiles" / "default"),
        *options,
    ]
    before = where.operations() if where.operations else 0
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(output[-3000:])
    cpu = usage.ru_utime + usage.ru_stime
    found = {
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(cpu, 1),
        "memory_mb": round(usage.ru_maxrss / 1024),
        **where.about,
    }
    if where.operations:
        found["operations"] = where.operations() - before
    return found, output


def finish(folder: Path) -> None:
    """Make every file of a study, empty, and record it as a real run does."""
    with chdir(folder):
        plan = Plan(yaml.safe_load(Path("study.yaml").read_text()))
        for node in plan.nodes.values():
            Path(plan.file(node, "x")).parent.mkdir(parents=True, exist_ok=True)
            for shard in plan.shards:
                Path(plan.file(node, shard)).touch()
        for path in map(Path, plan.results()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix else path.mkdir(exist_ok=True)
            if not path.suffix:
                (path / ".snakemake_timestamp").touch()
    # Without --forceall there is nothing to be done, and nothing would be recorded.
    snakemake(Place(folder, {}), "--touch", "--forceall", "--quiet", "all")


def planned(where: Place, schedulers: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a study of which nothing has been made."""
    found, _ = snakemake(where, "--list-rules")
    yield {"what": "parse", "scheduler": "", "jobs": 0, **found}
    for scheduler in schedulers:
        found, output = snakemake(where, "-n", "--quiet", "rules", "--scheduler", scheduler)
        yield {"what": "plan", "scheduler": scheduler, "jobs": jobs_of(output), **found}


def again(where: Place) -> dict[str, Any]:
    """The row of a study of which everything has been made."""
    found, output = snakemake(where, "-n")
    assert "Nothing to be done" in output, output[-2000:]
    return {"what": "no-op", "scheduler": "greedy", "jobs": 0, **found}


def jobs_of(output: str) -> int:
    """The sum of Snakemake's table of jobs."""
    return int(re.findall(r"^total +(\d+)", output, re.M)[0])


def measure(
    rois: int, shard_size: int, schedulers: list[str], places: list[tuple[float | None, float]]
) -> Iterator[dict[str, Any]]:
    """Rows of one size: everything at every place, and then, made once, a no-op at each."""
    about = {"rois": rois, "profiles": 24, "shard_size": shard_size}
    with tempfile.TemporaryDirectory() as name:
        disk = Path(name)
        make_study(disk, rois, shard_size)
        for latency, cache in places:
            with place(disk, latency, cache) as where:
                yield from ({**about, **row} for row in planned(where, schedulers))
        finish(disk)
        for latency, cache in places:
            with place(disk, latency, cache) as where:
                yield {**about, **again(where)}


def measure_run(study: Path, places: list[tuple[float | None, float]]) -> Iterator[dict[str, Any]]:
    """Rows of a study that is really run: its plan, its run, and a no-op."""
    config = yaml.safe_load(study.read_text())
    about = {"study": study.name, "shard_size": config["shard_size"]}
    config["rois"] = str((ROOT / config["rois"]).resolve())
    for latency, cache in places:
        with tempfile.TemporaryDirectory() as name, place(Path(name), latency, cache) as where:
            (where.path / "study.yaml").write_text(yaml.safe_dump(config))
            found, output = snakemake(where, "-n", "--quiet", "rules")
            yield {**about, "what": "plan", "jobs": jobs_of(output), **found}
            found, output = snakemake(where)
            yield {**about, "what": "run", "jobs": jobs_of(output), **found}
            yield {**about, **again(where)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rois", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--shard-size", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--schedulers", nargs="+", default=["greedy", "ilp"])
    parser.add_argument("--latency-ms", type=float, nargs="+", default=[None], help="of a mount")
    parser.add_argument("--cache-s", type=float, nargs="+", default=[3], help="of a mount's kernel")
    parser.add_argument("--study", type=Path, help="run this one")
    parser.add_argument("--name", default="dag", help="of the CSV file")
    given = parser.parse_args()
    places = list(itertools.product(given.latency_ms, given.cache_s))
    sizes = itertools.product(given.rois, given.shard_size)
    found = (
        [measure_run(given.study, places)]
        if given.study
        else [measure(rois, size, given.schedulers, places) for rois, size in sizes]
    )
    about, rows = facts(), []
    for row in itertools.chain(*found):
        rows.append(row)
        print(row, flush=True)
    write_csv(given.name, rows, about)


if __name__ == "__main__":
    main()
