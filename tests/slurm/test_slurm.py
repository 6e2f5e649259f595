"""A sweep on a real SLURM, on loopback, with everything going wrong that does on clusters.

`slurm_up.sh` installs SLURM from Debian's packages and starts it: slurmctld and two slurmd with two
pretended GPUs each. It needs root, and changes /etc/slurm of the machine that it runs on.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STUDY = HERE / "study.yaml"
DEFAULT = ROOT / "config/studies/land_cover.yaml"
# What differs from profiles/slurm on a cluster without accounting whose users cannot wait.
QUICK = [
    "--slurm-status-command",
    "squeue",
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--seconds-between-status-checks",
    "2",
    "--latency-wait",
    "20",
    "--retries",
    "3",
]

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2400)]


@pytest.fixture(scope="session", autouse=True)
def cluster():
    """A running SLURM; where it can be started and does not start, a failure and no skip."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("starting SLURM needs root")
    if not shutil.which("slurmctld") and not shutil.which("apt-get"):
        pytest.skip("SLURM is not installed, and there is no apt-get to install it with")
    done = subprocess.run(["bash", str(HERE / "slurm_up.sh"), "up"], capture_output=True, text=True)
    assert done.returncode == 0, f"SLURM does not start here: {done.stderr[-500:]}"


def command(results, *more, study=STUDY):
    return ["snakemake", "--configfile", str(study), "--config", f"results={results}", *more]


def on_slurm(results, *more, study=STUDY):
    """Run a study on the cluster with profiles/slurm: exit code and log, of each job too."""
    profile = ("--workflow-profile", "profiles/slurm", "--verbose")
    given = command(results, *profile, *QUICK, *more, study=study)
    done = subprocess.run(given, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def assert_same_as_one_machine(results, folder, study=STUDY):
    """Every stage file of a study holds the bytes that one machine makes, with as many threads."""
    alike = ("--cores", "2", "--set-threads", "infer=2")  # sums of other threads round otherwise
    done = subprocess.run(
        command(folder, *alike, study=study), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    here, there = outputs(folder), outputs(results)
    assert set(here) == set(there)
    assert [name for name in here if here[name] != there[name]] == []


def slurm(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True)
class Running:
    """A job of the cluster: its number, what it is for, where it is."""

    number: str
    comment: str
    node: str


def running():
    lines = slurm("squeue", "-h", "-t", "RUNNING", "-o", "%i|%k|%N").splitlines()
    return [Running(*line.split("|")) for line in lines]


def processes(job):
    """Process ids of a job, its batch script first."""
    listed = slurm("ps", "-eo", "pid,args").splitlines()
    found = [line.split()[0] for line in listed if f"job{int(job.number):05d}/slurm_script" in line]
    return [int(pid) for pid in found]


@dataclass
class Trouble(threading.Thread):
    """Does each thing once to the first job that it is meant for."""

    daemon = True
    done: dict[str, str] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        super().__init__(daemon=True)

    def __hash__(self):
        return id(self)

    def run(self):
        plans = {"fetch": self.cancel, "tiles": self.outlive, "vectors": self.lose_node}
        while not self.over.wait(0.3):
            for job in running():
                for name, act in plans.items():
                    if name in job.comment and name not in self.done:
                        self.done[name] = job.number
                        act(job)

    def cancel(self, job):
        slurm("scancel", job.number)

    def outlive(self, job):
        """Have a job do nothing until its time is over: a minute is the least that there is."""
        slurm("scontrol", "update", f"jobid={job.number}", "timelimit=1")
        for pid in processes(job):
            os.kill(pid, signal.SIGSTOP)
            for child in slurm("ps", "-o", "pid=", "--ppid", str(pid)).split():
                os.kill(int(child), signal.SIGSTOP)

    def lose_node(self, job):
        slurm("scontrol", "update", f"nodename={job.node}", "state=down", "reason=test")
        time.sleep(5)
        # It fails where the node has come back by itself.
        subprocess.run(["scontrol", "update", f"nodename={job.node}", "state=resume"])
        # SLURM puts the job in the queue again, and would let it wait for two minutes there.
        subprocess.run(["scontrol", "update", f"jobid={job.number}", "StartTime=now"])


def outputs(results):
    store = Path(results) / "store"
    return {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*.h5")}


def state(number):
    line = slurm("scontrol", "show", "job", number)
    return line.split("JobState=")[1].split()[0]


def submitted(log, what):
    lines = [line for line in log.splitlines() if "submitted with SLURM jobid" in line]
    return [line.split("jobid ")[1].split()[0] for line in lines if what in line]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A sweep that was troubled in every way, and its log."""
    folder = tmp_path_factory.mktemp("sweep")
    trouble = Trouble()
    trouble.start()
    # The first attempt of inference asks for less than torch alone takes.
    memory = [
        "--set-resources",
        "infer:mem_mb=250 if attempt == 1 else 3000",
        "infer:slurm_partition=gpu",
    ]
    code, log = on_slurm(folder / "results", *memory)
    trouble.over.set()
    (folder / "log").write_text(log)
    return folder / "results", log, trouble, code


def test_a_sweep_completes_whatever_happens_to_its_jobs(sweep):
    _, log, trouble, code = sweep
    assert code == 0, log[-5000:]
    assert set(trouble.done) == {"fetch", "tiles", "vectors"}
    assert state(trouble.done["fetch"]) == "CANCELLED"
    assert state(trouble.done["tiles"]) == "TIMEOUT"
    first, *retried = submitted(log, "group_infer")
    assert retried
    assert state(first) in ("OUT_OF_MEMORY", "FAILED", "CANCELLED")


def test_its_artefacts_are_those_of_one_machine(sweep, tmp_path):
    assert_same_as_one_machine(sweep[0], tmp_path)


def test_nothing_is_left_to_do_and_nothing_is_left_over(sweep):
    results, *_ = sweep
    done = subprocess.run(
        command(results, "--cores", "1", "-n"), cwd=ROOT, capture_output=True, text=True
    )
    assert "Nothing to be done" in done.stdout + done.stderr
    assert list((results / "store").rglob(".packed")) == []
    assert list((results / "store").rglob("*.tmp")) == []


def test_packs_ask_for_one_gpu_and_load_a_network_once(sweep):
    results, log, *_ = sweep
    numbers = submitted(log, "group_infer")
    assert "gpu" in slurm("scontrol", "show", "job", numbers[-1])
    records = [json.loads(p.read_text()) for p in (results / "store/infer").glob("*/*.run.json")]
    assert len(numbers) < len(records)
    assert sum(not r["resident"] for r in records) < len(records)


def test_the_default_study_with_gpus_as_a_gres_and_fetch_as_an_array(tmp_path):
    """The other form in which clusters have GPUs asked for, and jobs of a rule as one array."""
    gpus = ["--set-resources", "infer:gres=gpu:1", "infer:slurm_partition=gpu"]
    code, log = on_slurm(tmp_path / "there", *gpus, "--slurm-array-jobs", "fetch", study=DEFAULT)
    assert code == 0, log[-5000:]
    assert (tmp_path / "there/land_cover/report.html").exists()
    packs = submitted(log, "group_infer")
    asked = [slurm("scontrol", "show", "job", number) for number in packs]
    assert all("TresPerNode=gres:gpu:1" in job for job in asked)
    assert_same_as_one_machine(tmp_path / "there", tmp_path / "here", study=DEFAULT)
