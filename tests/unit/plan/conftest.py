"""A study in a folder of its own."""

from pathlib import Path
from typing import Any

import pytest

from rsweep.plan.study import Study, make_study

WINDOW = {"start": "2022-06-01", "end": "2022-09-01"}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a study of given sections over two ROIs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.7,50.5,100\nb,8.8,50.4,120\n")

    def make(**sections: Any) -> Study:
        full = {"study": "t", "rois": "rois.csv", "temporal": WINDOW, **sections}
        return make_study({k: v for k, v in full.items() if v is not None}, "study.yaml")

    return make
