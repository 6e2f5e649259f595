"""The benchmark of a GPU runs to its end on a CPU: the same code, as little of it as can be."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

GPU = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def run(folder, *words):
    return subprocess.run(
        [sys.executable, str(GPU), "--to", str(folder), *words],
        text=True,
        capture_output=True,
        timeout=540,
        env=os.environ,
    )


@pytest.mark.timeout(560)
def test_it_runs_without_a_gpu_and_writes_a_table_of_each_part(tmp_path):
    done = run(tmp_path, "--device", "cpu", "--quick")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = {path.stem: list(csv.DictReader(path.open())) for path in tmp_path.iterdir()}
    assert set(rows) == {"gpu_tests", "gpu_engine", "gpu_mfu", "gpu_packs", "gpu_rs_embed"}
    assert "skipped" in rows["gpu_tests"][0]["tests"]
    assert "failed" not in rows["gpu_tests"][0]["tests"]
    (engine,) = rows["gpu_engine"]
    assert (engine["device"], engine["precision"]) == ("cpu", "fp32")
    assert float(engine["bare tiles/s"]) > 0
    (vit,) = rows["gpu_mfu"]
    assert float(vit["tflop/s"]) > 0
    assert vit["mfu_of_data_sheet"] == ""  # none is known of a CPU
    assert {row["worker"] for row in rows["gpu_packs"]} == {"worker", "none"}


def test_without_a_gpu_it_says_so(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    done = run(tmp_path)
    assert done.returncode != 0
    assert "torch sees no CUDA device" in done.stderr
    assert not list(tmp_path.iterdir())
