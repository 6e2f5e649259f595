"""What will run is what is not there; costs follow what was measured; a budget is kept."""

import json

import numpy as np
import pytest

from rsweep.cli import main
from rsweep.core.files import put
from rsweep.core.store import Store
from rsweep.foresight.first import choose_first, parse_budget
from rsweep.foresight.forecast import forecast
from rsweep.plan.study import load_study

STAGES = ("fetch", "composite", "prep", "infer", "stitch")


@pytest.fixture
def study_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"r{i},{8.6 + 0.01 * i},50.5,90\n" for i in range(6))
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\n" + rows)
    config = {
        "study": "s",
        "rois": "rois.csv",
        "shard_size": 2,
        "temporal": {"year": 2022},
        "base": {"model": "rcf", "context_m": 60},
        "sweep": [
            {"image_size": [32, 64], "composite": ["median", "mean"], "pooling": ["mean", "max"]}
        ],
    }
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(config))
    return path


def fill(study, stages, seconds=2.0) -> None:
    store = Store(study.store)
    for node in study.nodes().values():
        if node.stage in stages:
            for shard in study.shards:
                with store.write(node, shard.name) as file:
                    put(file, "x", np.arange(10))
                rois = len(shard.rois)
                record = {
                    "seconds": seconds * rois,
                    "core_seconds": seconds * rois,
                    "rois": rois,
                    "tiles": rois,
                    "forward_seconds": rois,
                    "extents": shard.extents,
                    "own_days": None,
                }
                store.write_record(node, shard.name, record)


def test_without_measurements_a_model_says_so_with_a_wide_range(study_file):
    costs = forecast(load_study(study_file))
    assert {c.node.stage for c in costs} == set(STAGES)
    core = [c.amounts["core_seconds"] for c in costs]
    assert all(a.basis == "model of cost" for a in core)
    assert all(c.present == 0 for c in costs)
    assert all(0 < a.low < a.value < a.high for a in core)
    assert not any("requests" in c.amounts or "eecu_seconds" in c.amounts for c in costs)
    by_stage = {stage: [c for c in costs if c.node.stage == stage] for stage in STAGES}
    assert [len(by_stage[stage]) for stage in STAGES] == [1, 2, 4, 4, 8]
    assert by_stage["fetch"][0].users == 8


def test_what_is_there_costs_nothing_and_calibrates_the_rest(study_file):
    study = load_study(study_file)
    fill(study, ("fetch", "composite"))
    done = [c for c in forecast(study) if c.node.stage in ("fetch", "composite")]
    assert all(c.to_do == 0 and not c.amounts for c in done)
    other = json.loads(study_file.read_text())
    other["base"]["scale_m"] = 20
    study_file.write_text(json.dumps(other))
    (fetch,) = [c for c in forecast(load_study(study_file)) if c.node.stage == "fetch"]
    found = fetch.amounts["core_seconds"]
    assert found.basis == f"measured here ({len(study.shards)} jobs)"
    # The same places at a coarser scale: between what is by place alone and by pixel alone.
    assert 2.0 * 6 / 4 < found.value < 2.0 * 6 + 0.01
    assert fetch.amounts["disk_bytes"].basis == found.basis


def test_a_budget_in_profiles_core_time_or_bytes_is_kept(study_file):
    study = load_study(study_file)
    costs = forecast(study)
    design = choose_first(study, costs, "4 profiles", seconds=2)
    assert len(design.chosen) == 4
    assert len(design.estimated) == 3
    whole = sum(c.amounts["core_seconds"].value for c in costs)
    part = choose_first(study, costs, f"{0.75 * whole} core-seconds", seconds=2)
    assert part.cost <= 0.75 * whole
    assert 0 < len(part.chosen) < 8


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2 core-hours", (7200.0, "core_seconds")),
        ("12 profiles", (12.0, "profiles")),
        ("5 GB", (5e9, "disk_bytes")),
        ("3 gpu-hours", (10800.0, "device_seconds")),
        ("1 EECU-hours", (3600.0, "eecu_seconds")),
        ("400 requests", (400.0, "requests")),
        ("20 eur", (20.0, "money")),
    ],
)
def test_budgets_are_read_as_people_write_them(text, found):
    assert parse_budget(text, "EUR") == found


def test_the_command_says_what_runs_and_what_to_run_first(study_file, capsys):
    assert main(["plan", str(study_file), "--cores", "2", "--budget", "4 profiles"]) == 0
    told = capsys.readouterr().out
    assert "8 profiles over 6 ROIs" in told
    assert "on 2 cores" in told
    assert "4 profiles tell 3 effects" in told
    assert main(["plan", str(study_file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {node["stage"] for node in found["nodes"]} == set(STAGES)
    for name in ("tiles", "flops", "core_seconds", "memory_mb", "disk_bytes"):
        told = found["totals"][name]
        assert 0 < told["low"] <= told["value"] <= told["high"]
        assert told["basis"]
    summed = sum(node["core_seconds"]["value"] for node in found["nodes"])
    assert found["totals"]["core_seconds"]["value"] == pytest.approx(summed)
    assert found["wall_seconds"]["seconds"] == pytest.approx(summed)  # on one core
    assert "money" not in found["totals"]


def test_the_command_tells_money_a_cluster_and_what_cannot_run(study_file, capsys):
    config = json.loads(study_file.read_text())
    config |= {"prices": {"cpu_hour": 100.0, "currency": "EUR"}, "on_invalid": "skip"}
    config["sweep"][0]["image_size"] = [32, 64, 65]
    study_file.write_text(json.dumps(config))
    assert main(["plan", str(study_file), "--jobs", "50"]) == 0
    told = capsys.readouterr().out
    assert "on 50 jobs at once" in told
    assert "cannot run: " in told
    assert "which is not a multiple of patch_size" in told
    assert " EUR" in told
    assert main(["plan", str(study_file), "--jobs", "50", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    core = found["totals"]["core_seconds"]["value"]
    assert found["totals"]["money"]["value"] == pytest.approx(core / 36)
    assert len(found["cannot_run"]) == 4
    assert found["wall_seconds"]["seconds"] < core / 2
    assert main(["plan", str(study_file), "--budget", "1 EUR"]) == 0
    with pytest.raises(SystemExit):
        main(["plan", str(study_file), "--cores", "0"])


@pytest.mark.parametrize(
    "more",
    [
        ["--budget", "nonsense"],
        ["--budget", "4 profiles", "--interaction", "model"],
        ["--budget", "4 profiles", "--interaction", "model,frames"],
    ],
)
def test_what_cannot_be_read_is_an_error_with_what_would_be_right(study_file, capsys, more):
    assert main(["plan", str(study_file), *more]) == 1
    assert "expected" in (told := capsys.readouterr().err) or "does not vary" in told


def test_profiles_that_leave_what_their_model_was_trained_on_are_marked(study_file, capsys):
    config = json.loads(study_file.read_text())
    config["base"] = {"model": "galileo", "weights": "random", "image_size": 256}
    config["sweep"] = [{"frames": [1, 3]}]
    study_file.write_text(json.dumps(config))
    assert main(["plan", str(study_file)]) == 0
    told = capsys.readouterr().out
    assert "outside training: galileo, frames 1: trained on 3 to 12 frames" in told
    assert main(["plan", str(study_file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert any("frames 1" in line for line in found["outside_training"])
