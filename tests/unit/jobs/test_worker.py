"""Clients and the worker: one load for many cells, and nothing left broken by any end."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

from rsweep.core.log import last_error
from rsweep.core.store import Store
from rsweep.jobs import client, messages, places
from rsweep.jobs import owner as owning
from rsweep.jobs.runner import run_job
from rsweep.plan.workflow import Plan
from rsweep.stages.job import Job

RUN = Path(client.SCRIPTS).resolve() / "run.py"


@pytest.fixture
def owner(monkeypatch):
    """This process as the owner of jobs, with a temporary folder of its own (and a short name)."""
    folder = tempfile.mkdtemp(prefix="rs", dir="/tmp")
    monkeypatch.setattr(owning.tempfile, "tempdir", folder)
    monkeypatch.setattr(owning.atexit, "register", lambda *a: None)
    monkeypatch.setenv("TMPDIR", folder)
    for name in (*client.TOLD, owning.OWNER, owning.OWNER_JOB, owning.FOLDER, owning.CORES):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    owning.own_jobs({"study": "s"})
    yield Path(os.environ[owning.FOLDER])
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def workers():
    """Process ids of the workers of the test's own temporary folder."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    return [
        int(line.split()[0])
        for line in listed.splitlines()
        if "rsweep.jobs.worker" in line and os.environ["TMPDIR"] in line
    ]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two shards and two networks whose tiles are there."""
    root = tmp_path_factory.mktemp("study")
    rows = [f"r{i},14.{i},46.0,200" for i in range(4)]
    (root / "rois.csv").write_text("\n".join(["id,lon,lat,buffer_m", *rows]) + "\n")
    config = {
        "study": "s",
        "rois": str(root / "rois.csv"),
        "results": str(root / "results"),
        "shard_size": 2,
        "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
        "base": {"provider": "synthetic", "model": "rcf", "image_size": 32},
        "sweep": [{"seed": [0, 1]}],
    }
    plan = Plan(config)
    for node in plan.nodes.values():
        for shard in plan.shards.values():
            if node.stage in ("fetch", "composite", "prep"):
                run_job(Job(node, shard, Store(plan.store), plan.study.node_options()))
    return config, plan


def cells(study):
    _, plan = study
    keys = [node.key for node in plan.nodes.values() if node.stage == "infer"]
    return [
        {
            "key": key,
            "shard": shard,
            "log": f"{plan.store}/{key}{shard}.log",
            "plan": str(plan.path.absolute()),
            "output": plan.file(plan.nodes[key], shard),
        }
        for key in keys
        for shard in plan.shards
    ]


def run_client(cell, **environment):
    """Run a cell anew, in a client of the owner's."""
    Path(cell["output"]).unlink(missing_ok=True)
    return run(
        cell["log"],
        "infer",
        cell["key"],
        cell["shard"],
        "1",
        "3000",
        RSWEEP_PLAN=cell["plan"],
        **environment,
    )


def run(log, script, *arguments, **environment):
    """A job as a rule runs it."""
    command = [sys.executable, "-S", str(RUN), str(log), "1", script, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=os.environ | environment
    )


def ran_alone(done):
    """True if a client said that it did without a worker, and was right."""
    assert done.returncode == 0, done.stderr
    return "running this job without it" in done.stderr


def record(study, cell):
    _, plan = study
    return Store(plan.store).read_record(plan.nodes[cell["key"]], cell["shard"])


def test_one_worker_serves_all_cells_and_loads_a_network_once(owner, study):
    every = cells(study)
    for cell in every:
        done = run_client(cell)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert "loaded" in Path(every[0]["log"]).read_text()
    assert len(workers()) == 1
    records = [record(study, cell) for cell in every]
    assert [r["resident"] for r in records] == [False, True] * (len(every) // 2)
    assert all((r["load_seconds"] == 0) == r["resident"] for r in records)
    assert "loaded" not in Path(every[1]["log"]).read_text()


def test_outputs_are_those_of_a_job_by_itself(owner, study):
    _, plan = study
    cell = cells(study)[0]
    path = Store(plan.store).path(plan.nodes[cell["key"]], cell["shard"])
    run_client(cell)
    first = path.read_bytes()
    path.unlink()
    (pid,) = workers()
    os.kill(pid, signal.SIGKILL)
    assert run_client(cell, RSWEEP_WORKER_IDLE_S="0").returncode == 0
    assert not workers()
    assert path.read_bytes() == first


def test_an_error_comes_back_and_the_worker_goes_on(owner, study):
    _, plan = study
    bad, good = cells(study)[0], cells(study)[2]
    settings = Store(plan.store).folder(plan.nodes[bad["key"]]) / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    right = settings.read_text() if settings.exists() else ""
    settings.write_text("{}")
    try:
        done = run_client(bad)
    finally:
        settings.write_text(right) if right else settings.unlink()
    assert done.returncode == 1
    assert "holds other settings" in Path(bad["log"]).read_text()
    (pid,) = workers()
    assert run_client(good).returncode == 0
    assert workers() == [pid]


def test_a_killed_worker_is_replaced(owner, study):
    cell = cells(study)[0]
    run_client(cell)
    (pid,) = workers()
    os.kill(pid, signal.SIGKILL)
    assert run_client(cell).returncode == 0
    (new,) = workers()
    assert new != pid


def socket_of(folder):
    """Where the first worker of an owner listens."""
    place = places.take_place(str(folder), 1, True)
    place.lock.close()
    return Path(place.socket)


def test_a_worker_that_cannot_start_is_done_without(owner, study):
    socket_of(owner).mkdir()
    assert ran_alone(done := run_client(cells(study)[0]))
    assert "Is a directory" in done.stderr or "not permitted" in done.stderr


def test_a_worker_that_ends_at_once_says_why(owner, study, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'rsweep.jobs.worker' in sys.orig_argv:\n"
        "    print('no luck', flush=True)\n"
        "    os._exit(3)\n"
    )
    assert ran_alone(done := run_client(cells(study)[0], PYTHONPATH=str(tmp_path)))
    assert "it did not start: no luck" in done.stderr


def test_a_file_in_the_place_of_its_socket_is_replaced(owner, study):
    socket_of(owner).write_text("x")
    assert not ran_alone(run_client(cells(study)[0]))
    assert len(workers()) == 1


def test_a_folder_that_others_can_enter_is_not_used(owner, study):
    owner.chmod(0o755)
    done = run_client(cells(study)[0])
    assert done.returncode == 0
    assert "not a private folder" in done.stderr


def test_without_an_owner_a_job_runs_alone(owner, study):
    done = run_client(cells(study)[0], RSWEEP_RUN="")
    assert (done.returncode, done.stderr) == (0, "")
    assert not workers()


def test_an_owner_that_does_not_answer_is_done_without(owner, study):
    (owner / client.LAUNCHER).unlink()
    assert ran_alone(done := run_client(cells(study)[0]))
    assert "cannot be asked" in done.stderr


def test_a_worker_that_dies_of_a_cell_leaves_it_to_the_client(owner, study):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_of(owner)))
        server.listen()

        def die():
            connection, _ = server.accept()
            with connection:
                peer = messages.Peer(connection)
                peer.receive()
                peer.send({"accepted": True})

        thread = threading.Thread(target=die)
        thread.start()
        done = run_client(cells(study)[0])
        thread.join()
    assert ran_alone(done)
    assert "it died" in done.stderr


def test_a_cell_that_the_study_lost_is_said_so(owner, study, monkeypatch):
    config, _ = study
    cell = cells(study)[0]
    rois = Path(config["rois"])
    text = rois.read_text()
    other = {**config, "study": "other"}
    monkeypatch.setenv(owning.CONFIG, str(owner / "other.json"))
    (owner / "other.json").write_text(json.dumps(other))
    rois.write_text(text.replace("14.0", "14.9").replace("14.2", "14.8"))
    try:
        done = run_client({**cell, "plan": str(Plan(other).path)})
    finally:
        rois.write_text(text)
    assert done.returncode == 1
    assert "were edited while it ran" in last_error(Path(cell["log"]))


def test_a_worker_runs_any_script_with_its_log_and_in_its_folder(owner, study, tmp_path):
    _, plan = study
    told = {"RSWEEP_PLAN": str(plan.path.absolute())}
    node = next(node for node in plan.nodes.values() if node.stage == "stitch")
    for stage_node in (*node.inputs.values(), node):
        for shard in plan.shards:
            done = run(tmp_path / "stage.log", "stage", stage_node.key, shard, 1, **told)
            assert done.returncode == 0, done.stderr
    (profile,) = [p for p in plan.profiles.values() if p.node.key == node.key]
    out = tmp_path / "e.parquet", tmp_path / "m.json"
    done = run(tmp_path / "log", "embeddings", profile.name, *out, **told)
    assert done.returncode == 0, done.stderr
    assert all(path.exists() for path in out)
    assert len(workers()) == 1
    done = run("lost/log", "embeddings", "no such profile", *out, **told)
    assert done.returncode == 1
    assert "StopIteration" in Path("lost/log").read_text()
    shutil.rmtree("lost")


SLOW = """
import sys, time
import rsweep.jobs.worker as worker
def slow(request):
    try:
        open(sys.argv[3] + "-begun", "w").close()
        time.sleep(60)
    finally:
        open(sys.argv[3], "w").close()
worker._run = slow
worker.main(sys.argv[1:])
"""


def slow_worker(folder, owner, tidied, **environment):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLOW), str(folder / "0.sock"), owner, str(tidied)],
        env=os.environ | environment,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not (folder / "0.sock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def begin_cell(folder):
    """Start a cell, and wait until it runs."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(folder / "0.sock"))
    peer = messages.Peer(connection)
    peer.send({"cell": 1})
    assert peer.receive() == {"accepted": True}
    while not (folder / "tidied-begun").exists():
        time.sleep(0.05)
    return connection


def test_a_client_that_is_killed_ends_its_cell_tidily(owner, tmp_path):
    process = slow_worker(tmp_path, os.environ[owning.OWNER], tmp_path / "tidied")
    begin_cell(tmp_path).close()
    assert process.wait(timeout=60) is not None
    assert (tmp_path / "tidied").exists()


def test_a_worker_ends_with_its_owner(owner, tmp_path):
    parent = subprocess.Popen(["sleep", "60"])
    name = f"{parent.pid}-{owning.started(parent.pid)}"
    folder = owning.runtime_folder(name)
    folder.mkdir(mode=0o700)
    process = slow_worker(folder, name, folder / "tidied")
    _kept = begin_cell(folder)
    assert process.poll() is None
    parent.kill()
    parent.wait()
    assert process.wait(timeout=60) is not None
    assert not folder.exists()


def test_an_idle_worker_ends(owner, tmp_path):
    process = slow_worker(
        tmp_path, os.environ[owning.OWNER], tmp_path / "tidied", RSWEEP_WORKER_IDLE_S="0.5"
    )
    assert process.wait(timeout=30) == 0


def test_gpus_are_dealt_out_and_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    first, second = (places.take_place(str(tmp_path), 4, True) for _ in range(2))
    assert (first.gpu, second.gpu) == ("2", "5")
    assert second.environment()["CUDA_VISIBLE_DEVICES"] == "5"
    assert places.take_place(str(tmp_path), 1, False).gpu is None
    got = []
    thread = threading.Thread(
        target=lambda: got.append(places.take_place(str(tmp_path), 4, True).gpu)
    )
    thread.start()
    time.sleep(0.2)
    assert got == []
    first.lock.close()
    thread.join(timeout=5)
    assert got == ["2"]


@pytest.mark.parametrize("given, found", [("", []), ("-1", []), ("0", ["0"]), ("1, 3", ["1", "3"])])
def test_visible_gpus_are_those_that_the_scheduler_left(monkeypatch, given, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert places.visible_gpus() == found


def test_cores_are_not_given_out_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(places, "available_cores", lambda: 4)
    one, two = (places.take_place(str(tmp_path), 2, True) for _ in range(2))
    assert {one.number, two.number} == {0, 1}
    assert one.environment()["OMP_WAIT_POLICY"] == "passive"


def test_cores_beyond_the_machines_are_used_where_snakemake_has_them(monkeypatch):
    monkeypatch.setenv(places.CORES, "64")
    assert places.available_cores() == max(64, os.cpu_count() or 1)
    monkeypatch.setenv(places.CORES, "")
    assert places.available_cores() == len(os.sched_getaffinity(0))


def test_a_client_imports_next_to_nothing():
    code = (
        f"import sys; sys.path.insert(0, {str(RUN.parents[1] / 'src')!r});"
        "import rsweep.jobs.client; print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    slow = {"typing", "pathlib", "dataclasses", "tempfile", "subprocess", "contextlib", "logging"}
    assert slow.isdisjoint(done.stdout.split())
    assert "rsweep.jobs.client" in done.stdout.split()


def test_workers_are_the_children_of_the_owner(owner, study):
    run_client(cells(study)[0])
    (pid,) = workers()
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    assert int(stat[1]) == os.getpid()


def test_the_study_of_a_job_is_written_where_nobody_else_reads_it(owner):
    path = Path(os.environ[owning.CONFIG])
    assert json.loads(path.read_text()) == {"study": "s"}
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_snakemake_below_the_one_of_a_slurm_job_is_no_owner(owner, monkeypatch):
    named = os.environ[owning.OWNER]
    (owner / client.LAUNCHER).unlink()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(owning.OWNER, "1-1")  # of the login node, inherited
    monkeypatch.setenv(owning.OWNER_JOB, "")
    monkeypatch.setenv(owning.packs.PACKED, "")
    owning.own_jobs({}, packed=True)
    assert os.environ[owning.OWNER] == named
    monkeypatch.setenv(owning.OWNER, "2-2")  # of the job's own Snakemake
    owning.own_jobs({}, packed=True)
    assert os.environ[owning.OWNER] == "2-2"
