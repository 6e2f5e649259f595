"""What pixels become on a coarser grid: the mean of the ground, in power, whoever delivers them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from ee_store import Builder
from pyproj import Transformer
from test_local import options, write
from test_local import read as read_local
from test_stac import C1, make_item
from test_stac import read as read_stac

from rsweep.core.grid import Grid
from rsweep.sources.cog import read_header, read_window
from rsweep.sources.earthengine.client import Client
from rsweep.sources.earthengine.source import EarthEngine
from rsweep.sources.outline import grid_outline, touches, world_width

sys.path.insert(0, str(Path(__file__).parents[2] / "standins"))
from ee_server import serve
from stac_server import StacServer

CRS, X, Y, SIDE = "EPSG:32633", 500_040.0, 5_000_040.0, 240
WINDOW = ("2022-06-01", "2022-07-01")


def grid(scale_m: float, side_m: float = 600, x: float = X, y: float = Y) -> Grid:
    count = int(side_m // scale_m)
    return Grid(CRS, x, y, scale_m, count, count)


def ground(dtype: str = "uint16") -> np.ndarray:
    rng = np.random.default_rng(3)
    if dtype == "uint16":
        values = rng.integers(1, 9000, (SIDE, SIDE)).astype(dtype)
        values[7, 9] = values[30:36, 30:36] = 0  # a missing pixel, and whole missing blocks
        return values
    return (10 * np.log10(rng.gamma(4.4, 0.1 / 4.4, (SIDE, SIDE)))).astype(dtype)


def mean_of(values: np.ndarray, ratio: int, cells: int) -> np.ndarray:
    """Means of blocks over the pixels that are there; NaN where none is."""
    part = values[: cells * ratio, : cells * ratio].astype(float)
    blocks = np.where(part == 0, np.nan, part).reshape(cells, ratio, cells, ratio)
    known = np.isfinite(blocks).sum((1, 3))
    total = np.nansum(blocks, (1, 3))
    return np.divide(total, known, out=np.full(total.shape, np.nan), where=known > 0)


def local_reads(folder, values, sensor, where):
    band = "B4" if sensor == "s2" else "VV"
    write(folder / f"20220603_{band}.tif", values, X, Y, nodata=0 if sensor == "s2" else np.nan)
    layout = f"{sensor}:\n  files: '(?P<date>\\d{{8}})_(?P<band>\\w+)\\.tif'\n"
    (pixels,) = read_local(options(folder, layout), (band,), sensor, where)[1]
    return pixels.bands[0]


def stac_reads(folder, values, sensor, where):
    if sensor == "s1":  # the collection is in power
        values = np.power(10, values.astype("f8") / 10).astype("f4")
        extra = {"collection": "sentinel-1-rtc"}
    else:
        extra = {}
    key = "red" if sensor == "s2" else "vv"
    with StacServer(folder) as server:
        server.items = [make_item(folder, "one", assets={key: values}, x=X, y=Y, **extra)]
        band, collection = ("B4", C1) if sensor == "s2" else ("VV", "sentinel-1-rtc")
        (pixels,) = read_stac(server, (band,), collection, where)[1]
    return pixels.bands[0]


def earthengine_reads(folder, values, sensor, where):
    build = Builder(folder)
    collection = "COPERNICUS/S2_SR_HARMONIZED" if sensor == "s2" else "COPERNICUS/S1_GRD"
    band = "B4" if sensor == "s2" else "VV"
    more = (
        {}
        if sensor == "s2"
        else {"instrumentMode": "IW", "transmitterReceiverPolarisation": ["VV"]}
    )
    codes = {"SCL": np.full(values.shape, 4, values.dtype)} if sensor == "s2" else {}
    build.image(
        f"{collection}/one",
        {band: values, **codes},
        2,
        nodata=0 if sensor == "s2" else np.nan,
        east_m=0,
        crs=CRS,
        **more,
    )
    path = folder / f"{collection}/one.tif"
    with rasterio.open(path, "r+") as raster:
        raster.transform = Affine(10, 0, X, 0, -10, Y)
    server = serve(folder)
    try:
        source = EarthEngine(Client(server.url), collection, [band])
        (pixels,) = source.read(source.scenes(where, *WINDOW), where)
    finally:
        server.close()
    return pixels.bands[0]


PROVIDERS = [local_reads, stac_reads, earthengine_reads]


@pytest.mark.parametrize("ratio", [2, 3, 6])
@pytest.mark.parametrize("reads", PROVIDERS)
def test_reflectance_is_averaged_over_what_is_there(tmp_path, reads, ratio):
    where = grid(10.0 * ratio)
    found = reads(tmp_path, ground(), "s2", where)
    expected = mean_of(ground(), ratio, where.height)
    np.testing.assert_array_equal(found == 0, np.isnan(expected))
    assert np.isnan(expected).any()
    assert np.nanmax(np.abs(found - expected)[~np.isnan(expected)]) <= 0.501


@pytest.mark.parametrize("ratio", [2, 6])
@pytest.mark.parametrize("reads", PROVIDERS)
def test_radar_is_averaged_as_power(tmp_path, reads, ratio):
    where = grid(10.0 * ratio)
    values = ground("float32")
    found = reads(tmp_path, values, "s1", where)
    expected = 10 * np.log10(mean_of(10 ** (values.astype(float) / 10), ratio, where.height))
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("reads", PROVIDERS)
@pytest.mark.parametrize("scale_m", [10.0, 5.0])
def test_pixels_that_do_not_become_coarser_are_the_nearest(tmp_path, reads, scale_m):
    where = grid(scale_m)
    ratio = int(10 / scale_m)
    found = reads(tmp_path, ground(), "s2", where)
    expected = ground().repeat(ratio, 0).repeat(ratio, 1)[: where.height, : where.width]
    np.testing.assert_array_equal(found, expected)


def test_pixels_weigh_by_the_area_that_lies_inside(tmp_path):
    """15 m from 10 m: a whole pixel, half of its neighbours, a quarter of the corner."""
    found = local_reads(tmp_path, ground(), "s2", grid(15.0)).astype(float)
    values = np.where(ground() == 0, np.nan, ground().astype(float))
    expected = mean_of(np.nan_to_num(values.repeat(2, 0).repeat(2, 1)), 3, 40)
    assert np.abs(found - expected)[~np.isnan(expected)].max() <= 0.501


@pytest.mark.parametrize("unit", ["dB", "amplitude", "linear"])
def test_radar_files_of_every_unit_are_averaged_as_power(tmp_path, unit):
    decibel = ground("float32").astype(float)
    raw = {
        "dB": decibel + 3,
        "amplitude": 100 * 10 ** (decibel / 20),
        "linear": 10 ** (decibel / 10),
    }[unit]
    scales = {
        "dB": "offset: -3",
        "amplitude": "unit: amplitude\n  gain: 0.01",
        "linear": "unit: linear",
    }[unit]
    write(tmp_path / "20220603_VV.tif", raw.astype("f4"), X, Y, nodata=np.nan)
    layout = f"s1:\n  files: '(?P<date>\\d{{8}})_(?P<band>\\w+)\\.tif'\n  {scales}\n"
    for scale_m in (10.0, 20.0, 60.0):
        where, ratio = grid(scale_m), int(scale_m // 10)
        (pixels,) = read_local(options(tmp_path, layout), ("VV",), "s1", where)[1]
        expected = 10 * np.log10(mean_of(10 ** (decibel / 10), ratio, where.height))
        np.testing.assert_allclose(pixels.bands[0], expected, atol=1e-4)


def test_classes_are_nearest_and_percentages_averaged(tmp_path):
    rng = np.random.default_rng(0)
    classes = rng.choice([4, 9], (SIDE, SIDE)).astype("u1")
    percent = rng.choice([0, 100, 255], (SIDE, SIDE)).astype("u1")
    write(tmp_path / "20220603_B04.tif", ground(), X, Y, nodata=0)
    write(tmp_path / "20220603_SCL.tif", classes, X, Y)
    write(tmp_path / "20220603_CLD.tif", percent, X, Y)
    layout = r"""
s2:
  files: '(?P<scene>(?P<date>\d{8}))_(?P<band>B\w+)\.tif'
  quality:
    scl: {files: '(?P<scene>\d{8})_SCL\.tif'}
    cloud: {files: '(?P<scene>\d{8})_CLD\.tif'}
"""
    (pixels,) = read_local(options(tmp_path, layout), ("B4",), "s2", grid(60.0))[1]
    assert set(np.unique(pixels.quality["scl"])) == {4, 9}
    blocks = np.where(percent == 255, np.nan, percent.astype(float))[:60, :60]
    mean = np.nanmean(blocks.reshape(10, 6, 10, 6), (1, 3))
    assert np.abs(pixels.quality["cloud"] - mean).max() <= 0.51


@pytest.mark.parametrize("resampling", ["auto", "nearest", "bilinear", "cubic", "average"])
@pytest.mark.parametrize("scale_m", [10.0, 20.0, 7.5])
def test_a_south_up_raster_is_its_north_up_twin(tmp_path, resampling, scale_m):
    values = ground()
    north = write(tmp_path / "n.tif", values, X, Y, nodata=0)
    south = tmp_path / "s.tif"
    with rasterio.open(
        south,
        "w",
        driver="GTiff",
        count=1,
        height=SIDE,
        width=SIDE,
        dtype="uint16",
        crs=CRS,
        nodata=0,
        transform=Affine(10, 0, X, 0, 10, Y - 10 * SIDE),
    ) as raster:
        raster.write(values[::-1], 1)
    where = grid(scale_m, x=X + 60, y=Y - 60)
    one, other = read_header(str(north)), read_header(str(south))
    assert one.bounds == other.bounds
    assert touches(other.bounds, other.crs, where)
    a, b = (read_window(str(path), [1], where, resampling, None) for path in (north, south))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


class TestAntimeridian:
    """A grid in Fiji, on both sides of 180 degrees."""

    @pytest.fixture
    def fiji(self) -> Grid:
        x, y = Transformer.from_crs(4326, 32760, always_xy=True).transform(179.997, -16.8)
        return Grid("EPSG:32760", round(x / 60) * 60.0, round(y / 60) * 60.0, 10.0, 60, 60)

    def test_the_outline_is_in_one_piece(self, fiji):
        for crs, width in (("EPSG:4326", 360), ("EPSG:3857", 40_075_016)):
            assert world_width(crs) == pytest.approx(width, rel=1e-6)
            west, _, east, _ = grid_outline(fiji, crs).bounds
            assert 0 < east - west < width / 1e4
        assert world_width("EPSG:32760") == 0

    @pytest.mark.parametrize("west", [179.9, -180.0, -180.1, 180.0, 179.0])
    def test_a_raster_in_degrees_is_found_and_read(self, tmp_path, fiji, west):
        """One that ends at 180, one that begins at -180, and ones that go past either."""
        side = 1e-4
        columns = 1000 if west != 179.0 else 10_000
        values = np.arange(1, 101, dtype="uint16").repeat(columns // 100)[None].repeat(1000, 0)
        path = tmp_path / "20220603_B04.tif"
        write(path, values, west, -16.75, pixel=side, crs="EPSG:4326", nodata=0)
        header = read_header(str(path))
        assert touches(header.bounds, header.crs, fiji)
        layout = "s2:\n  files: '(?P<date>\\d{8})_(?P<band>\\w+)\\.tif'\n"
        (pixels,) = read_local(options(tmp_path, layout), ("B4",), "s2", fiji)[1]
        centres = fiji.x0 + 10 * (np.arange(60) + 0.5), fiji.y0 - 10 * (np.arange(60) + 0.5)
        lon, lat = Transformer.from_crs(32760, 4326, always_xy=True).transform(
            *np.meshgrid(*centres)
        )
        across = ((lon - west) % 360) / side
        row, column = np.floor((-16.75 - lat) / side).astype(int), np.floor(across).astype(int)
        inside = column < columns
        assert inside.mean() > 0.2
        expected = np.where(inside, values[row, np.minimum(column, columns - 1)], 0)
        # A centre on the edge of the raster, or of a step of values, may fall on either side.
        sure = np.abs(across / 10 - np.round(across / 10)) > 0.01
        assert sure.mean() > 0.9
        np.testing.assert_array_equal(pixels.bands[0][sure], expected[sure])
