"""Two hosts on one store whose file system has locks for each host alone, as NFS with `nolock`."""

import errno
import fcntl
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tinystudy import write_study

from rsweep.core import writers
from rsweep.core.store import Store
from rsweep.core.writers import OWNED, is_abandoned, is_own
from rsweep.jobs.runner import run_job
from rsweep.jobs.workdir import clear_leftovers
from rsweep.models.pins import Pin, add_pins, pins_file, read_pins
from rsweep.plan.study import load_study
from rsweep.plan.workflow import Plan
from rsweep.stages.job import Job

HOSTS = ("first", "second")


def run_on(host: str, study_file: Path, together, failed) -> None:
    """Make every file of a study as a host that sees no locks of others; stages side by side."""
    writers.HOST = host
    writers.fcntl.flock = lambda held, how: None
    study = load_study(study_file)
    try:
        for node in study.nodes().values():
            together.wait(60)
            for shard in study.shards:
                run_job(Job(node, shard, Store(study.store), study.node_options()))
    except Exception as error:
        failed.put(f"{host}: {error!r}")
        together.abort()


def test_both_make_the_same_files_and_neither_breaks_the_other_s(tmp_path):
    study_file = write_study(tmp_path)
    context = multiprocessing.get_context("spawn")
    together, failed = context.Barrier(len(HOSTS)), context.Queue()
    hosts = [
        context.Process(target=run_on, args=(host, study_file, together, failed)) for host in HOSTS
    ]
    for process in hosts:
        process.start()
    for process in hosts:
        process.join(120)
    assert failed.empty(), failed.get()
    study = load_study(study_file)
    store, alone = Store(study.store), Store(tmp_path / "alone")
    for node in study.nodes().values():
        for shard in study.shards:
            run_job(Job(node, shard, alone, study.node_options()))
            assert store.content(node, shard.name) == alone.content(node, shard.name)
    left = [path.name for path in store.root.rglob(".*") if OWNED.fullmatch(path.name)]
    assert not left


@pytest.mark.parametrize("silent_s, stays", [(60, True), (writers.SILENT_S + 60, False)])
def test_what_another_host_writes_now_is_left_and_what_it_left_long_ago_goes(
    tmp_path, silent_s, stays
):
    plan = Plan(
        {
            "study": "s",
            "rois": str(write_study(tmp_path).with_name("rois.csv")),
            "results": str(tmp_path / "results"),
            "temporal": {"year": 2022},
            "base": {"model": "rcf", "image_size": 32},
        }
    )
    node = next(iter(plan.nodes.values()))
    folder = plan.store / node.stage / node.key
    folder.mkdir(parents=True)
    # The process number is one that is not here; it says nothing of another host.
    path = folder / f".a.h5.other_0123abcd-{dead_pid()}-0123abcd.tmp"
    path.touch()
    past = time.time() - silent_s
    os.utime(path, (past, past))
    clear_leftovers(plan)
    assert path.exists() == stays


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_hosts_of_one_name_are_told_apart(tmp_path, monkeypatch):
    """Containers are often called alike, and process numbers of one mean nothing in another."""
    machine = {"/etc/machine-id": "m1", "/proc/sys/kernel/random/boot_id": "b1"}
    pids = [writers.INITIAL_PIDS]
    monkeypatch.setattr(writers, "_text", machine.get)
    monkeypatch.setattr(writers.os, "readlink", lambda path: pids[0])
    monkeypatch.setattr(writers.platform, "node", lambda: "worker")
    here = writers._host()
    machine["/proc/sys/kernel/random/boot_id"] = "b2"
    assert writers._host() == here  # the same machine, started again
    machine["/etc/machine-id"] = "m2"
    assert writers._host() != here
    pids[0] = "pid:[4026532200]"
    one = writers._host()
    machine["/proc/sys/kernel/random/boot_id"] = "b3"
    names = {here, one, writers._host()}
    assert len(names) == 3
    assert {name.partition("_")[0] for name in names} == {"worker"}
    path = tmp_path / f".a.h5.{one}-{dead_pid()}-0123abcd.tmp"
    path.touch()
    assert not is_abandoned(path)
    assert not is_own(path)


def test_pins_are_written_where_there_are_no_locks(tmp_path, monkeypatch):
    def refuse(held, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = pins_file(tmp_path / "store")
    add_pins(path, {"a": Pin("1" * 64)})
    add_pins(path, {"a": Pin("2" * 64), "b": Pin("3" * 64, "main")})
    assert read_pins(path) == {"a": Pin("1" * 64), "b": Pin("3" * 64, "main")}
    assert [file.name for file in path.parent.iterdir()] == [path.name]
