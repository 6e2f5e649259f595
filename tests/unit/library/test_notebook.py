"""The notebook of the docs runs from its first cell to its last."""

import json
from pathlib import Path

import matplotlib
import pytest

NOTEBOOK = Path(__file__).parents[3] / "docs/notebook.ipynb"


def test_every_cell_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("xarray")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    space = {}
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), space)
    assert space["frame"].vectors.shape == (3, 64)
    assert sorted(space["grids"]) == ["field", "town", "wood"]
    assert "stitch" in capsys.readouterr().out
