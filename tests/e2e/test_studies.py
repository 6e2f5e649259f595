"""A study from its file to its results, and what changing it runs again."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import yaml
from conftest import REPO, Workplace
from shapely.geometry import box


def test_results_open_where_they_should(workplace: Workplace) -> None:
    workplace.write_study(base={"output": "grid"}, store="cache")
    workplace.ran()
    folder = workplace.folder / "results/tiny/profiles/base"
    table = geopandas.read_parquet(folder / "embeddings.parquet")
    assert table.crs == "OGC:CRS84"
    assert list(table["id"]) == ["r0", "r1"]
    assert len(table["embedding"][0]) == 8
    assert (table["valid_share"] > 0.99).all()
    assert all(scene.startswith("S2SYN_2022") for scene in table["scenes"][0])
    with rasterio.open(folder / "grids/r0.tif") as grid:
        values = grid.read()
        inside = geopandas.GeoSeries([box(*grid.bounds)], crs=grid.crs).to_crs(4326)
        assert grid.crs.to_epsg() == 32632
        assert grid.transform.a == -grid.transform.e == 80.0
        assert grid.profile["compress"] == "zstd"
    assert np.isfinite(values).all()
    covered = inside[0].intersection(table.geometry[0]).area / table.geometry[0].area
    assert covered == pytest.approx(1, abs=1e-6)
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["settings"]["model"] == "rcf"
    assert meta["keys"]["stitch"] == table["key"][0]
    assert {"torch", "snakemake", "numpy"} <= set(meta["versions"])
    assert set(meta["rois"]) == {"r0", "r1"}
    infer = meta["keys"]["infer"]
    for record in meta["runs"][infer].values():
        assert {"device", "seconds", "peak_memory_mb"} <= set(record)


def test_the_page_is_in_snakemakes_own_report(workplace: Workplace) -> None:
    workplace.write_study()
    workplace.ran()
    run = workplace.run("--report", "report.zip")
    assert run, run.output
    with zipfile.ZipFile(workplace.folder / "report.zip") as held:
        (name,) = [name for name in held.namelist() if "/data/" in name]
        assert held.read(name) == (workplace.folder / "results/tiny/report.html").read_bytes()


def test_nothing_needs_doing_twice_and_a_knob_runs_only_what_it_must(workplace: Workplace) -> None:
    workplace.write_study()
    workplace.ran()
    first = workplace.state()
    assert "Nothing to be done" in workplace.ran().output
    workplace.write_study(base={"pooling": "max"})
    short = workplace.run("-n")
    assert len(short.output.splitlines()) <= 20, short.output
    table = short.output.partition("Job stats:")[2]
    assert {line.split()[0] for line in table.splitlines() if line} >= {"stitch", "total"}
    dry = workplace.run("-n", "-p")
    assert "Stitch token maps" in dry.output
    for other in ("Fetch scenes", "Composite scenes", "Cut tiles", "Embed tiles"):
        assert other not in dry.output
    workplace.ran()
    second = workplace.state()
    assert {n: second[n] for n in first} == first
    assert {n.split("/")[0] for n in set(second) - set(first)} == {"stitch"}


def test_a_run_prints_a_line_per_stage_and_all_messages_on_request(workplace: Workplace) -> None:
    workplace.write_study()
    told = workplace.ran().output
    for stage in ("fetch", "composite", "prep", "infer", "stitch", "results"):
        assert told.count(f"\n{stage} ") == 1, told
    assert "rsweep: done after" in told.splitlines()[-2]
    assert len(told.splitlines()) <= 12, told
    (log,) = (workplace.folder / ".snakemake/log").glob("*.snakemake.log")
    assert "Stitch token maps" in log.read_text()
    workplace.write_study(base={"pooling": "max"})
    assert "Stitch token maps" in workplace.run("--verbose").output


def test_the_scheduler_looks_for_jobs_once_for_each_that_ends(workplace: Workplace) -> None:
    workplace.write_study(shard_size=1, sweep=[{"pooling": ["mean", "max"]}])
    run = workplace.run("--verbose", "--cores", "1")
    assert run, run.output
    told = run.output
    assert 10 < told.count("Finished jobid") < 40, told
    assert told.count("Ready jobs:") <= told.count("Finished jobid") + 1


def test_temporary_token_maps_go_once_they_are_stitched(workplace: Workplace) -> None:
    workplace.write_study(retain={"infer": "temp"})
    workplace.ran()
    assert not [n for n in workplace.state() if n.startswith("infer/")]
    assert float(workplace.table()["base"]["forward_seconds"]) > 0
    assert "Nothing to be done" in workplace.ran().output


def test_a_user_study_inherits_nothing_from_the_default_study(workplace: Workplace) -> None:
    workplace.write_study()
    assert list(workplace.keys()) == ["base"]
    workplace.ran()
    assert list(workplace.table()) == ["base"]


def test_skipped_combinations_are_listed(workplace: Workplace) -> None:
    workplace.write_study(sweep=[{"image_size": [16, 20]}], on_invalid="skip")
    workplace.ran()
    row = workplace.table()["image_size-20"]
    assert row["status"] == "skipped"
    assert "multiple" in row["reason"]


def test_the_default_study_runs(tmp_path: Path) -> None:
    """As `make demo` does, with fewer ROIs."""
    workplace = Workplace(tmp_path)
    study = yaml.safe_load((REPO / "config/config.yaml").read_text())
    lines = (REPO / study["rois"]).read_text().splitlines()
    (tmp_path / "rois.csv").write_text("\n".join(lines[:13]) + "\n")
    study |= {"rois": "rois.csv", "study": "tiny"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    shutil.copytree(REPO / "config", tmp_path / "config")
    workplace.ran()
    results = tmp_path / "results/tiny"
    for name in ("sweep.csv", "study.lock.json", "figures", "report.html"):
        assert (results / name).exists(), name
    assert all(row["rois_failed"] == "0" for row in workplace.table().values())
