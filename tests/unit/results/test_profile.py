"""A profile's files: a grid for each ROI under a name of its own, and a table that says which."""

from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio

from rsweep.core.roi import Roi
from rsweep.results import profile as module
from rsweep.results.profile import Row, write_embeddings, write_grids

IDS = ["DE/1", "DE 1", "DE-1", "Ä1", "Ö1", "北京", "上海"]


def row(index, name, error=None):
    shape = {"type": "point", "lon": 8.7, "lat": 50.5, "buffer_m": 10}
    roi = Roi(name, shape, properties={"area": index, "crop": "wheat"})
    outcome = {
        "id": name,
        "error": error,
        "mode": "tile",
        "grid": {"crs": "EPSG:32632"},
        "start": "2022-06-01",
        "end": "2022-07-01",
        "valid_share": 1.0,
        "real_share": 1.0,
        "scenes": [],
        "transform": [10, 0, 478000, 0, -10, 5595000],
    }
    grid = np.full((2, 3, 3), index, np.float32)
    shares = np.full((3, 3), 0.25, np.float32)
    images = (None, None) if error else (grid, shares)
    return Row(roi, outcome, np.zeros(2, np.float32), *images)


@pytest.fixture
def made(monkeypatch):
    rows = [*(row(k, name) for k, name in enumerate(IDS)), row(7, "none", "no scenes")]
    monkeypatch.setattr(module, "read_rows", lambda *_, **__: iter(rows))
    study = SimpleNamespace(rois=[r.roi for r in rows])
    node = SimpleNamespace(key="k")
    settings = {"model": "m", "output": "grid", "lattice": "roi", "provider": "synthetic"}
    return study, SimpleNamespace(name="p", node=node, settings=settings)


def test_every_roi_has_its_own_grid_and_the_table_names_it(made, tmp_path):
    write_grids(*made, tmp_path / "grids")
    write_embeddings(*made, tmp_path / "embeddings.parquet")
    table = pq.read_table(tmp_path / "embeddings.parquet").to_pylist()
    assert len(list((tmp_path / "grids").iterdir())) == len(IDS)
    assert table[-1]["grid"] is None
    for index, held in enumerate(table[:-1]):
        with rasterio.open(tmp_path / held["grid"]) as file:
            assert file.tags()["roi"] == held["id"] == IDS[index]
            assert (file.read(1) == index).all()
    assert pq.read_schema(tmp_path / "embeddings.parquet").field("start").type == "date32[day]"
    assert [held["area"] for held in table] == list(range(8))


def test_bands_are_named_and_the_last_is_the_valid_share(made, tmp_path):
    write_grids(*made, tmp_path / "grids")
    with rasterio.open(tmp_path / "grids/DE-1.tif") as file:
        assert file.descriptions == ("dim_0", "dim_1", "valid_share")
        assert (file.read(3) == 0.25).all()


def test_pooled_profiles_have_no_column_of_grids(made, tmp_path):
    study, profile = made
    profile.settings["output"] = "pooled"
    write_embeddings(study, profile, tmp_path / "embeddings.parquet")
    assert "grid" not in pq.read_schema(tmp_path / "embeddings.parquet").names
