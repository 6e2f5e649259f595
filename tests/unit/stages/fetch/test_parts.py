"""Two processes that fetch one shard of one store, and what a stopped fetch hands on."""

import contextlib
import multiprocessing
import os
import time
from pathlib import Path

import pytest
from stagebench import FakeSource, noise, place, scenes

from rsweep.core import writers
from rsweep.core.files import new_file
from rsweep.core.shards import Shard
from rsweep.core.writers import HOST, own_name
from rsweep.jobs.runner import run_job
from rsweep.sources.protocol import Pixels
from rsweep.stages.fetch.parts import own_parts
from rsweep.stages.job import Job

ROIS = tuple(place(f"r{i}", 60 + i) for i in range(4))


class Slow(FakeSource):
    def scenes(self, *args):
        time.sleep(0.05)
        return super().scenes(*args)


@pytest.fixture
def job(bench):
    bench.use(Slow(scenes("06-05"), lambda s, g: Pixels(noise(s, g))))
    return lambda: Job(bench.node("fetch"), Shard("s", ROIS), bench.store, bench.options)


def work(job, barrier, delay, out):
    barrier.wait()
    time.sleep(delay)
    try:
        run_job(job)
        out.put("ok")
    except BaseException as error:
        out.put(repr(error))


@pytest.mark.parametrize("locks", [True, False])
@pytest.mark.parametrize("delay", [0.0, 0.06, 0.15])
def test_two_processes_make_one_file_at_once(job, bench, monkeypatch, locks, delay):
    if not locks:

        def refuse(*_):
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(writers.fcntl, "flock", refuse)
    context = multiprocessing.get_context("fork")
    barrier, out = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=work, args=(job(), barrier, k * delay, out)) for k in range(2)
    ]
    for process in processes:
        process.start()
    assert [out.get(timeout=30) for _ in processes] == ["ok", "ok"]
    for process in processes:
        process.join()
    folder = bench.store.folder(bench.node("fetch"))
    assert sorted(p.name for p in folder.iterdir()) == ["s.h5", "s.run.json", "settings.json"]
    assert bench.store.is_sound(bench.node("fetch"), "s")


def part(folder: Path, name: str) -> Path:
    with new_file(folder / name) as file:
        file["x"] = [1]
    return folder / name


def test_what_others_finished_is_adopted_and_the_dead_are_removed(tmp_path):
    import subprocess
    import sys

    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = tmp_path / f".s.{HOST}-{process.pid}-0123abcd.parts"
    alive = tmp_path / f".s.{HOST}-{os.getppid()}-0123abcd.parts"
    other_shard = tmp_path / f".t.{HOST}-{process.pid}-0123abcd.parts"
    for folder in (dead, alive, other_shard):
        folder.mkdir()
    part(dead, "0.h5")
    part(alive, "1.h5")
    part(other_shard, "2.h5")
    part(alive, "3.h5").write_bytes(b"not sealed")
    with own_parts(tmp_path, "s") as own:
        assert sorted(p.name for p in own.iterdir()) == ["0.h5", "1.h5"]
        assert [dead.exists(), alive.exists(), other_shard.exists()] == [False, True, True]
    assert not own.exists()
    assert (alive / "1.h5").exists()


def test_parts_stay_where_a_fetch_fails(tmp_path):
    with contextlib.suppress(ValueError), own_parts(tmp_path, "s") as own:
        part(own, "0.h5")
        raise ValueError
    with own_parts(tmp_path, "s") as again:
        assert [p.name for p in again.iterdir()] == ["0.h5"]
        assert not own.exists()
    assert own_name("s", "parts") != own.name
