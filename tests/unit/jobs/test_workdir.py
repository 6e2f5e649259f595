"""What killed runs and earlier versions of a study leave behind."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from rsweep.core.writers import HOST
from rsweep.jobs import workdir
from rsweep.plan.workflow import Plan


@pytest.fixture(autouse=True)
def said(caplog) -> None:
    """What rsweep says to who runs Snakemake."""
    caplog.set_level("INFO")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder of Snakemake's."""
    monkeypatch.setattr(workdir, "_held", [])
    return tmp_path / ".snakemake"


def lock(folder: Path) -> None:
    (folder / "locks").mkdir(parents=True)
    (folder / "locks/0.input.lock").write_text("a\n")


def locked(folder: Path) -> bool:
    return (folder / "locks/0.input.lock").exists()


def run_then_die(folder: Path) -> None:
    """A run that ends without a word, as a killed one does."""
    code = (
        "import os, sys, pathlib; from rsweep.jobs.workdir import take_over\n"
        "take_over(pathlib.Path(sys.argv[1])); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    lock(folder)


def test_the_lock_of_a_killed_run_is_removed_and_said(folder, caplog):
    run_then_die(folder)
    workdir.take_over(folder)
    assert not locked(folder)
    assert "its lock is removed" in caplog.text


def test_the_lock_of_a_run_that_goes_on_is_kept(folder):
    run_then_die(folder)
    with (folder / "rsweep/run.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        workdir.take_over(folder)
    assert locked(folder)


def test_a_lock_of_another_host_is_said_and_kept(folder, caplog):
    run_then_die(folder)
    (folder / "rsweep/run.lock").write_text("elsewhere")
    for _ in range(2):
        workdir.take_over(folder)
        assert locked(folder)
        workdir._held.clear()
        assert "a run on elsewhere" in caplog.text
        workdir._held.clear()  # this run ends


def test_a_lock_of_nobody_known_is_left_to_snakemake(folder):
    lock(folder)
    for _ in range(2):
        workdir.take_over(folder)
        assert locked(folder)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,10,50,200\n")
    return Plan(
        {
            "study": "s",
            "rois": str(tmp_path / "rois.csv"),
            "results": str(tmp_path / "results"),
            "temporal": {"year": 2022},
            "base": {"model": "rcf", "image_size": 32},
        }
    )


def test_what_dead_writers_left_goes_and_what_the_next_fetch_needs_stays(plan, caplog):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    node = next(n for n in plan.nodes.values() if n.stage == "fetch")
    shard = next(iter(plan.shards))
    final = Path(plan.file(node, shard))
    final.parent.mkdir(parents=True)
    dead, alive = f"{HOST}-{process.pid}-0123abcd", f"{HOST}-1-0123abcd"
    parts = final.parent / f".{shard}.{dead}.parts"
    parts.mkdir()
    gone = final.parent / f".{final.name}.{dead}.tmp"
    kept = final.parent / f".{final.name}.{alive}.tmp"
    table = plan.folder / "profiles/base" / f".embeddings.parquet.{dead}.tmp"
    table.parent.mkdir(parents=True)
    lock = final.parent / f".{final.name}.lock"  # a killed process holds none
    for path in (gone, kept, table, lock):
        path.touch()
    workdir.clear_leftovers(plan)
    assert [p.exists() for p in (gone, kept, table, parts)] == [False, True, False, True]
    assert not lock.exists()
    assert "3 temporary files" in caplog.text
    final.touch()
    workdir.clear_leftovers(plan)
    assert not parts.exists()


def test_results_of_profiles_that_left_are_moved_aside(plan, caplog):
    for name in ("base", "old"):
        for _ in range(2):
            folder = plan.folder / "profiles" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "embeddings.parquet").touch()
            workdir.set_aside(plan)
    assert [p.parent.name for p in plan.folder.glob("profiles/*/*.parquet")] == ["base"]
    assert (plan.folder / "left/old/embeddings.parquet").exists()
    assert "left/: old" in caplog.text


def test_given_sets_that_left_are_moved_aside_too(plan, caplog):
    folder = plan.folder / "given" / "theirs"
    folder.mkdir(parents=True)
    (folder / "embeddings.parquet").touch()
    plan.given["theirs"] = object()
    workdir.set_aside(plan)
    assert folder.is_dir()
    plan.given.clear()
    workdir.set_aside(plan)
    assert (plan.folder / "left/theirs/embeddings.parquet").exists()
    assert not folder.exists()
