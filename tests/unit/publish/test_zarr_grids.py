"""Grids as Zarr, opened by xarray: the same cells at the same places as in the GeoTIFFs."""

import json

import numpy as np
import pytest
import rasterio
import xarray
from pyproj import CRS
from tinystudy import run_study, write_study

from rsweep.cli import main
from rsweep.core.errors import RsweepError
from rsweep.publish.zarr_grids import write_zarr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_study(write_study(tmp_path_factory.mktemp("zarr")))


def test_xarray_opens_what_the_geotiffs_hold(results, tmp_path, capsys):
    assert main(["export", str(results), "--zarr", str(tmp_path / "out")]) == 0
    assert "grid.zarr" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["grid.zarr"]  # none of pooled
    store = tmp_path / "out/grid.zarr"
    assert json.loads((store / "zarr.json").read_text())["zarr_format"] == 3
    root = xarray.open_zarr(store, consolidated=False)
    assert root.attrs["emb:dimensions"] == 8
    assert root.attrs["emb:type"] == "pixel"
    for roi in "abc":
        found = xarray.open_zarr(store, group=roi, consolidated=False)
        with rasterio.open(results / f"profiles/grid/grids/{roi}.tif") as raster:
            assert np.array_equal(found["embedding"], raster.read()[:-1], equal_nan=True)
            assert np.array_equal(found["valid_share"], raster.read()[-1], equal_nan=True)
            place = found["spatial_ref"].attrs
            assert CRS.from_wkt(place["crs_wkt"]).to_epsg() == raster.crs.to_epsg()
            assert tuple(map(float, place["GeoTransform"].split())) == raster.transform.to_gdal()
            for row, column in ((0, 0), (raster.height - 1, raster.width - 1)):
                centre = raster.xy(row, column)
                assert (found["x"][column], found["y"][row]) == centre
        assert found["embedding"].attrs["grid_mapping"] == "spatial_ref"
        assert found.attrs["roi"] == roi


def test_what_cannot_be_written_is_said(results, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("")
    with pytest.raises(RsweepError, match="not empty"):
        write_zarr(results, tmp_path / "full")
    (tmp_path / "none").mkdir()
    with pytest.raises(RsweepError, match="no grids"):
        write_zarr(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()
