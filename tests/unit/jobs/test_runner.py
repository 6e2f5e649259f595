"""Jobs: a damaged input is said, removed and made again, and nothing else is touched."""

import logging

import numpy as np
import pytest
from stagebench import FakeSource, noise, place, scenes

from rsweep.core.errors import CorruptError
from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.jobs import runner as jobs
from rsweep.jobs.runner import run_job
from rsweep.sources.protocol import Pixels
from rsweep.stages import job as job_module
from rsweep.stages.job import Job

OWN = {"image_size": 16, "patch_size": 8, "features": 8}


@pytest.fixture
def done(bench):
    """A finished profile; every file with its bytes and time."""
    bench.source = bench.use(FakeSource(scenes("06-05"), lambda s, g: Pixels(noise(s, g))))
    bench.run([place("a")], **OWN)
    return bench


def state(bench) -> dict:
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in bench.store.root.rglob("*.h5")}


def damage(path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("stage", ["prep", "infer"])
def test_a_damaged_input_is_said_and_made_again(done, caplog, stage):
    before, bad = state(done), done.store.path(done.node(stage, **OWN), "shard")
    final = done.store.path(done.node(**OWN), "shard")
    final.unlink()
    damage(bad)
    with caplog.at_level(logging.WARNING):
        done.run([place("a")], **OWN)
    assert [r.getMessage() for r in caplog.records] == [
        f"{bad} is damaged (its sha256 is not the one that it was written with); treated as absent "
        f"and rebuilt"
    ]
    after = state(done)
    assert {p: data for p, (data, _) in after.items()} == {p: d for p, (d, _) in before.items()}
    touched = {p for p in before if after[p] != before[p]}
    assert touched == {bad, final}
    assert done.source.reads == ["scene0"]


def test_inputs_of_inputs_are_made_again_too(done):
    before = state(done)
    for stage in ("fetch", "composite", "prep", "infer"):
        damage(done.store.path(done.node(stage, **OWN), "shard"))
    done.run([place("a")], **OWN)
    assert {p: data for p, (data, _) in state(done).items()} == {
        p: data for p, (data, _) in before.items()
    }
    assert done.source.reads == ["scene0", "scene0"]


def test_a_disk_that_always_damages_is_given_up(done, monkeypatch):
    runs = []

    def run(job):
        runs.append(job.node.stage)
        raise CorruptError(job.store.path(job.node.inputs["tokens"], "shard"), "always")

    monkeypatch.setattr("rsweep.stages.stitch.run.run", run)
    with pytest.raises(CorruptError, match="always"):
        done.run([place("a")], **OWN)
    assert len(runs) == jobs.MAX_REBUILDS + 1


def test_damage_that_another_job_mended_meanwhile_is_not_mended_twice(done, monkeypatch):
    real, runs = jobs.importlib.import_module("rsweep.stages.stitch.run").run, []

    def run(job):
        runs.append(job)
        if len(runs) == 1:
            raise CorruptError(job.store.path(job.node.inputs["tokens"], "shard"), "a moment ago")
        return real(job)

    monkeypatch.setattr("rsweep.stages.stitch.run.run", run)
    before = state(done)
    done.run([place("a")], **OWN)
    kept = {p for p, found in state(done).items() if before[p] == found}
    assert {p.parts[-3] for p in kept} == {"fetch", "composite", "prep", "infer"}


def test_a_damaged_file_that_is_no_input_is_not_hidden(done, monkeypatch, tmp_path):
    def run(job):
        raise CorruptError(tmp_path / "x.h5", "else")

    monkeypatch.setattr("rsweep.stages.stitch.run.run", run)
    with pytest.raises(CorruptError, match="else"):
        done.run([place("a")], **OWN)


def test_what_ran_is_recorded_beside_the_data(done):
    record = done.store.read_record(done.node("infer", **OWN), "shard")
    assert {"seconds", "rsweep", "python", "host", "cpus", "peak_memory_mb", "rois"} <= set(record)
    assert (record["rois"], record["device"], record["precision"]) == (1, "cpu", "fp32")
    assert 10 < record["peak_memory_mb"] < 100_000


def test_the_same_job_makes_the_same_bytes(done):
    before = state(done)
    for path in before:
        path.unlink()
    done.run([place("a")], **OWN)
    assert {p: data for p, (data, _) in state(done).items()} == {
        p: data for p, (data, _) in before.items()
    }


def test_progress_passes_everything_and_says_how_far(caplog, monkeypatch):
    monkeypatch.setattr(job_module.time, "monotonic", iter(np.arange(0, 100, 4.0)).__next__)
    job = Job(Node("prep", 1, {}), Shard("s", ()), None)
    with caplog.at_level(logging.INFO):
        assert list(job.progress(range(4), 4, "things done")) == [0, 1, 2, 3]
    assert [r.getMessage() for r in caplog.records] == [
        "2 of 4 things done, 0.2/s",
        "4 of 4 things done, 0.2/s",
    ]


def test_a_shard_of_nothing(done):
    node = done.node(**OWN)
    run_job(Job(node, Shard("empty", ()), done.store, done.options))
    with done.store.read(node, "empty") as file:
        assert file["embedding"].shape == (0, 0)


def test_a_cell_that_was_finished_since_it_was_planned_is_not_computed_again(done, monkeypatch):
    """As when a pack of cells is tried again on a cluster, or another study was faster."""
    node, made = done.node("infer", **OWN), []
    monkeypatch.setattr(jobs, "_make", lambda job, waited: made.append(job.planned))
    written = done.store.path(node, "shard").stat().st_mtime
    for planned in (written - 1, written + 1):
        run_job(Job(node, Shard("shard", (place("a"),)), done.store, planned=planned))
    assert made == [written + 1]
    damage(done.store.path(node, "shard"))
    run_job(Job(node, Shard("shard", (place("a"),)), done.store, planned=written - 1))
    assert made == [written + 1, written - 1]
