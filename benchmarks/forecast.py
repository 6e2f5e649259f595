"""How far a forecast is from what studies cost that it has not seen.

    python benchmarks/forecast.py [--quick] [--keep FOLDER]

Studies on the invented world, and on real Sentinel-2 where ../shared/data has it, that differ in
model, places, buffer, window, frames, tile size and output. Those called "seen" calibrate: of each
"unseen" one the forecast is made of the records of the seen ones alone, which have a store of their
own. Jobs of all studies take turns, since a second of a shared core does more in one minute than
in another, and that is no error of a forecast. Core seconds are CPU time as records tell it, bytes
those of files. Errors are of sums over a study. Writes results/forecast.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml
from earthengine import BANDS, CRS, LEFT, TOP, build_store
from measure import ROOT, facts, write_csv
from pyproj import Transformer

from rsweep.core.store import Store
from rsweep.foresight.forecast import NOTHING, Quantity, forecast
from rsweep.jobs.runner import run_job
from rsweep.plan.study import Study, load_study
from rsweep.stages.job import Job
from rsweep.stages.registry import STAGES

SYNTHETIC: Mapping[str, dict[str, Any]] = {
    # name: (places, buffer, days, settings); those of "seen" calibrate
    "seen small tiles": {
        "rois": 24,
        "buffer_m": 160,
        "days": 92,
        "sweep": [
            {"model": "rcf", "image_size": [32, 64], "composite": ["median", "least_cloudy"]}
        ],
    },
    "seen grids": {
        "rois": 10,
        "buffer_m": 640,
        "days": 46,
        "sweep": [
            {
                "model": "rcf",
                "image_size": [64],
                "output": ["grid"],
                "input_prep": ["tile", "resize"],
            }
        ],
    },
    "seen series": {
        "rois": 12,
        "buffer_m": 120,
        "days": 180,
        "sweep": [
            {
                "model": "galileo",
                "variant": ["nano"],
                "weights": "random",
                "frames": [3, 6],
                "image_size": [32],
            }
        ],
    },
    "seen transformer": {
        "rois": 8,
        "buffer_m": 300,
        "days": 60,
        "sweep": [
            {
                "model": "thor",
                "variant": ["tiny"],
                "weights": "random",
                "image_size": [64],
                "patch_size": [8, 16],
                "output": ["pooled", "grid"],
            }
        ],
    },
    "unseen many": {
        "rois": 60,
        "buffer_m": 90,
        "days": 120,
        "sweep": [{"model": "rcf", "image_size": [32, 96], "composite": ["median"]}],
    },
    "unseen large": {
        "rois": 6,
        "buffer_m": 1000,
        "days": 92,
        "sweep": [{"model": "rcf", "image_size": [64, 128], "output": ["grid"]}],
    },
    "unseen series": {
        "rois": 20,
        "buffer_m": 200,
        "days": 150,
        "sweep": [
            {
                "model": "galileo",
                "variant": ["nano"],
                "weights": "random",
                "frames": [2, 4],
                "image_size": [48],
            }
        ],
    },
    "unseen transformer": {
        "rois": 14,
        "buffer_m": 240,
        "days": 92,
        "sweep": [
            {
                "model": "thor",
                "variant": ["tiny"],
                "weights": "random",
                "image_size": [96],
                "patch_size": [8],
                "output": ["pooled", "grid"],
            }
        ],
    },
}
REAL: Mapping[str, dict[str, Any]] = {
    "seen real tiles": {
        "part": (0, 20),
        "sweep": [
            {
                "model": "rcf",
                "image_size": [32, 48],
                "output": ["pooled", "grid"],
                "cloud_mask": ["cloud", "none"],
            }
        ],
    },
    "seen real series": {
        "part": (20, 30),
        "sweep": [
            {
                "model": "galileo",
                "variant": ["nano"],
                "weights": "random",
                "frames": [2],
                "image_size": [16],
                "cloud_mask": ["cloud", "none"],
            }
        ],
    },
    "unseen real tiles": {
        "part": (30, 52),
        "buffer_m": 120,
        "sweep": [
            {
                "model": "rcf",
                "image_size": [16, 64],
                "output": ["pooled"],
                "composite": ["median", "least_cloudy"],
            }
        ],
    },
    "unseen real series": {
        "part": (52, 63),
        "buffer_m": 100,
        "sweep": [
            {
                "model": "galileo",
                "variant": ["nano"],
                "weights": "random",
                "frames": [3],
                "image_size": [16, 32],
            }
        ],
    },
}
"""Cells of the Slovenian scenes of eo-learn: rows of the table of config/studies/slovenia.yaml."""


SERVICE: Mapping[str, dict[str, Any]] = {
    "seen service": {
        "rois": 24,
        "buffer_m": 100,
        "end": "2022-09-01",
        "base": {"fetch_bands": "model", "bands": BANDS},
    },
    "seen service few bands": {
        "rois": 10,
        "buffer_m": 320,
        "end": "2022-07-20",
        "base": {"fetch_bands": "model", "bands": ["B4", "B3", "B2"]},
    },
    "unseen service": {
        "rois": 12,
        "buffer_m": 240,
        "end": "2022-08-10",
        "base": {"fetch_bands": "model", "bands": BANDS[:6]},
    },
    "unseen service few bands": {
        "rois": 40,
        "buffer_m": 160,
        "end": "2022-09-01",
        "base": {"fetch_bands": "model", "bands": ["B4", "B8"]},
    },
}
"""On the stand-in for Earth Engine, which charges for requests (tests/standins/ee_server)."""
MEASURES: tuple[Quantity, ...] = (
    "core_seconds",
    "disk_bytes",
    "requests",
    "fetched_bytes",
    "eecu_seconds",
)


def synthetic_study(folder: Path, name: str, about: Mapping[str, Any], share: float) -> Path:
    rows = ["id,lon,lat,buffer_m"]
    rows += [
        f"{name}{i},{8.3 + 0.031 * (i % 9)},{50.2 + 0.027 * (i // 9)},{about['buffer_m']}"
        for i in range(max(round(about["rois"] * share), 3))
    ]
    last = 152 + about["days"]  # from 1 June
    end = f"2022-{_month(last)}"
    return _write(
        folder,
        name,
        rows,
        {
            "temporal": {"start": "2022-06-01", "end": end},
            "base": {"provider": "synthetic"},
            "sweep": about["sweep"],
        },
    )


def _month(day: int) -> str:
    return (date(2022, 1, 1) + timedelta(days=min(day, 364) - 1)).strftime("%m-%d")


def real_study(folder: Path, name: str, about: Mapping[str, Any], share: float) -> Path | None:
    told = yaml.safe_load((ROOT / "config/studies/slovenia.yaml").read_text())
    local = {k: str((ROOT / v).resolve()) for k, v in told["base"]["local"].items()}
    if not Path(local["path"]).exists():
        return None
    lines = (ROOT / told["rois"]).read_text().splitlines()
    head, first, last = lines[0], *about["part"]
    rows = lines[1:][first : first + max(round((last - first) * share), 3)]
    place = head.split(",").index("buffer_m")
    cells = [row.split(",") for row in rows]
    for row in cells:
        row[place] = str(about.get("buffer_m", row[place]))
    table = [head, *(",".join(row) for row in cells)]
    base = {**told["base"], "local": local}
    return _write(
        folder, name, table, {"temporal": told["temporal"], "base": base, "sweep": about["sweep"]}
    )


def _write(folder: Path, name: str, rows: list[str], config: dict[str, Any]) -> Path:
    own = folder / name.replace(" ", "_")
    own.mkdir(parents=True, exist_ok=True)
    (own / "rois.csv").write_text("\n".join(rows) + "\n")
    path = own / "study.yaml"
    path.write_text(
        json.dumps(
            {
                "study": own.name,
                "rois": str(own / "rois.csv"),
                "results": str(own / "results"),
                "store": str(folder / f"store_{name.split()[0]}"),
                "shard_size": 16,
                **config,
            },
            default=str,
        )
    )
    return path


def run_in_turn(studies: Iterable[Study]) -> None:
    """Run studies side by side: a job of each, and round again."""
    going = [_jobs(study) for study in studies]
    while going:
        going = [jobs for jobs in going if next(jobs, None)]


def _jobs(study: Study) -> Iterator[Job]:
    """Every job of a study, run."""
    store, options = Store(study.store), study.node_options()
    for node in study.nodes().values():
        for shard in study.shards:
            job = Job(node, shard, store, options)
            run_job(job)
            yield job


def cost(study: Study) -> dict[str, dict[str, float]]:
    """Stage -> what its files cost, by measure."""
    store = Store(study.store)
    found: dict[str, dict[str, float]] = {s: dict.fromkeys(MEASURES, 0.0) for s in STAGES}
    for node in study.nodes().values():
        for shard in study.shards:
            record = store.read_record(node, shard.name)
            seconds, reused = record["seconds"], record.get("reused_seconds", 0.0)
            whole = seconds / max(seconds - reused, 0.05 * seconds) if reused else 1.0
            found[node.stage]["core_seconds"] += record["core_seconds"] * whole
            found[node.stage]["disk_bytes"] += store.path(node, shard.name).stat().st_size
            for ours, theirs in (
                ("requests", "requests"),
                ("fetched_bytes", "bytes"),
                ("eecu_seconds", "eecu_seconds"),
            ):
                found[node.stage][ours] += record.get(theirs, 0)
    return found


def compared(name: str, study: Study, costs: Any, basis: str) -> Iterator[dict[str, Any]]:
    """A row per measure and stage, and one over all stages."""
    actual = cost(study)
    for measure in MEASURES:
        sums = {"said": 0.0, "low": 0.0, "high": 0.0, "cost": 0.0}
        for stage in [*STAGES, "all"]:
            own = [c.amounts.get(measure, NOTHING) for c in costs if c.node.stage == stage]
            row = {
                "said": sum(a.value for a in own),
                "low": sum(a.low for a in own),
                "high": sum(a.high for a in own),
                "cost": actual.get(stage, {}).get(measure, 0),
            }
            if stage == "all":
                row = sums
            else:
                sums = {n: sums[n] + row[n] for n in sums}
            if not row["cost"]:
                continue
            yield {
                "study": name,
                "calibrated": basis,
                "measure": measure,
                "stage": stage,
                **{n: round(v, 3) for n, v in row.items()},
                "error_percent": round(100 * (row["said"] / row["cost"] - 1), 1),
            }


def service_study(
    folder: Path, name: str, about: Mapping[str, Any], url: str, share: float
) -> Path:
    to_lonlat = Transformer.from_crs(CRS, 4326, always_xy=True)
    rows = ["id,lon,lat,buffer_m"]
    for i in range(max(round(about["rois"] * share), 3)):
        lon, lat = to_lonlat.transform(LEFT + 900 + 170 * (i % 12), TOP - 900 - 190 * (i // 12))
        rows.append(f"{name}{i},{lon},{lat},{about['buffer_m']}")
    service = {"url": url, "project": "benchmark", "profile": "always"}
    base = {
        "provider": "earthengine",
        "earthengine": service,
        "context_m": 0,
        "model": "rcf",
        **about["base"],
    }
    window = {"start": "2022-06-01", "end": about["end"]}
    return _write(folder, name, rows, {"temporal": window, "base": base})


def studies(folder: Path, share: float, url: str) -> Iterator[tuple[str, Path]]:
    for name, about in SYNTHETIC.items():
        yield name, synthetic_study(folder, name, about, share)
    for name, about in REAL.items():
        path = real_study(folder, name, about, share)
        if path:
            yield name, path
    for name, about in SERVICE.items():
        yield name, service_study(folder, name, about, url, share)


def measure(folder: Path, share: float) -> Iterator[dict[str, Any]]:
    with server_process(folder) as url:
        warm_up(folder / "warm", url)
        yield from _measure(folder, share, url)


def warm_up(folder: Path, url: str) -> None:
    """What a process does once is not of its jobs: libraries are read before any is timed."""
    paths = [
        synthetic_study(folder, "warm transformer", SYNTHETIC["seen transformer"], 0.1),
        synthetic_study(folder, "warm series", SYNTHETIC["seen series"], 0.1),
        real_study(folder, "warm real", REAL["seen real tiles"], 0.1),
        service_study(folder, "warm service", SERVICE["seen service"], url, 0.1),
    ]
    run_in_turn(load_study(path) for path in paths if path)


@contextmanager
def server_process(folder: Path) -> Iterator[str]:
    """The stand-in, charging, in a process of its own."""
    standins = ROOT / "tests" / "standins"
    build_store(folder / "ee", 8, 600)
    process = subprocess.Popen(
        [sys.executable, "-m", "ee_server", str(folder / "ee")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(standins)},
    )
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        body = json.dumps({"prices": {}}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{url}/__set", body)).read()
        yield url
    finally:
        process.terminate()
        process.wait()


def _measure(folder: Path, share: float, url: str) -> Iterator[dict[str, Any]]:
    made = {name: load_study(path) for name, path in studies(folder, share, url)}
    unseen = {name: study for name, study in made.items() if name.startswith("unseen")}
    bare = {name: forecast(study) for name, study in unseen.items()}
    run_in_turn(made.values())
    (seen,) = {str(study.store) for name, study in made.items() if name not in unseen}
    for name, study in unseen.items():
        said = forecast(replace(study, options={**study.options, "store": seen}))
        yield from compared(name, study, said, "by the seen studies")
        yield from compared(name, study, bare[name], "not at all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a third of the places; writes nothing"
    )
    parser.add_argument("--keep", type=Path, help="folder to keep the store in")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = list(measure(given.keep or Path(name), 1 / 3 if given.quick else 1.0))
    for row in rows:
        print(
            {
                k: row[k]
                for k in (
                    "study",
                    "calibrated",
                    "measure",
                    "stage",
                    "said",
                    "cost",
                    "error_percent",
                )
            }
        )
    if not given.quick:
        write_csv("forecast", rows, facts())


if __name__ == "__main__":
    main()
