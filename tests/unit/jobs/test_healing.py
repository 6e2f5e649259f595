"""Files of other nodes, damage, and what is no file: each is noticed, and mended by a run."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from stagebench import FakeSource, noise, place, scenes

from rsweep.core.errors import CorruptError
from rsweep.core.shards import Shard
from rsweep.jobs.runner import reading, run_job
from rsweep.sources.protocol import Pixels
from rsweep.stages.job import Job

OWN = {"image_size": 16, "patch_size": 8, "features": 8}
SHARDS = (Shard("one", (place("a"),)), Shard("two", (place("b", 120),)))


@pytest.fixture
def done(bench):
    """A finished profile over two shards, and another profile's tiles of the first."""
    bench.use(FakeSource(scenes("06-05"), lambda s, g: Pixels(noise(s, g))))
    for own in (OWN, {**OWN, "image_size": 32}):
        for shard in SHARDS:
            run_job(Job(bench.node(**own), shard, bench.store, bench.options))
    return bench


def spoil(path, how, done, node):
    good = path.read_bytes()
    if how in ("shard", "key"):
        other = done.node("prep", **{**OWN, "image_size": 32}) if how == "key" else node
        path.write_bytes(done.store.path(other, "one" if how == "key" else "two").read_bytes())
        return good
    path.unlink()
    {
        "folder": lambda: (path / "x").mkdir(parents=True),
        "pipe": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to("gone"),
        "text": lambda: path.write_text("<html>"),
        "bit": lambda: path.write_bytes(good[:99] + bytes([good[99] ^ 1]) + good[100:]),
    }[how]()
    return good


@pytest.mark.parametrize("how", ["shard", "key", "bit", "folder", "pipe", "link", "text"])
def test_what_is_in_the_place_of_an_input_is_noticed_and_replaced(done, how):
    node = done.node("prep", **OWN)
    path = done.store.path(node, "one")
    good = spoil(path, how, done, node)
    assert not done.store.is_sound(node, "one")
    run_job(Job(done.node("infer", **OWN), SHARDS[0], done.store, done.options))
    assert path.read_bytes() == good
    assert not path.is_symlink()
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("how", ["shard", "bit", "folder", "pipe", "link"])
def test_results_mend_what_they_read(done, how):
    node = done.node(**OWN)
    study = SimpleNamespace(
        store=done.store.root, options={"on_roi_error": "record"}, node_options=lambda: done.options
    )
    path = done.store.path(node, "one")
    good = spoil(path, how, done, node)
    with reading(study, node, SHARDS[0]) as file:
        assert np.isfinite(file["embedding"][()]).all()
    assert path.read_bytes() == good


def test_a_file_that_another_process_made_meanwhile_is_not_made_again(done):
    node = done.node(**OWN)
    path = done.store.path(node, "one")
    job = Job(node, SHARDS[0], done.store, done.options)
    shutil.copy(path, path.with_suffix(".other"))
    os.replace(path.with_suffix(".other"), path)  # younger than the job's plan
    before = path.stat()
    run_job(job)
    assert path.stat().st_ino == before.st_ino
    os.utime(path, (0, 0))
    run_job(job)  # asked for again: it is made
    assert path.stat().st_ino != before.st_ino


def test_a_file_that_never_heals_is_said(done, monkeypatch):
    node = done.node(**OWN)
    study = SimpleNamespace(
        store=done.store.root, options={"on_roi_error": "record"}, node_options=lambda: done.options
    )
    spoil(done.store.path(node, "one"), "bit", done, node)
    monkeypatch.setattr("rsweep.jobs.runner.run_job", lambda job: None)
    with pytest.raises(CorruptError), reading(study, node, SHARDS[0]):
        pass
