"""Provider `local` on the shared real data, by the layouts and ROI tables of the repository."""

from __future__ import annotations

import csv
import importlib.util
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import yaml
from pyproj import Transformer

from rsweep.core.grid import Grid, roi_grid
from rsweep.core.roi_table import read_rois
from rsweep.sources import local

REPOSITORY = Path(__file__).parents[3]
DATA = Path(os.environ.get("RSWEEP_DATA", REPOSITORY / "../shared/data")).resolve()
STUDIES = REPOSITORY / "config/studies"
ROIS = REPOSITORY / "config/rois"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no shared data at {DATA}; RSWEEP_DATA names another folder"
)


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / f"scripts/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Digests are cached under the working directory, and the repository's is not ours to use."""
    monkeypatch.chdir(tmp_path)


def options(name: str, folder: Path) -> dict:
    found = {"path": str(folder), "layout": str(STUDIES / "layouts" / f"{name}.yaml")}
    assert local.check(found, "here") == []
    return found


def grids(name: str, context_m: float = 0.0) -> dict[str, Grid]:
    rois, problems = read_rois(ROIS / f"{name}.csv")
    assert not problems
    return {roi.id: roi_grid(roi, 10.0, context_m)[0] for roi in rois}


def test_bigearthnet_patches_are_read_as_they_are():
    opts = options("bigearthnet", DATA / "bigearthnet")
    bands = local.available_bands(opts, "s2")
    assert len(bands) == 12
    sources = {
        "s2": local.open_source(opts, "s2", bands),
        "s1": local.open_source(opts, "s1", ("VV", "VH")),
    }
    for grid in grids("bigearthnet").values():
        assert (grid.height, grid.width) == (120, 120)
        for sensor, source in sources.items():
            (scene,) = source.scenes(grid, "2017-01-01", "2018-01-01")
            (pixels,) = source.read([scene], grid)
            folder = DATA / "bigearthnet" / sensor / scene.id
            names = bands if sensor == "s2" else ("VV", "VH")
            for band, values in zip(names, pixels.bands, strict=True):
                file = band if sensor == "s1" or band == "B8A" else f"B{int(band[1:]):02d}"
                with rasterio.open(folder / f"{scene.id}_{file}.tif") as raster:
                    native = raster.read(1)
                repeat = 120 // native.shape[0]
                assert np.array_equal(values, native.repeat(repeat, 0).repeat(repeat, 1))


def test_slovenia_has_five_dates_with_cloud_probabilities():
    opts = options("slovenia", DATA / "eolearn_slovenia/ee_store_derived")
    source = local.open_source(opts, "s2", ("B4", "B8"))
    folder = DATA / "eolearn_slovenia/ee_store_derived/COPERNICUS"
    # The files' pixels are 9.995 m wide, so a grid of 10 m meets each of them but a few.
    grid = Grid("EPSG:32633", 465_240.0, 5_080_200.0, 10.0, 60, 60)
    scenes = source.scenes(grid, "2015-07-01", "2015-10-01")
    assert [s.time[:10] for s in scenes] == [
        "2015-07-11",
        "2015-07-31",
        "2015-08-20",
        "2015-08-30",
        "2015-09-09",
    ]
    assert [round(s.cloud_pct or 0) for s in scenes] == [0, 98, 100, 0, 0]
    for scene, pixels in zip(scenes, source.read(scenes, grid), strict=True):
        with rasterio.open(folder / f"S2_HARMONIZED/{scene.id}.tif") as raster:
            x = 465_245 + 10 * np.arange(60)
            y = 5_080_195 - 10 * np.arange(60)
            columns, _ = ~raster.transform @ (x, y[0])
            _, rows = ~raster.transform @ (x[0], y)
            at = np.ix_(rows.astype(int), columns.astype(int))
            assert np.array_equal(pixels.bands, np.stack([raster.read(b)[at] for b in (4, 8)]))
        with rasterio.open(folder / f"S2_CLOUD_PROBABILITY/{scene.id}.tif") as raster:
            assert np.array_equal(pixels.quality["cloud"], raster.read(1)[at])


def test_worldcereal_months(tmp_path):
    source_file = DATA / "worldcereal/worldcereal_preprocessed_inputs.nc"
    assert script("convert_series").main(["worldcereal", str(source_file), str(tmp_path)]) == 0
    opts = options("worldcereal", tmp_path)
    grid = Grid("EPSG:32631", 664_080.0, 5_612_100.0, 10.0, 90, 90)
    rows, columns = slice(2, 92), slice(8, 98)
    with h5py.File(source_file) as data:
        red = data["S2-L2A-B04"][:].view(np.uint16)[:, rows, columns]
        vv = data["S1-SIGMA0-VV"][:].view(np.uint16)[:, rows, columns]
    optical = local.open_source(opts, "s2", ("B4",))
    scenes = optical.scenes(grid, "2020-11-01", "2021-11-01")
    assert [s.time for s in scenes] == [
        f"20{m // 12:02d}-{m % 12 + 1:02d}-01" for m in range(20 * 12 + 10, 21 * 12 + 10)
    ]
    read = np.stack([pixels.bands[0] for pixels in optical.read(scenes, grid)])
    assert (read[1:3] == 0).all()  # the winter months hold nothing
    assert np.array_equal(read, np.where(red == 65_535, 0, np.maximum(red, 1)))
    radar = local.open_source(opts, "s1", ("VV",))
    scenes = radar.scenes(grid, "2020-11-01", "2021-11-01")
    read = np.stack([pixels.bands[0] for pixels in radar.read(scenes, grid)])
    assert np.allclose(read, 20 * np.log10(vv.astype("f8")) - 83, atol=1e-5)


def test_worldcereal_points(tmp_path):
    """Every file holds one point's month, on a square of its own that its ROI fills."""
    import pyarrow.parquet as pq

    source_file = DATA / "worldcereal/test_public_extractions.parquet"
    given = ["worldcereal_points", str(source_file), str(tmp_path)]
    assert script("convert_series").main(given) == 0
    rows = {row["sample_id"]: row for row in pq.read_table(source_file).to_pylist()}
    with (ROIS / "worldcereal_points.csv").open() as file:
        rois = list(csv.DictReader(file))
    assert len(rois) == len(list(tmp_path.glob("20170301/*.tif"))) == 402
    first = rows["2017_SSD_ESA-project-Sen2Agri_POLY_111_218"]
    assert rois[0]["crop"] == first["sampling_label"]
    with rasterio.open(tmp_path / "20170301/p000.tif") as raster:
        values = raster.read()
        assert raster.bounds.left % 60 == raster.bounds.top % 60 == 0
        to_utm = Transformer.from_crs(4326, raster.crs, always_xy=True)
        x, y = to_utm.transform(float(rois[0]["lon"]), float(rois[0]["lat"]))
        assert (x, y) == pytest.approx((raster.bounds.left + 30, raster.bounds.bottom + 30), abs=1)
        x, y = to_utm.transform(first["lon"], first["lat"])
        assert raster.bounds.left <= x < raster.bounds.right
        assert raster.bounds.bottom <= y < raster.bounds.top
    assert (values == values[:, :1, :1]).all()
    assert values[0, 0, 0] == first["OPTICAL-B02-ts3-10m"]
    assert values[-1, 0, 0] == first["SAR-VH-ts3-20m"]


def test_slovenia_labels(tmp_path):
    source = DATA / "eolearn_slovenia"
    assert script("convert_series").main(["slovenia", str(source), str(tmp_path)]) == 0
    cover = np.load(source / "TestEOPatch/mask_timeless/LULC.npy")[..., 0]
    with rasterio.open(tmp_path / "land_cover.tif") as raster:
        assert np.array_equal(raster.read(1), cover)
        assert raster.nodata == 0
    with rasterio.open(tmp_path / "forest.tif") as raster:
        forest = raster.read(1)
    assert np.isnan(forest[cover == 0]).all()
    assert (forest[cover > 0] == (cover[cover > 0] == 2)).all()


def test_treesat_dates_and_orbits(tmp_path):
    source_file = next(DATA.glob("treesat_patch/*.h5"))
    assert script("convert_series").main(["treesat", str(source_file), str(tmp_path)]) == 0
    opts = options("treesat", tmp_path)
    (grid,) = grids("treesat").values()
    optical = local.open_source(opts, "s2", ("B2", "B12"))
    scenes = optical.scenes(grid, "2020-01-01", "2021-01-01")
    with h5py.File(source_file) as data:
        products = sorted((p.decode() for p in data["sen-2-products"][:]), key=lambda p: p[11:26])
        assert [s.id for s in scenes] == products
    found = {}
    for orbit in ("ascending", "descending", "any"):
        source = local.open_source(opts, "s1", ("VV", "VH"), orbit)
        found[orbit] = source.scenes(grid, "2020-01-01", "2021-01-01")
    assert {orbit: len(scenes) for orbit, scenes in found.items()} == {
        "ascending": 60,
        "descending": 86,
        "any": 146,
    }
    pixels = next(source.read(found["any"], grid))
    assert -20 < np.nanmedian(pixels.bands[0]) < 0


def test_jpeg_2000(tmp_path):
    layout = tmp_path / "layout.yaml"
    layout.write_text("s2:\n  files: 's2_(?P<band>B\\w+)\\.jp2'\n  date: 2016-01-12\n")
    opts = {"path": str(DATA / "sentinel2_l1c_virginia"), "layout": str(layout)}
    assert local.available_bands(opts, "s2") == (
        "B1",
        "B5",
        "B6",
        "B7",
        "B8A",
        "B9",
        "B10",
        "B11",
        "B12",
    )
    source = local.open_source(opts, "s2", ("B11", "B1"))
    grid = Grid("EPSG:32618", 440_040.0, 4_175_040.0, 20.0, 90, 90)
    scenes = source.scenes(grid, "2016-01-01", "2017-01-01")
    (pixels,) = source.read(scenes, grid)
    for file, values in zip(("s2_B11", "s2_B1"), pixels.bands, strict=True):
        name = "s2_B01" if file == "s2_B1" else file
        with rasterio.open(DATA / f"sentinel2_l1c_virginia/{name}.jp2") as raster:
            x, y = 440_050 + 20 * np.arange(90), 4_175_030 - 20 * np.arange(90)
            columns = ((x - raster.transform.c) // raster.res[0]).astype(int)
            rows = ((raster.transform.f - y) // raster.res[1]).astype(int)
            assert np.array_equal(values, raster.read(1)[np.ix_(rows, columns)])


def test_roi_tables_are_in_step_with_the_data(tmp_path):
    script("make_data_rois").main(DATA, tmp_path)
    for path in tmp_path.glob("*.csv"):
        with path.open() as made, (ROIS / path.name).open() as kept:
            assert list(csv.reader(made)) == list(csv.reader(kept)), path.name


@pytest.mark.parametrize("name", ["bigearthnet", "slovenia", "worldcereal", "treesat"])
def test_studies_name_what_is_there(name):
    study = yaml.safe_load((STUDIES / f"{name}.yaml").read_text())
    assert (REPOSITORY / study["rois"]).is_file()
    assert (REPOSITORY / study["base"]["local"]["layout"]).is_file()
