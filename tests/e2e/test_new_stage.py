"""A sixth stage is one folder and one rule: keys, docs, schema and results take it up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from conftest import REPO, Workplace

SPEC = """
from rsweep.core.knobs import Knob
from rsweep.core.stage import Stage

STAGE = Stage(
    "shrink", version=1, about="Embeddings to smaller ones.",
    knobs=(Knob("divisor", "shrink", "float", 2.0, "what values are divided by", minimum=1),),
    reads=lambda settings, sensor: {"divisor": settings["divisor"]},
    inputs={"embeddings": "stitch"},
    memory_mb=lambda settings: 500,
    seconds=lambda settings, work: 1.0,
)
"""
RUN = """
from rsweep.core.files import get_json, put_json

def run(job):
    with job.read("embeddings") as source, job.write() as target:
        target["embedding"] = source["embedding"][()] / job.node.settings["divisor"]
        put_json(target, "rois", get_json(source, "rois"))
"""


def copy_repository(to: Path) -> Path:
    """The workflow with one stage more."""
    for name in ("src", "rules", "scripts", "profiles", "envs"):
        shutil.copytree(REPO / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "Snakefile", to)
    stage = to / "src/rsweep/stages/shrink"
    stage.mkdir()
    (stage / "__init__.py").touch()
    (stage / "spec.py").write_text(SPEC)
    (stage / "run.py").write_text(RUN)
    rule = (to / "rules/stitch.smk").read_text()
    (to / "rules/shrink.smk").write_text(rule.replace("stitch", "shrink"))
    return to


def say(repository: Path, folder: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def vectors(workplace: Workplace) -> np.ndarray:
    (path,) = workplace.folder.glob("results/tiny/profiles/*/embeddings.parquet")
    return np.array(pq.read_table(path)["embedding"].to_pylist())


def test_a_sixth_stage_is_one_folder_and_one_rule(workplace: Workplace, tmp_path: Path) -> None:
    workplace.write_study()
    five = json.loads(say(REPO, workplace.folder, "rsweep.cli", "keys", "study.yaml", "--json"))
    workplace.ran()
    whole = vectors(workplace)

    other = copy_repository(tmp_path / "other")
    six = json.loads(say(other, workplace.folder, "rsweep.cli", "keys", "study.yaml", "--json"))
    assert {s: k for s, k in six[0]["keys"].items() if s != "shrink"} == five[0]["keys"]
    assert six[0]["settings"]["divisor"] == 2.0
    store = workplace.folder / "results/store"
    before = workplace.state()
    say(
        other,
        workplace.folder,
        *workplace.command(
            "-s", str(other / "Snakefile"), "results/tiny/profiles/base/embeddings.parquet"
        )[2:],
    )
    assert np.allclose(vectors(workplace), whole / 2)
    after = workplace.state()
    assert {name: after[name] for name in before} == before
    assert {p.name for p in store.iterdir()} == {*five[0]["keys"], "shrink"}


def test_docs_schema_and_describe_take_a_sixth_stage_up(tmp_path: Path) -> None:
    other = copy_repository(tmp_path)
    page = say(other, tmp_path, "rsweep.report.knob_docs")
    assert "## Shrink" in page
    assert "| `divisor` |" in page
    schema = json.loads(say(other, tmp_path, "rsweep.cli", "schema"))
    assert schema["$defs"]["divisor"]["minimum"] == 1
    assert "stitch" in schema["properties"]["retain"]["properties"]
    facts = json.loads(say(other, tmp_path, "rsweep.cli", "describe", "rcf", "--json"))
    assert "divisor" in {knob["name"] for knob in facts["knobs"]["shared"]}
