"""A race through Snakemake: who stops runs no further, a kill loses nothing, the rest is equal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine
from conftest import ENVIRONMENT, Workplace
from pyproj import Transformer

from rsweep.evaluate.design import read_design
from rsweep.evaluate.evaluation import features_of
from rsweep.evaluate.race_tasks import part_features
from rsweep.plan.study import load_study

SIDE, STEP_M = 7, 600
"""Places per axis, and metres between them."""
SHARDS = 4
WEST, NORTH = 500_040, 5_000_040
JUNE = {"start": "2022-06-01", "end": "2022-07-01"}
JULY = {"start": "2022-07-01", "end": "2022-08-01"}
PROFILES = {"pooled": {}, "wide": {"features": 16}, "july": {"temporal": JULY}}


@pytest.fixture
def raced(workplace: Workplace) -> Workplace:
    """Places of two classes, which the scene of June shows and that of July does not."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, (SIDE, SIDE))
    tell = np.kron(kinds, np.ones((STEP_M // 10, STEP_M // 10)))
    scenes = workplace.folder / "scenes"
    scenes.mkdir()
    (scenes / "layout.yaml").write_text(
        "s2:\n  files: 's2_(?P<date>\\d{8})\\.tif'\n  bands: [B4, B3, B2]\n"
    )
    for name, seen in (("20220615", tell), ("20220715", 0 * tell)):
        values = 1500 + 700 * seen + rng.normal(0, 300, (3, *tell.shape))
        write_scene(scenes / f"s2_{name}.tif", values)
    to_degrees = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform
    write_raster(workplace.folder / "kinds.tif", 1 + tell[None])
    rows = []
    for row, column in np.ndindex(kinds.shape):
        x, y = WEST + (column + 0.5) * STEP_M, NORTH - (row + 0.5) * STEP_M
        lon, lat = to_degrees(x, y)
        rows.append(
            {
                "id": f"p{row}{column}",
                "lon": lon,
                "lat": lat,
                "buffer_m": 60,
                "kind": f"class {kinds[row, column]}",
            }
        )
    workplace.write_rois(rows)
    return workplace


def write_scene(path: Path, values: Any) -> None:
    write_raster(path, values.clip(0, 10_000))


def write_raster(path: Path, values: Any) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(values),
        height=values.shape[1],
        width=values.shape[2],
        dtype="uint16",
        crs="EPSG:32633",
        transform=Affine(10, 0, WEST, 0, -10, NORTH),
    ) as raster:
        raster.write(values.astype("uint16"))


def write_study(workplace: Workplace, name: str = "tiny", **sections: Any) -> None:
    workplace.write_study(
        **{
            "study": name,
            "temporal": JUNE,
            "shard_size": 14,
            "profiles": PROFILES,
            "base": {
                "provider": "local",
                "local": {"path": "scenes"},
                "bands": ["B4", "B3", "B2"],
                "cloud_mask": "none",
                "context_m": 0,
                "least_side_m": 0,
            },
            "evaluate": {
                "label": "kind",
                "probes": ["linear"],
                "strength": 10,
                "repeats": 1,
                "block_km": 0.6,
                "matters": 0.05,
            },
            **sections,
        }
    )


RACE = {"design": "race", "parts": [0.45, 0.7]}


def shards_of(workplace: Workplace, profile: str, stage: str) -> int:
    """Of how many shards a profile's stage has run."""
    key = workplace.keys()[profile][stage]
    return len(list((workplace.folder / "results/store" / stage / key).glob("*.h5")))


def vectors(workplace: Workplace, study: str, profile: str) -> Any:
    path = workplace.folder / f"results/{study}/profiles/{profile}/embeddings.parquet"
    return np.stack(pq.read_table(path, columns=["embedding"])["embedding"].to_pylist())


def command_line(workplace: Workplace, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rsweep.cli", *words],
        cwd=workplace.folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def kill_after_the_first_round(workplace: Workplace) -> None:
    """Start the study and kill all of its processes once a round is decided."""
    decided = workplace.folder / "results/tiny/race/round-1.json"
    with (workplace.folder / "killed.log").open("w") as log:
        run = subprocess.Popen(
            workplace.command(),
            cwd=workplace.folder,
            env=ENVIRONMENT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        while not decided.exists():
            assert run.poll() is None, (workplace.folder / "killed.log").read_text()
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert not (workplace.folder / "results/tiny/verdict.json").exists()


@pytest.mark.timeout(1200)
def test_a_race_stops_the_bad_goes_on_after_a_kill_and_agrees_with_the_grid(
    raced: Workplace,
) -> None:
    write_study(raced, sweep=RACE)
    kill_after_the_first_round(raced)
    before = raced.state()
    raced.ran()
    folder = raced.folder / "results/tiny"
    after = raced.state()
    assert {name: after[name] for name in before} == before, "a file was made twice"

    parts = json.loads((folder / "race/parts.json").read_text())
    first = json.loads((folder / "race/round-1.json").read_text())
    assert [one["profile"] for one in first["stopped"]] == ["july"]
    assert first["going"] == ["pooled", "wide"]
    for stage in ("fetch", "composite", "prep", "infer", "stitch"):
        assert shards_of(raced, "july", stage) == len(parts[0]), f"{stage} ran on"
    assert len(parts[0]) < len(parts[1]) < SHARDS
    assert [shards_of(raced, name, "stitch") for name in ("pooled", "wide")] == [SHARDS, SHARDS]

    verdict = json.loads((folder / "verdict.json").read_text())
    assert {s["profile"] for s in verdict["standings"]} == {"pooled", "wide"}
    assert any("july" in note and "Stopped early" in note for note in verdict["notes"])
    row = raced.table()["july"]
    assert (row["status"], row["stopped_round"]) == ("stopped", "1")
    assert row["quality"] == ""
    assert float(row["stopped_behind_low"]) > 0.05
    page = (folder / "report.html").read_text()
    assert "Profiles that were stopped" in page
    lock = json.loads((folder / "study.lock.json").read_text())
    assert lock["race"][0]["stopped"][0]["profile"] == "july"
    assert set(lock["results"]) == {"pooled", "wide"}
    assert "verified" in command_line(raced, "verify", "results/tiny", "--sample", "10%")
    status = json.loads(command_line(raced, "status", "study.yaml", "--json"))
    assert all(stage["done"] == stage["files"] for stage in status)
    assert "Nothing to be done" in raced.ran().output

    write_study(raced, "plain")
    raced.ran()
    for profile in ("pooled", "wide"):
        assert np.array_equal(vectors(raced, "tiny", profile), vectors(raced, "plain", profile))
    plain = json.loads((raced.folder / "results/plain/verdict.json").read_text())
    scores = {s["profile"]: s["probes"] for s in plain["standings"]}
    assert {s["profile"]: s["probes"] for s in verdict["standings"]} == {
        name: scores[name] for name in ("pooled", "wide")
    }


@pytest.mark.timeout(1200)
def test_a_race_judges_by_the_cells_of_a_raster_as_the_verdict_does(
    raced: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"output": "grid", "image_size": 12, "patch_size": 6}
    cells = {
        "label_raster": "kinds.tif",
        "label_cell_m": 60,
        "probes": ["linear"],
        "strength": 10,
        "repeats": 1,
        "block_km": 0.6,
        "matters": 0.05,
    }
    profiles = {"grid": own, "pooled": {}, "july": {**own, "temporal": JULY}}
    write_study(raced, sweep=RACE, profiles=profiles, evaluate=cells)
    raced.ran()
    folder = raced.folder / "results/tiny"
    first = json.loads((folder / "race/round-1.json").read_text())
    parts = json.loads((folder / "race/parts.json").read_text())
    assert [one["profile"] for one in first["stopped"]] == ["july"]
    assert first["places"] < SIDE**2
    assert first["rois"] == 4 * first["places"], "a square of 120 m has four cells of 60 m"
    assert shards_of(raced, "july", "stitch") == len(parts[0]) < SHARDS
    assert "Labelled cells compared" in (folder / "report.html").read_text()

    monkeypatch.chdir(raced.folder)
    study = load_study("study.yaml")
    design = read_design(folder / "evaluation/design.json")
    for profile in study.profiles:
        if profile.name != "july":
            judged = part_features(study, profile, design)
            assert np.isfinite(judged).all()
            assert np.array_equal(judged, features_of(study.folder_of(profile.name), design))
