"""Running studies as a user does: Snakemake in a process of its own, in a folder of its own."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO / "src")}
PLACES = ((8.705, 50.503), (8.745, 50.493), (8.795, 50.513), (8.835, 50.483))


@dataclass
class Run:
    """What a run of Snakemake printed and how it ended."""

    code: int
    output: str

    def __bool__(self) -> bool:
        return self.code == 0


class Workplace:
    """A folder with a study, where Snakemake runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write_rois(
            [
                {"id": f"r{i}", "lon": lon, "lat": lat, "buffer_m": 100}
                for i, (lon, lat) in enumerate(PLACES[:2])
            ]
        )

    def write_rois(self, rows: list[dict[str, Any]], name: str = "rois.csv") -> None:
        with (self.folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(k for row in rows for k in row)))
            writer.writeheader()
            writer.writerows(rows)

    def write_study(self, **sections: Any) -> None:
        study = {
            "study": "tiny",
            "rois": "rois.csv",
            "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
            **sections,
        }
        base = {"model": "rcf", "image_size": 16, "patch_size": 8, "features": 8}
        study["base"] = {**base, **sections.get("base", {})}
        (self.folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "snakemake",
            "-s",
            str(REPO / "Snakefile"),
            "--workflow-profile",
            str(REPO / "profiles/default"),
            "--configfile",
            "study.yaml",
            "--cores",
            "2",
            *arguments,
        ]

    def run(self, *arguments: str) -> Run:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=ENVIRONMENT,
            timeout=580,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Run(done.returncode, done.stdout)

    def ran(self) -> Run:
        run = self.run()
        assert run, run.output
        return run

    def keys(self) -> dict[str, dict[str, str]]:
        """Profile -> stage -> key, as `rsweep keys` says."""
        command = [sys.executable, "-m", "rsweep.cli", "keys", "study.yaml", "--json"]
        done = subprocess.run(
            command, cwd=self.folder, check=True, capture_output=True, text=True, env=ENVIRONMENT
        )
        return {row["profile"]: row["keys"] for row in json.loads(done.stdout)}

    def table(self) -> dict[str, dict[str, str]]:
        with (self.folder / "results/tiny/sweep.csv").open(newline="") as file:
            return {row["profile"]: row for row in csv.DictReader(file)}

    def state(self) -> dict[str, tuple[str, int]]:
        """Every file of the store: its digest and modification time; no parts of jobs under way."""
        store = self.folder / "results/store"
        return {
            str(p.relative_to(store)): (_digest(p), p.stat().st_mtime_ns)
            for p in sorted(store.rglob("*.h5"))
            if not any(part.startswith(".") for part in p.relative_to(store).parts)
        }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)
