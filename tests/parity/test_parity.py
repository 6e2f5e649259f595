"""Every fixture case of every model that has a runner gives upstream's numbers."""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from run import main, read_case, run_case

HERE = Path(__file__).parent
FIXTURES = Path(os.environ.get("RSWEEP_PARITY", HERE.parents[1].parent / "shared" / "parity"))
MODELS = sorted(path.stem.removeprefix("cases_") for path in HERE.glob("cases_*.py"))
CASES = [path.parent for model in MODELS for path in sorted(FIXTURES.glob(f"{model}/*/meta.json"))]


NO_CASES = pytest.mark.skip(reason=f"no parity fixtures under {FIXTURES} (RSWEEP_PARITY)")


@pytest.mark.parametrize(
    "path",
    CASES or [pytest.param(FIXTURES, marks=NO_CASES)],
    ids=lambda path: f"{path.parent.name}-{path.name}",
)
def test_case_gives_upstreams_numbers(path: Path) -> None:
    comparisons = run_case(read_case(path))

    assert comparisons
    assert all(c.passed for c in comparisons), "\n" + "\n".join(map(str, comparisons))


@pytest.fixture
def tiny_case(tmp_path, monkeypatch) -> Path:
    """A case of a linear layer on a constant input, with a runner that may be broken on purpose."""
    spec = {"kind": "values", "shape": [1, 2], "dtype": "float32", "values": [1.0, 2.0]}
    expected = np.array([[1.0, 3.0]], np.float32)
    output = {
        "shape": [1, 2],
        "stored": "full",
        "stride": 1,
        "mean": 2.0,
        "std": 1.0,
        "l2": float(np.linalg.norm(expected)),
        "tolerance": {"rel_l2": 1e-5, "max_abs_over_std": 1e-4},
    }
    meta = {"model": "fake", "variant": "v", "inputs": {"x": spec}, "outputs": {"y": output}}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    np.savez(tmp_path / "arrays.npz", y=expected)
    answer = {"y": expected}
    module = types.SimpleNamespace(answer=answer, run=lambda meta, inputs, fill: answer)
    monkeypatch.setitem(sys.modules, "cases_fake", module)
    return tmp_path


def change(case: Path, **parts) -> None:
    path = case / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))


def test_exit_code_0_when_every_output_is_within_tolerance(tiny_case, capsys):
    assert main([str(tiny_case)]) == 0
    assert "pass  y" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [[[1.0, 3.1]], [[1.0, np.nan]], [[1.0, 3.0, 0.0]], None])
def test_exit_code_1_when_an_output_is_not(tiny_case, wrong, capsys):
    answer = sys.modules["cases_fake"].answer
    answer.clear()
    if wrong is not None:
        answer["y"] = np.array(wrong, np.float32)
    assert main([str(tiny_case)]) == 1
    assert "FAIL  y" in capsys.readouterr().out


def test_a_whole_that_differs_between_the_sampled_elements_fails(tiny_case):
    output = json.loads((tiny_case / "meta.json").read_text())["outputs"]["y"]
    change(tiny_case, outputs={"y": output | {"stored": "strided", "stride": 2}})
    np.savez(tiny_case / "arrays.npz", y=np.array([1.0], np.float32))
    assert main([str(tiny_case)]) == 0
    for wrong in (np.nan, 3.1):
        sys.modules["cases_fake"].answer["y"] = np.array([[1.0, wrong]], np.float32)
        assert main([str(tiny_case)]) == 1


def test_exit_code_2_for_a_case_that_cannot_be_read(tiny_case, capsys):
    assert main([str(tiny_case / "absent")]) == 2
    change(tiny_case, inputs={"x": {"kind": "normal", "shape": [2], "seed_name": "n", "crc32": 1}})
    assert main([str(tiny_case)]) == 2
    assert "CRC-32" in capsys.readouterr().out
    change(tiny_case, inputs={}, model="unheard_of")
    assert main([str(tiny_case)]) == 2


def test_weights_that_are_not_the_variants_fail(tiny_case, monkeypatch, capsys):
    network = torch.nn.Linear(2, 2)
    keys = {
        "columns": ["key", "shape", "dtype", "kept", "crc32_of_bytes"],
        "keys": [["weight", [2, 2], "float32", False, 0], ["bias", [3], "float32", False, 0]],
    }
    (tiny_case / "v.keys.json").write_text(json.dumps(keys))
    change(tiny_case, keys_file="v.keys.json")
    monkeypatch.setattr(sys.modules["cases_fake"], "run", lambda meta, inputs, fill: fill(network))
    assert main([str(tiny_case)]) == 1
    assert "bias (2,), expected (3,)" in capsys.readouterr().out
