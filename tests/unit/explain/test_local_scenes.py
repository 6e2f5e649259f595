"""Scenes that come, change and go in a folder: who is made again, and what is said of it."""

import json
from pathlib import Path

import pytest
from localstudy import absent, run, study, write_scene, write_study

from rsweep.cli import main
from rsweep.core.errors import RsweepError, SourceError
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.planning import find_plan, read_plan
from rsweep.plan.workflow import Plan
from rsweep.stages.job import Job
from rsweep.verify.study import verify

STAGES = ["fetch", "composite", "prep", "infer", "stitch"]


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """The working directory: a study of three places, which ran."""
    monkeypatch.chdir(tmp_path)
    write_study()
    for place in "abc":
        for day in ("20220605", "20220615"):
            write_scene(day, place)
    run(study())
    return tmp_path


def told(capsys, *command: str) -> str:
    capsys.readouterr()
    assert main(list(command)) == 0
    return capsys.readouterr().out


def test_a_scene_of_one_place_is_read_by_that_place_alone(ran, capsys):
    assert absent(study()) == []
    keys = {p.name: p.keys() for p in study().profiles}
    write_scene("20220625", "b")
    now = study()
    assert absent(now) == [(stage, "b") for stage in STAGES]
    assert {p.name: p.keys() for p in now.profiles} == keys
    text = told(capsys, "why", "base", "study.yaml")
    assert text.count("runs for 1 of 3 shards: scenes added: 20220625_b") == 5
    run(now)
    assert absent(study()) == []


@pytest.mark.parametrize("day, place", [("20220625", "far away"), ("20220801", "b")])
def test_a_scene_elsewhere_or_of_another_time_is_nothing_to_anyone(ran, day, place):
    write_scene(day, place)
    assert absent(study()) == []


def test_a_scene_that_changes_or_goes_is_named(ran, capsys):
    write_scene("20220615", "c", seed=1)
    Path("scenes/S2_20220605_c.tif").unlink()
    assert absent(study()) == [(stage, "c") for stage in STAGES]
    text = told(capsys, "why", "fetch", "study.yaml")
    assert "scenes changed: 20220615_c; scenes gone: 20220605_c" in text
    (asked,) = json.loads(told(capsys, "why", "fetch", "study.yaml", "--json")).values()
    assert asked["scenes"] == {"added": [], "changed": ["20220615_c"], "gone": ["20220605_c"]}


def test_a_scene_is_named_against_a_lock(ran, capsys):
    from rsweep.results.lock import write_lock

    write_lock(study(), Path("study.lock.json"))
    words = ("why", "fetch", "study.yaml", "--against", "study.lock.json")
    assert "is as in study.lock.json" in told(capsys, *words)
    write_scene("20220615", "c", seed=1)
    write_scene("20220625", "b")
    study()  # looks at the folder anew, as another process would
    text = told(capsys, *words)
    assert "scenes changed: 20220615_c; scenes added: 20220625_b" in text
    assert "is as in" not in text


def test_what_was_there_before_is_found_again(ran):
    before = Path("scenes/S2_20220605_a.tif").read_bytes()
    write_scene("20220605", "a", seed=1)
    assert len(absent(study())) == 5
    run(study())
    Path("scenes/S2_20220605_a.tif").write_bytes(before)
    assert absent(study()) == []


def test_a_stage_is_never_made_of_scenes_that_were(ran):
    """Files of one set of scenes have another name in every stage than those of another."""
    store, one = Store("results/store"), study()
    first = {store.path(n, s.name) for n in one.nodes().values() for s in one.shards[:1]}
    roi = one.shards[0].rois[0].id
    write_scene("20220605", roi, seed=1)
    two = study()
    second = {store.path(n, s.name) for n in two.nodes().values() for s in two.shards[:1]}
    assert len(first) == len(second) == 5
    assert not first & second
    assert {path.parent for path in first} == {path.parent for path in second}


def test_a_scene_that_changes_between_planning_and_fetching_stops_the_fetch(ran):
    write_scene("20220625", "b")
    planned = study()
    node = next(iter(planned.nodes().values()))
    shard = next(s for s in planned.shards if s.rois[0].id == "b")
    write_scene("20220625", "b", seed=1)
    study()  # which has the folder read anew
    with pytest.raises(SourceError, match="have changed since the study was planned"):
        run_job(Job(node, shard, Store(planned.store), planned.node_options()))
    assert not Store(planned.store).path(node, shard.name).exists()


def test_jobs_find_the_shard_of_a_file_in_the_plan(ran):
    config = json.loads(Path("study.yaml").read_text())
    plan, now = Plan(config), study()
    read, _ = read_plan(find_plan(config))
    for key, node in now.nodes().items():
        assert read.nodes()[key].scenes == node.scenes
        for shard in now.shards:
            file = Path(plan.file(node, shard.name))
            assert file.exists()
            assert plan.shard(key, file.stem).name == shard.name
            assert all(Path(path).exists() for path in plan.inputs(key, file.stem).values())


def test_a_frozen_study_takes_new_scenes_for_none_and_names_those_that_changed(ran):
    write_scene("20220625", "b")
    write_study(frozen=True)
    frozen = study()
    assert absent(frozen) == []  # the new scene is not in the lock
    Path("results/store").rename("results/other")
    run(study())  # from the folder, without the new scene
    write_scene("20220615", "b", seed=1)
    Path("scenes/S2_20220605_c.tif").unlink()
    changed = study()
    assert {roi for _, roi in absent(changed)} == {"b", "c"}
    with pytest.raises(SourceError, match="ROI b: 20220615_b: changed: sha256"):
        run(changed)
    write_scene("20220615", "b")
    with pytest.raises(SourceError, match="ROI c: 20220605_c: missing"):
        run(study())


def test_a_frozen_fetch_leaves_nothing_that_another_study_takes_for_its_own(ran):
    """It reads fewer scenes than the folder has: its files must not be named after all of them."""
    write_scene("20220625", "b")
    Path("results/store").rename("results/other")
    write_study(frozen=True)
    run(study())
    write_study()
    assert absent(study()) == [(stage, "b") for stage in STAGES]


def test_verify_holds_to_the_lock_and_names_scenes(ran, capsys):
    write_scene("20220625", "b")
    assert not [row for row in verify(Path("results/tiny")) if row.failed]
    study()
    rows = [row for row in verify(Path("results/tiny"), share=1.0) if row.kind == "rebuilt"]
    assert {row.status for row in rows} == {"identical"}
    write_scene("20220615", "b", seed=1)
    study()
    failed = [row for row in verify(Path("results/tiny")) if row.failed]
    assert [(row.kind, row.detail) for row in failed] == [("scenes", "scenes changed: 20220615_b")]


def test_a_clean_store_keeps_what_a_lock_or_a_study_needs(ran, capsys):
    every = set(Path("results/store").glob("*/*/*.h5"))
    write_scene("20220625", "b")
    run(study())  # and a new lock
    told(capsys, "gc", "results/store", "--older", "0", "--delete", "--keep", "study.yaml")
    left = set(Path("results/store").glob("*/*/*.h5"))
    assert absent(study()) == []
    assert len(every - left) == 5  # those of the shard that was made again
    Path("results/tiny/study.lock.json").unlink()
    told(capsys, "gc", "results/store", "--older", "0", "--delete", "--keep", "study.yaml")
    assert absent(study()) == []


def test_a_lock_whose_fetches_were_dropped_still_says_its_scenes(ran):
    for path in Path("results/store/fetch").glob("*/*.h5"):
        path.unlink()
    write_study(retain={"fetch": "temp"})
    from rsweep.results.lock import write_lock

    now = study()
    write_lock(now, now.lock)
    write_scene("20220625", "b")
    write_study(retain={"fetch": "temp"}, frozen=True)
    assert {stage for stage, _ in absent(study())} == {"fetch"}


def test_a_scene_without_a_readable_file_is_everybody_s(ran):
    path = write_scene("20220625", "b")
    path.write_bytes(path.read_bytes()[:200])
    assert {roi for _, roi in absent(study())} == {"a", "b", "c"}
    write_scene("20220625", "b")
    assert {roi for _, roi in absent(study())} == {"b"}


def test_a_folder_that_cannot_be_read_is_a_problem_of_the_study(ran, monkeypatch):
    def fail(root, files):
        raise PermissionError(13, "Permission denied", "scenes/x.tif")

    monkeypatch.setattr("rsweep.sources.local.folder.content_digests", fail)
    with pytest.raises(RsweepError, match=r"study.yaml: base: local: .*x.tif: Permission denied"):
        study()
