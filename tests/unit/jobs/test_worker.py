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
from rsweep.jobs import client, launcher, messages
from rsweep.jobs.runner import run_job
from rsweep.plan.workflow import Plan
from rsweep.stages.job import Job

SOURCE = Path(client.__file__).parents[2]
CLIENT = """
import json, sys
from types import SimpleNamespace
from rsweep.jobs.client import run_cell
r = json.loads(sys.argv[1])
run_cell(SimpleNamespace(config=r["config"], threads=1, log=[r["log"]], resources={"mem_mb": 3000},
                         output=[r["output"]],
                         wildcards=SimpleNamespace(key=r["key"], shard=r["shard"])))
print("torch" in sys.modules)
"""


@pytest.fixture
def owner(monkeypatch):
    """This process as the owner of cells, with a temporary folder of its own (and a short name)."""
    folder = tempfile.mkdtemp(prefix="rs", dir="/tmp")
    monkeypatch.setattr(client.tempfile, "tempdir", folder)
    monkeypatch.setenv("TMPDIR", folder)
    monkeypatch.setenv(client.OWNER, f"{os.getpid()}-{client.started(os.getpid())}")
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield os.environ[client.OWNER]
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def workers():
    """Process ids of the workers of the test's own temporary folder."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines()
            if "rsweep.jobs.worker" in line and os.environ["TMPDIR"] in line]  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two shards and two networks whose tiles are there."""
    root = tmp_path_factory.mktemp("study")
    rows = [f"r{i},14.{i},46.0,200" for i in range(4)]
    (root / "rois.csv").write_text("\n".join(["id,lon,lat,buffer_m", *rows]) + "\n")
    config = {
        "study": "s", "rois": str(root / "rois.csv"), "results": str(root / "results"),
        "shard_size": 2, "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
        "base": {"provider": "synthetic", "model": "rcf", "image_size": 32},
        "sweep": [{"seed": [0, 1]}],
    }  # fmt: skip
    plan = Plan(config)
    for node in plan.nodes.values():
        for shard in plan.shards.values():
            if node.stage in ("fetch", "composite", "prep"):
                run_job(Job(node, shard, Store(plan.store), plan.study.node_options()))
    return config, plan


def cells(study):
    config, plan = study
    keys = [node.key for node in plan.nodes.values() if node.stage == "infer"]
    return [{"config": config, "key": key, "shard": shard, "log": f"{plan.store}/{key}{shard}.log",
             "output": plan.file(plan.nodes[key], shard)}
            for key in keys for shard in plan.shards]  # fmt: skip


def run_client(cell, **environment):
    """Run a cell anew, in a client of the owner's."""
    Path(cell["output"]).unlink(missing_ok=True)
    return subprocess.run(
        [sys.executable, "-c", CLIENT, json.dumps(cell)], capture_output=True, text=True,
        env=os.environ | environment, timeout=120,
    )  # fmt: skip


def record(study, cell):
    _, plan = study
    return Store(plan.store).read_record(plan.nodes[cell["key"]], cell["shard"])


def test_one_worker_serves_all_cells_and_loads_a_network_once(owner, study):
    every = cells(study)
    for cell in every:
        done = run_client(cell)
        assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
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
    assert run_client(cell, RSWEEP_WORKER_IDLE_S="0").stdout == "True\n"
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


def test_a_worker_that_cannot_start_is_done_without(owner, study):
    folder = client._private(client.runtime_folder(owner))
    (folder / "0.sock").mkdir()
    done = run_client(cells(study)[0])
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert "it did not start" in done.stderr


def test_a_folder_that_others_can_enter_is_not_used(owner, study):
    client.runtime_folder(owner).mkdir(mode=0o755)
    done = run_client(cells(study)[0])
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert "not a private folder" in done.stderr


def test_a_worker_that_dies_of_a_cell_leaves_it_to_the_client(owner, study):
    folder = client._private(client.runtime_folder(owner))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "0.sock"))
        server.listen()

        def die():
            connection, _ = server.accept()
            with connection:
                stream = connection.makefile("rw")
                messages.receive(stream)
                messages.send(stream, {"accepted": True})

        thread = threading.Thread(target=die)
        thread.start()
        done = run_client(cells(study)[0])
        thread.join()
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert "it died" in done.stderr


def test_a_cell_of_another_study_is_declined(owner, study):
    cell = cells(study)[0]
    run_client(cell)
    rois = Path(cell["config"]["rois"])
    text = rois.read_text()
    rois.write_text(text.replace("14.0", "14.9").replace("14.2", "14.8"))
    try:
        done = run_client(cell)
    finally:
        rois.write_text(text)
    assert "no worker" in done.stderr
    assert "were edited while it ran" in last_error(Path(cell["log"]))


SLOW = """
import sys, time
import rsweep.jobs.worker as worker
def slow(request, networks):
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
        env=os.environ | environment, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (folder / "0.sock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def begin_cell(folder):
    """Start a cell, and wait until it runs."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(folder / "0.sock"))
    stream = connection.makefile("rw")
    messages.send(stream, {"cell": 1})
    assert messages.receive(stream) == {"accepted": True}
    while not (folder / "tidied-begun").exists():
        time.sleep(0.05)
    return connection, stream


def test_a_client_that_is_killed_ends_its_cell_tidily(owner, tmp_path):
    process = slow_worker(tmp_path, owner, tmp_path / "tidied")
    connection, stream = begin_cell(tmp_path)
    stream.close()
    connection.close()
    assert process.wait(timeout=60) is not None
    assert (tmp_path / "tidied").exists()


def test_a_worker_ends_with_its_owner(owner, tmp_path):
    parent = subprocess.Popen(["sleep", "60"])
    name = f"{parent.pid}-{client.started(parent.pid)}"
    folder = client._private(client.runtime_folder(name))
    process = slow_worker(folder, name, folder / "tidied")
    _kept = begin_cell(folder)
    assert process.poll() is None
    parent.kill()
    parent.wait()
    assert process.wait(timeout=60) is not None
    assert not folder.exists()


def test_an_idle_worker_ends(owner, tmp_path):
    process = slow_worker(tmp_path, owner, tmp_path / "tidied", RSWEEP_WORKER_IDLE_S="0.5")
    assert process.wait(timeout=30) == 0


def test_gpus_are_dealt_out_and_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    with client.take_place(tmp_path, 4) as first, client.take_place(tmp_path, 4) as second:
        assert (first.gpu, second.gpu) == ("2", "5")
        assert second.environment()["CUDA_VISIBLE_DEVICES"] == "5"
        got = []

        def wait():
            with client.take_place(tmp_path, 4) as third:
                got.append(third.gpu)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.2)
        assert got == []
    thread.join(timeout=5)
    assert got == ["2"]


@pytest.mark.parametrize("given, found", [("", []), ("-1", []), ("0", ["0"]), ("1, 3", ["1", "3"])])
def test_visible_gpus_are_those_that_the_scheduler_left(monkeypatch, given, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert client.visible_gpus() == found


def test_cores_are_not_given_out_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(client, "available_cores", lambda: 4)
    with client.take_place(tmp_path, 2) as one, client.take_place(tmp_path, 2) as two:
        assert {one.number, two.number} == {0, 1}
        assert one.environment()["OMP_WAIT_POLICY"] == "passive"


def test_a_client_imports_no_torch():
    code = "import sys, rsweep.jobs.client; print('torch' in sys.modules, 'h5py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False False\n"


def test_workers_of_a_slurm_job_are_the_children_of_its_owner(owner, monkeypatch, tmp_path):
    folder = client._private(client.runtime_folder(owner))
    launcher.listen(folder)
    pid = launcher.launch(folder, {"command": ["sleep", "30"], "environment": dict(os.environ),
                                   "output": str(tmp_path / "log")})  # fmt: skip
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    assert int(stat[1]) == os.getpid()
    os.kill(pid, signal.SIGKILL)


def test_a_snakemake_below_the_one_of_a_slurm_job_is_no_owner(owner, monkeypatch):
    monkeypatch.setattr(client, "listen", lambda folder: None)
    monkeypatch.setattr(client.atexit, "register", lambda *a: None)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(client.OWNER, "1-1")  # of the login node, inherited
    monkeypatch.setenv(client.OWNER_JOB, "")
    monkeypatch.setenv(client.packs.PACKED, "")
    client.own_jobs(packed=True)
    assert os.environ[client.OWNER] == owner
    monkeypatch.setenv(client.OWNER, "2-2")  # of the job's own Snakemake
    client.own_jobs(packed=True)
    assert os.environ[client.OWNER] == "2-2"
