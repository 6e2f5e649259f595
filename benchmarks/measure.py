"""What the benchmarks share: the machine, CSV files, and stages run in this process."""

from __future__ import annotations

import csv
import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.nodes import build_nodes, node_options
from rsweep.plan.profiles import resolve
from rsweep.stages.job import Job
from rsweep.stages.registry import STAGES as DECLARED

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results"
IMAGES = ROOT / "docs" / "images"
WINDOW = {"start": "2022-06-01", "end": "2022-09-01"}
STAGES = tuple(DECLARED)


def facts() -> dict[str, Any]:
    """The machine, how busy it is, and what is installed: in every row of every CSV file."""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "h5py", "snakemake")}
    return {
        "machine": f"{_processor()}, shared with other work",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **versions,
        "commit": _git("rev-parse", "--short", "HEAD"),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
    ).stdout.strip()


def write_csv(name: str, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Write benchmarks/results/<name>.csv, and the same to the terminal."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*columns, *about], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **about} for row in rows)
    for row in rows:
        print(*(f"{key}={value}" for key, value in row.items()), flush=True)


def seconds(action: Any, *given: Any) -> tuple[float, float]:
    """Wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    action(*given)
    return time.perf_counter() - wall, time.process_time() - cpu


def in_turn(
    ways: Mapping[str, Callable[[], tuple[float, float]]], repeats: int
) -> dict[str, tuple[float, float]]:
    """Least wall and CPU seconds of several ways, which take turns, first and last by turns too."""
    took: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(repeats):
        for way in list(ways)[:: 1 if turn % 2 else -1]:
            took[way].append(ways[way]())
    return {
        way: (min(wall for wall, _ in runs), min(cpu for _, cpu in runs))
        for way, runs in took.items()
    }


def squares(count: int, buffer_m: float) -> tuple[Roi, ...]:
    """ROIs a kilometre or two apart in the synthetic world."""
    return tuple(
        Roi(
            f"roi-{i:04d}",
            {
                "type": "point",
                "lon": 8.4 + 0.02 * (i % 32),
                "lat": 50.3 + 0.015 * (i // 32),
                "buffer_m": buffer_m,
            },
        )
        for i in range(count)
    )


@dataclass
class Chain:
    """The five stages of one profile over one shard, run in this process.

    Attributes:
        node: the profile's stitch node.
    """

    node: Node
    options: Mapping[str, Mapping[str, Any]]
    shard: Shard
    store: Store
    threads: int = os.cpu_count() or 1

    @classmethod
    def of(cls, store: Store, rois: Iterable[Roi], **own: Any) -> Chain:
        """The chain of a profile given by its settings; scenes are synthetic."""
        settings, errors = resolve({"provider": "synthetic", "temporal": WINDOW, **own}, {})
        if errors:
            raise SystemExit(f"{own}: {errors}")
        node = build_nodes(settings)
        return cls(node, node_options(settings, node), Shard("bench", tuple(rois)), store)

    def at(self, stage: str) -> list[Node]:
        """The nodes of a stage."""
        return [node for node in self.node.upstream() if node.stage == stage]

    def job(self, node: Node, networks: Any = None) -> Job:
        """A node's job, with networks that stay loaded."""
        return Job(
            node, self.shard, self.store, self.options, "fail", self.threads, networks=networks
        )

    def run(self, *stages: str) -> None:
        """Run stages, what is there already excepted."""
        for node in self.node.upstream():
            if node.stage in stages and not self.store.is_sound(node, self.shard.name):
                run_job(self.job(node))
