"""What sources cannot serve is found before anything runs."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsweep.cli import main
from rsweep.plan.served import unserved

LAYOUT = """
s2:
  files: 'S2_(?P<date>\\d{8})\\.tif'
  bands: {B2: 1, B3: 2, B4: 3}
"""


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """One scene over both ROIs of `study`, of three bands and without a quality layer."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    (folder / "layout.yaml").write_text(LAYOUT)
    options = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": 3,
        "height": 200,
        "width": 200,
        "crs": "EPSG:32632",
        "nodata": 0,
        "transform": rasterio.Affine(100, 0, 470000, 0, -100, 5605000),
    }
    with rasterio.open(folder / "S2_20220615.tif", "w", **options) as file:
        file.write(np.full((3, 200, 200), 1000, np.uint16))
    return folder


def base(folder: Path, **own):
    return {
        "provider": "local",
        "local": {"path": str(folder)},
        "model": "rcf",
        "bands": ["B4", "B3", "B2"],
        "cloud_mask": "none",
        **own,
    }


def texts(study, online=False):
    problems, _ = unserved(study, "study.yaml", online)
    return [str(problem) for problem in problems]


def test_what_the_folder_has_is_no_problem(study, scenes):
    assert texts(study(base=base(scenes))) == []


def test_bands_that_the_folder_lacks(study, scenes):
    (text,) = texts(study(base=base(scenes, bands=["B4", "B8", "B11"])))
    assert text == (
        "study.yaml: base: local: rcf reads s2 B8, B11, which s2 lacks; it has B2, B3, B4"
    )


def test_a_window_without_scenes(study, scenes):
    window = {"start": "2019-01-01", "end": "2019-06-01"}
    (text,) = texts(study(base=base(scenes), temporal=window))
    assert "has nothing for any of 2 ROIs asked about; ROI a: no s2 scene from 2019" in text


def test_a_mask_whose_layer_the_scenes_lack(study, scenes):
    (text,) = texts(study(base=base(scenes, cloud_mask="scl")))
    assert "cloud_mask scl needs the layer scl; the scenes have none" in text


def test_services_are_asked_only_on_request(study):
    one = study(base={"provider": "stac", "stac": {"url": "http://127.0.0.1:9/v1"}})
    problems, unasked = unserved(one, "study.yaml")
    assert problems == []
    assert unasked == ["http://127.0.0.1:9/v1"]


def test_validate_says_it(study, scenes, tmp_path, capsys):
    text = f"study: t\nrois: rois.csv\ntemporal: {{year: 2019}}\nbase: {base(scenes)!r}\n"
    study(base=base(scenes))  # writes the ROI table, and enters the folder
    (tmp_path / "study.yaml").write_text(text)
    assert main(["validate", "study.yaml"]) == 1
    assert "has nothing for any of 2 ROIs" in capsys.readouterr().err
