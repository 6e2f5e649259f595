"""One plan per study on disk: read as it was planned, and made anew whenever it would differ."""

import json
import os
import subprocess
import sys
import time
from datetime import date
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from labelraster import write_labels

from rsweep.core.errors import CorruptError, RsweepError, StudyError
from rsweep.jobs.owner import CONFIG, plan_folder
from rsweep.jobs.script import find_job
from rsweep.plan import planning, stored
from rsweep.plan.planning import find_plan, read_plan
from rsweep.plan.stored import named
from rsweep.plan.study import make_study
from rsweep.plan.workflow import Plan

ROIS = "id,lon,lat,buffer_m,label,start,end\n" + "".join(
    f"r{i},{14 + i / 50},46,{100 + 100 * (i % 3)},{'ab'[i % 2]},,\n" for i in range(40)
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A study in the working directory: two models, a combination left out, labels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(stored.PLAN, raising=False)
    Path("rois.csv").write_text(ROIS)
    return {
        "study": "s",
        "rois": "rois.csv",
        "shard_size": 8,
        "on_invalid": "skip",
        "temporal": {"start": date(2022, 6, 1), "end": "2022-09-01"},  # YAML reads dates
        "base": {"provider": "synthetic", "model": "rcf"},
        "sweep": [
            {"image_size": [32, 33, 64]},
            {"model": "galileo", "weights": "random", "modality": "s1+s2", "frames": 2},
        ],
        "evaluate": {"label": "label"},
        "retain": {"infer": "temp"},
    }


def test_a_plan_reads_back_as_it_was_made(config):
    planned, (study, roi_digest) = make_study(config, "s"), read_plan(find_plan(config))
    assert study.config == named(planned.config)
    assert [p.name for p in study.profiles] == [p.name for p in planned.profiles]
    assert [p.keys() for p in study.profiles] == [p.keys() for p in planned.profiles]
    for one, other in zip(study.profiles, planned.profiles, strict=True):
        assert json.dumps(one.settings) == json.dumps(other.settings)  # orders too
        assert [n.key for n in one.node.upstream()] == [n.key for n in other.node.upstream()]
    assert list(study.nodes()) == list(planned.nodes())
    assert study.node_options() == planned.node_options()
    assert [(s.name, s.reason) for s in study.skipped] == [
        (s.name, s.reason) for s in planned.skipped
    ]
    for name in ("name", "evaluate", "retain", "store", "folder", "lock"):
        assert getattr(study, name) == getattr(planned, name)
    assert study.options == json_round(planned.options)
    assert [(s.name, list(s.rois), s.extents) for s in study.shards] == [
        (s.name, list(s.rois), s.extents) for s in planned.shards
    ]
    rois = list(planned.rois)
    assert len(study.shards) > 2
    assert (list(study.rois), len(study.rois), study.rois[7], study.rois[::9]) == (
        rois,
        40,
        rois[7],
        rois[::9],
    )
    assert len(roi_digest) == 64


def test_the_table_is_told_by_places_windows_order_and_labels(config):
    def digest_of(text: str) -> str:
        Path("rois.csv").write_text(text)
        return read_plan(find_plan(config))[1]

    rows = ROIS.splitlines()
    swapped = "\n".join([rows[0], rows[2], rows[1], *rows[3:]])
    others = [
        ROIS.replace(",b,", ",c,", 1),
        swapped,
        ROIS.replace("14.02", "14.03"),
        ROIS.replace("100,a,,", "100,a,2022-06-01,2022-07-01", 1),
        "\n".join(rows[:-1]),
    ]
    assert len({digest_of(text) for text in [ROIS, *others]}) == 6
    assert digest_of(ROIS) == digest_of(ROIS.replace(",46,", ",46.0,"))


def test_a_job_reads_its_node_and_its_shard_and_nothing_else(config, monkeypatch):
    study, folder = make_study(config, "s"), find_plan(config)
    stored.tell(folder)
    os.remove("rois.csv")
    monkeypatch.setattr(planning, "pinned_study", lambda *_: pytest.fail("planned again"))
    for key, node in study.nodes().items():
        job = find_job(plan_folder, key, study.shards[1].name, 2)
        assert (job.node.identity(), job.node.key) == (json_round(node.identity()), key)
        assert list(job.node.inputs) == list(node.inputs)
        assert job.shard.rois == tuple(study.shards[1].rois)
        assert job.options.get(key) == study.node_options().get(key)
        assert (str(job.store.root), job.on_roi_error) == ("results/store", "record")


def json_round(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def test_it_is_made_once(config, monkeypatch):
    folder = find_plan(config)
    monkeypatch.setattr(planning, "pinned_study", lambda *_: pytest.fail("planned again"))
    assert find_plan(config) == folder
    assert find_plan(json_round(config)) == folder
    Path("rois.csv").touch()  # its content is what counts
    assert find_plan(config) == folder


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def made_again(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> bool:
    """True if the plan is made once more, and then found."""
    made = []
    real = planning.pinned_study
    monkeypatch.setattr(planning, "pinned_study", lambda *a: made.append(a) or real(*a))
    found = find_plan(config)
    assert find_plan(config) == found
    monkeypatch.setattr(planning, "pinned_study", real)
    return len(made) == 1


def test_a_change_of_what_it_is_made_of_is_noticed(config, monkeypatch):
    find_plan(config)
    assert not made_again(config, monkeypatch)
    edit("rois.csv", ",b,", ",c,")
    assert made_again(config, monkeypatch)
    assert made_again({**config, "shard_size": 9}, monkeypatch)
    assert made_again({**config, "sweep": config["sweep"][::-1]}, monkeypatch)
    monkeypatch.setattr(planning, "_source_digest", lambda: "another rsweep")
    assert made_again(config, monkeypatch)


def test_weights_that_appear_or_change_are_noticed(config, monkeypatch):
    config["sweep"] = [{"image_size": 32}, {"model": "thor", "weights": "thor.pt"}]
    assert [s.settings["weights"] for s in read_plan(find_plan(config))[0].skipped] == ["thor.pt"]
    for content in ("one", "other"):
        Path("thor.pt").write_text(content)
        assert made_again(config, monkeypatch)
    assert not read_plan(find_plan(config))[0].skipped


def test_scenes_and_layouts_of_a_folder_that_change_are_noticed(config, monkeypatch):
    Path("scenes").mkdir()
    Path("scenes/S2_20220605.tif").write_bytes(b"pixels")
    layout = "s2:\n  files: 'S2_(?P<date>\\d{8})\\.tif'\n  bands: {B2: 1, B3: 2, B4: 3}\n"
    Path("layout.yaml").write_text(layout)
    config["base"] |= {
        "provider": "local",
        "bands": "B4,B3,B2",
        "local": {"path": "scenes", "layout": "layout.yaml"},
    }
    config["sweep"] = []

    def planned():
        (profile, *_) = (study := read_plan(find_plan(config))[0]).profiles
        return profile.keys(), [profile.node.file(shard.name) for shard in study.shards]

    keys, files = planned()
    assert not made_again(config, monkeypatch)
    time.sleep(0.01)
    Path("scenes/S2_20220605.tif").write_bytes(b"PIXELS")
    planning_caches_clear()
    assert made_again(config, monkeypatch)
    assert planned()[0] == keys  # what a scene holds is in the names of files
    assert not set(planned()[1]) & set(files)
    edit("layout.yaml", "B2: 1", "B8: 4, B2: 1")
    assert made_again(config, monkeypatch)


def planning_caches_clear() -> None:
    """What a process reads of a folder it reads once; another process reads it anew."""
    from rsweep.sources import local

    for cached in (local.open_folder, local._held):
        cached.cache_clear()


def test_the_lock_of_a_frozen_study_is_watched(config, monkeypatch):
    Path("l.json").write_text("{}")
    config |= {"frozen": True, "lock": "l.json"}
    find_plan(config)
    Path("l.json").write_text('{"fetch": {}}')
    assert made_again(config, monkeypatch)


@pytest.mark.parametrize("damage", ["plan.json", "a node", "a shard"])
def test_a_plan_that_was_edited_is_made_anew(config, monkeypatch, damage):
    study, folder = make_study(config, "s"), find_plan(config)
    key, shard = list(study.nodes())[-1], study.shards[0].name
    name, old = {
        "plan.json": ("plan.json", '"record"'),
        "a node": (f"nodes/{key}.json", '"record"'),
        "a shard": (f"shards/{shard}.json", "46.0"),
    }[damage]
    right = (folder / name).read_text()
    edit(str(folder / name), old, '"fail"' if damage != "a shard" else "47.0")
    if damage == "plan.json":
        assert made_again(config, monkeypatch)
    stored.read_shard.cache_clear()
    job = find_job(partial(find_plan, config), key, shard, 1)
    assert (job.on_roi_error, job.shard.rois[0].shape["lat"]) == ("record", 46.0)
    assert (folder / name).read_text() == right


def test_a_plan_that_lacks_a_file_is_made_anew(config, monkeypatch):
    folder = find_plan(config)
    next((folder / "shards").iterdir()).unlink()
    assert made_again(config, monkeypatch)


def test_a_node_under_another_key_is_refused(config):
    study = make_study(config, "s")
    rows = {key: stored.node_row(node) for key, node in study.nodes().items()}
    first = next(iter(rows))
    rows[first][2] = {**rows[first][2], "scale_m": 11}
    with pytest.raises(CorruptError, match=first):
        stored.make_nodes(rows, Path("x"))


def test_a_job_of_a_study_that_was_edited_meanwhile_says_so(config):
    study = make_study(config, "s")
    edit("rois.csv", "r0,14.0", "r0,13.0")
    with pytest.raises(RsweepError, match="were edited while it ran"):
        find_job(partial(find_plan, config), next(iter(study.nodes())), study.shards[0].name, 1)


def test_what_is_wrong_with_a_study_is_said_as_before(config):
    config["base"]["scale_m"] = -1
    with pytest.raises(StudyError, match=r"x\.yaml: base\.scale_m"):
        find_plan(config, "x.yaml")
    assert not Path("results").exists()
    with pytest.raises(StudyError, match="ROI table"):
        find_plan({"study": "s"}, "x.yaml")


def test_a_job_whose_plan_is_gone_plans_the_study_that_its_owner_has(config, monkeypatch):
    folder = find_plan(config)
    stored.tell(folder)
    assert plan_folder() == folder.absolute()
    (folder / "plan.json").unlink()
    monkeypatch.delenv(CONFIG, raising=False)
    with pytest.raises(RsweepError, match="run it again"):
        plan_folder()
    Path("told.json").write_text(json.dumps(stored.named(config)))
    monkeypatch.setenv(CONFIG, "told.json")
    assert plan_folder() == folder
    assert (folder / "plan.json").exists()


def test_a_few_plans_are_kept(config):
    for size in range(1, 8):
        last = find_plan({**config, "shard_size": size})
    left = {path.name for path in last.parent.iterdir()}
    assert len(left) == planning.KEPT + 1
    assert last.name in left


def test_a_raster_of_labels_is_watched_and_its_content_a_parameter(config, monkeypatch):
    write_labels(Path("cover.tif"), 14, 46.1)
    config["evaluate"] = {"label_raster": "cover.tif"}
    before = Plan(config).design_options()
    assert not made_again(config, monkeypatch)
    write_labels(Path("cover.tif"), 14, 46.1, seed=1)
    assert made_again(config, monkeypatch)
    after = Plan(config).design_options()
    assert {n for n in after if after[n] != before[n]} == {"label_raster"}


def test_grids_are_read_where_cells_are_judged(config):
    config["sweep"] = [{"output": ["pooled", "grid"]}]
    write_labels(Path("cover.tif"), 14, 46.1)
    for evaluate, grids in (({"label": "label"}, 0), ({"label_raster": "cover.tif"}, 1)):
        plan = Plan({**config, "evaluate": evaluate})
        files = [Path(file).name for file in plan.embeddings("000")]
        assert (files.count("embeddings.parquet"), files.count("grids")) == (2, grids)


FIRST = """
import json, sys, time
from rsweep.plan import planning
made = []
real = planning.pinned_study
planning.pinned_study = lambda *given: made.append(1) or time.sleep(2) or real(*given)
config = json.load(open("config.json"))
print("ready", flush=True)
sys.stdin.readline()
folder = planning.find_plan(config)
study, _ = planning.read_plan(folder)
print(json.dumps([str(folder), len(study.profiles), len(list(study.rois)), len(made)]))
"""


def test_many_first_processes_plan_one_study_at_once(config):
    Path("config.json").write_text(json.dumps(named(config)))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST],
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(planning.SOURCE.parent)},
        )
        for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:  # all of them are ready: go
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=300) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 8, said
    found = [json.loads(out) for out, _ in said]
    study, folder = make_study(config, "s"), find_plan(config)
    assert {(path, profiles, rois) for path, profiles, rois, _ in found} == {
        (str(folder), len(study.profiles), len(study.rois))
    }
    assert sum(made for *_, made in found) > 1, "nobody raced"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
