"""Who writes a file, and what is left of those who were killed."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rsweep.core import writers
from rsweep.core.writers import is_abandoned, is_own, made_by_others, own_name, remove, turn


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def of(pid: int, host: str = writers.HOST, kind: str = "tmp") -> str:
    return f".a.h5.{host}-{pid}-0123abcd.{kind}"


def test_a_name_says_whose_it_is(tmp_path):
    path = tmp_path / own_name("a.h5", "tmp")
    path.touch()
    assert is_own(path)
    assert not is_abandoned(path)
    assert made_by_others(tmp_path, "a.h5", "tmp") == [path]
    assert made_by_others(tmp_path, "a.h5", "parts") == []
    assert made_by_others(tmp_path, "h5", "tmp") == []


def test_what_a_process_left_that_is_gone_is_abandoned(tmp_path):
    assert is_abandoned(tmp_path / of(dead_pid()))
    assert not is_abandoned(tmp_path / of(os.getppid()))
    assert not is_abandoned(tmp_path / ".a.h5.tmp")
    assert not is_abandoned(tmp_path / "a.h5")


def test_a_process_of_another_host_is_given_time(tmp_path):
    path = tmp_path / of(dead_pid(), "elsewhere")
    path.touch()
    assert not is_abandoned(path)
    past = time.time() - writers.SILENT_S - 1
    os.utime(path, (past, past))
    assert is_abandoned(path)
    path.unlink()
    assert not is_abandoned(path)


def test_a_process_that_ended_unnoticed_is_gone(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    time.sleep(1)  # nobody has waited for it: a zombie
    assert is_abandoned(tmp_path / of(process.pid))
    process.wait()


@pytest.mark.parametrize("what", ["nothing", "file", "folder", "link", "dangling", "pipe"])
def test_whatever_is_there_is_removed(tmp_path, what):
    path, other = tmp_path / "x", tmp_path / "other"
    other.mkdir()
    {
        "nothing": lambda: None,
        "file": path.touch,
        "link": lambda: path.symlink_to(other),
        "folder": lambda: (path / "y").mkdir(parents=True),
        "pipe": lambda: os.mkfifo(path),
        "dangling": lambda: path.symlink_to("gone"),
    }[what]()
    remove(path)
    assert not os.path.lexists(path)
    assert other.is_dir()


def hold(path: Path, ready, release) -> None:
    with turn(path):
        ready.set()
        release.wait(20)


def test_one_process_at_a_time(tmp_path):
    path, context = tmp_path / "a.h5", multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(path, ready, release))
    process.start()
    assert ready.wait(20)
    began = time.monotonic()
    with turn(path, patience_s=0.5):  # it does not come back, so both go on
        assert time.monotonic() - began >= 0.5
    release.set()
    process.join()
    with turn(path, patience_s=0.0):
        pass
    assert not list(tmp_path.iterdir())


def test_a_killed_process_holds_nothing(tmp_path):
    path, context = tmp_path / "a.h5", multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(path, ready, release))
    process.start()
    assert ready.wait(20)
    process.kill()
    process.join()
    began = time.monotonic()
    with turn(path):
        assert time.monotonic() - began < 5
    assert not list(tmp_path.iterdir())


def test_where_there_are_no_locks_each_goes_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(writers.fcntl, "flock", refuse)
    with turn(tmp_path / "a.h5"), turn(tmp_path / "a.h5"):
        pass
