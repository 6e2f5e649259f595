"""What the results of a study tell of a profile that its race has stopped."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from tinystudy import write_study

from rsweep.core.store import Store
from rsweep.disk.progress import study_progress
from rsweep.evaluate.race_tasks import draw_race
from rsweep.evaluate.tasks import design_study, race_notes
from rsweep.foresight.forecast import forecast
from rsweep.foresight.race import race_cost
from rsweep.jobs.runner import run_job
from rsweep.plan.rounds import (
    Round,
    Stopped,
    finished,
    parts_file,
    read_parts,
    round_file,
    wanted_shards,
)
from rsweep.plan.study import load_study
from rsweep.report.race import race_view, saved_share
from rsweep.results.lock import write_lock
from rsweep.results.profile import write_embeddings, write_grids, write_meta
from rsweep.results.ran import read_ran
from rsweep.results.table import write_sweep
from rsweep.stages.job import Job
from rsweep.verify.rebuilt import sample
from rsweep.verify.study import verify


@pytest.fixture(scope="module")
def raced(tmp_path_factory) -> Path:
    """A study of three shards whose pooled profile was stopped after the first."""
    folder = tmp_path_factory.mktemp("raced")
    file = write_study(
        folder,
        sweep={"design": "race", "parts": [0.3]},
        evaluate={"label": "crop", "folds": 2, "cv": "random"},
    )
    rows = (folder / "rois.csv").read_text().splitlines()
    labels = ["crop", "x", "y", "x"]
    (folder / "rois.csv").write_text(
        "".join(f"{row},{label}\n" for row, label in zip(rows, labels, strict=True))
    )
    study = load_study(file)
    decide(study)
    wanted, store, options = wanted_shards(study), Store(study.store), study.node_options()
    for node in study.nodes().values():
        for shard in study.shards:
            if shard.name in wanted[node.key]:
                run_job(Job(node, shard, store, options))
    for profile in finished(study).profiles:
        own = study.folder / "profiles" / profile.name
        write_embeddings(study, profile, own / "embeddings.parquet")
        write_meta(study, profile, own / "meta.json")
        write_grids(study, profile, own / "grids")
    write_lock(study, study.folder / "study.lock.json")
    write_sweep(study, study.folder / "sweep.csv")
    return file


def decide(study) -> None:
    design = study.folder / "evaluation/design.json"
    design_study(study, design)
    draw_race(study, design, parts_file(study))
    (part,) = read_parts(parts_file(study))
    stopped = Stopped("pooled", "grid", 0.4, 0.3, 0.2, 0.4)
    found = Round(1, part, len(part), 1, 11.0, 0.95, 0.01, ["grid"], [stopped], 10.0, 30.0)
    round_file(study, 1).write_text(json.dumps(asdict(found)))


def test_the_first_part_is_a_shard(raced):
    study = load_study(raced)
    (part,) = read_parts(parts_file(study))
    assert len(study.shards) == 3
    assert len(part) == 1


def test_the_table_tells_who_was_stopped_and_ranks_nobody_by_it(raced):
    with (load_study(raced).folder / "sweep.csv").open(newline="") as file:
        rows = {row["profile"]: row for row in csv.DictReader(file)}
    assert [rows[name]["status"] for name in ("grid", "pooled")] == ["ok", "stopped"]
    out = rows["pooled"]
    assert out["stopped_places"] == "1"
    assert out["reason"].startswith("stopped after round 1, on 1 of 3 ROIs: grid is better by 0.3")
    assert (out["stopped_quality"], out.get("quality", "")) == ("0.4", "")
    assert out["key_stitch"]
    assert out["features"] == "8"


def test_the_lock_holds_the_rounds_and_no_more_files_than_there_are(raced):
    study = load_study(raced)
    lock = json.loads((study.folder / "study.lock.json").read_text())
    (found,) = lock["race"]
    assert found["stopped"][0]["profile"] == "pooled"
    assert not {"seconds", "saved_seconds"} & set(found)
    assert set(lock["profiles"]) == {"pooled", "grid"}
    assert set(lock["results"]) == {"grid"}
    by_name = {p.name: p.node.key for p in study.profiles}
    assert [len(lock["artefacts"][by_name[n]]) for n in ("grid", "pooled")] == [3, 1]
    assert all(lock["weights"].values())


def test_verify_passes_and_makes_only_again_what_was_made(raced):
    study = load_study(raced)
    lock = json.loads((study.folder / "study.lock.json").read_text())
    assert len(sample(study, lock, 1.0, 0)) == 4
    rows = list(verify(study.folder, study_file=raced, share=1.0))
    assert not [row for row in rows if row.failed]
    assert sum(row.kind == "rebuilt" and "stitch" in row.name for row in rows) == 4


def test_verify_notices_a_stopped_profiles_file(raced, tmp_path):
    study = load_study(raced)
    node = next(p.node for p in study.profiles if p.name == "pooled")
    (part,) = read_parts(parts_file(study))
    path = Store(study.store).path(node, part[0])
    aside = path.rename(tmp_path / "aside.h5")
    try:
        failed = [row for row in verify(study.folder, study_file=raced) if row.failed]
    finally:
        aside.rename(path)
    assert [row.name for row in failed] == [f"stitch/{node.key}/{part[0]}"]


def test_nothing_is_left_to_do_and_nothing_to_cost(raced):
    study = load_study(raced)
    assert all(stage.done == stage.files for stage in study_progress(study))
    costs = forecast(study)
    assert not any(cost.to_do for cost in costs)
    assert race_cost(study, costs).every == 0


def test_the_range_of_a_race_that_has_not_begun(raced, tmp_path):
    config = json.loads(raced.read_text())
    config["results"] = str(tmp_path)
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(config))
    study = load_study(file)
    costs = forecast(study)
    cost = race_cost(study, costs)
    assert cost.every == sum(c.amounts["core_seconds"].value for c in costs) > 0
    assert cost.first == pytest.approx(cost.every / 3)


def test_the_page_tells_of_the_race(raced):
    study = load_study(raced)
    names = {"pooled": "Pooled", "grid": "Grid"}
    ran = read_ran(finished(study))
    view = race_view(study, ran, names)
    assert "1 of 2 profiles were stopped" in view.words
    assert [cell.text for cell in view.stopped.rows[0]][:3] == ["Pooled", "1", "1"]
    saved, share = saved_share([round_of(study)], ran)
    assert saved == 30
    assert share == pytest.approx(30 / (40 + sum_of(ran)))
    (note,) = race_notes(study)
    assert "pooled (0.300 behind grid)" in note


def round_of(study):
    from rsweep.plan.rounds import read_round

    return read_round(round_file(study, 1))


def sum_of(ran):
    seconds = [r["seconds"] for shards in ran["grid"].runs.values() for r in shards.values()]
    return sum(seconds)
