"""Provider `local` against rasterio and numpy, on small rasters made here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.warp import reproject

from rsweep.core import digests
from rsweep.core.errors import RoiError, SourceError, StudyError
from rsweep.core.grid import Grid, roi_grid
from rsweep.core.roi import Roi
from rsweep.sources import local
from rsweep.sources.local.layout import parse_layout
from rsweep.sources.outline import to_lonlat, touches

GRID = Grid("EPSG:32633", 500_040.0, 5_000_040.0, 10.0, 24, 24)
WINDOW = ("2022-06-01", "2022-07-01")
LAYOUT = r"""
s2:
  files: '(?P<scene>(?P<date>\d{8}).*)_(?P<band>B\w+)\.tif'
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    """Every test sees its own folder and its own cache of digests."""
    monkeypatch.setattr(digests, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(digests, "_memory", {})
    local.open_folder.cache_clear()
    local._held.cache_clear()


def write(
    path: Path,
    values,
    x=500_040,
    y=5_000_040,
    pixel=10,
    crs="EPSG:32633",
    nodata=None,
    names=None,
    **options,
):
    """One raster of [H, W] or [C, H, W] values with its top-left corner at x, y."""
    values = np.asarray(values)
    values = values[None] if values.ndim == 2 else values
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=values.dtype,
        crs=crs,
        transform=Affine(pixel, 0, x, 0, -pixel, y),
        nodata=nodata,
        **options,
    ) as raster:
        raster.write(values)
        if names:
            raster.descriptions = names
    return path


def ramp(height=24, width=24, start=1, dtype="uint16"):
    return (start + np.arange(height * width).reshape(height, width)).astype(dtype)


def options(root: Path, layout: str = LAYOUT, **more) -> dict:
    local.open_folder.cache_clear()
    local._held.cache_clear()
    (root / "layout.yaml").write_text(layout)
    return {"path": str(root), **more}


def read(opts, bands=("B4",), collection="s2", grid=GRID, window=WINDOW, orbit="any"):
    source = local.open_source(opts, collection, bands, orbit)
    scenes = source.scenes(grid, *window)
    return scenes, list(source.read(scenes, grid))


class TestPixels:
    def test_aligned_file_is_read_as_it_is(self, tmp_path):
        values = ramp()
        write(tmp_path / "20220603_B04.tif", values)
        scenes, (pixels,) = read(options(tmp_path))
        assert np.array_equal(pixels.bands[0], values)
        assert pixels.bands.dtype == np.uint16
        assert [(s.id, s.time, s.gain, s.offset) for s in scenes] == [
            ("20220603", "2022-06-03", 1.0, 0.0)
        ]

    def test_bands_of_coarser_pixels_are_repeated(self, tmp_path):
        coarse, coarser = ramp(12, 12), ramp(4, 4)
        write(tmp_path / "20220603_B04.tif", ramp())
        write(tmp_path / "20220603_B05.tif", coarse, pixel=20)
        write(tmp_path / "20220603_B01.tif", coarser, pixel=60)
        _, (pixels,) = read(options(tmp_path), ("B1", "B5", "B4"))
        assert np.array_equal(pixels.bands[0], coarser.repeat(6, 0).repeat(6, 1))
        assert np.array_equal(pixels.bands[1], coarse.repeat(2, 0).repeat(2, 1))
        assert np.array_equal(pixels.bands[2], ramp())

    @pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
    def test_another_zone(self, tmp_path, resampling):
        values = np.random.default_rng(0).integers(1, 9000, (120, 120)).astype("uint16")
        # 12° east is the western edge of zone 33 and the eastern one of zone 32.
        grid = Grid("EPSG:32633", 263_040.0, 5_000_040.0, 10.0, 24, 24)
        path = write(
            tmp_path / "20220603_B04.tif", values, 734_700, 5_000_200, crs="EPSG:32632", nodata=0
        )
        _, (pixels,) = read(options(tmp_path, resampling=resampling), grid=grid)
        with rasterio.open(path) as raster:
            expected = np.zeros((24, 24), "uint16")
            reproject(
                rasterio.band(raster, 1),
                expected,
                dst_transform=Affine(*grid.transform),
                dst_crs=grid.crs,
                dst_nodata=0,
                tolerance=0,
                XSCALE=1,
                YSCALE=1,
                resampling=rasterio.enums.Resampling[resampling],
            )
        assert (expected > 0).all()
        # A millionth of a pixel may round a value to its neighbour.
        assert np.abs(pixels.bands[0].astype(int) - expected).max() <= (resampling != "nearest")
        if resampling == "nearest":
            centres = 263_045 + 10 * np.arange(24), 5_000_035 - 10 * np.arange(24)
            x, y = Transformer.from_crs(32633, 32632, always_xy=True).transform(
                *np.meshgrid(*centres)
            )
            rows, columns = (5_000_200 - y) // 10, (x - 734_700) // 10
            assert np.array_equal(pixels.bands[0], values[rows.astype(int), columns.astype(int)])

    def test_average_of_finer_pixels(self, tmp_path):
        values = np.random.default_rng(0).integers(1, 9000, (48, 48)).astype("uint16")
        write(tmp_path / "20220603_B04.tif", values, pixel=5)
        _, (pixels,) = read(options(tmp_path, resampling="average"))
        blocks = values.reshape(24, 2, 24, 2).mean((1, 3))
        assert np.abs(pixels.bands[0] - blocks).max() <= 0.5

    def test_overlapping_rois_agree(self, tmp_path):
        values = np.random.default_rng(0).integers(1, 9000, (120, 120)).astype("uint16")
        write(tmp_path / "20220603_B04.tif", values, 734_700, 5_000_200, crs="EPSG:32632")
        opts = options(tmp_path, resampling="bilinear")
        small = Grid("EPSG:32633", 263_100.0, 4_999_980.0, 10.0, 6, 9)
        large = Grid("EPSG:32633", 263_040.0, 5_000_040.0, 10.0, 60, 60)
        (a,), (b,) = (read(opts, grid=grid)[1] for grid in (small, large))
        assert np.array_equal(a.bands[0], b.bands[0, 6:12, 6:15])

    def test_outside_and_nodata_are_missing(self, tmp_path):
        values = ramp(24, 24, start=100)
        values[3, 4] = 65_535
        values[5, 6] = 0
        write(tmp_path / "20220603_B04.tif", values, x=500_040 + 120, nodata=65_535)
        _, (pixels,) = read(options(tmp_path))
        band = pixels.bands[0]
        assert (band[:, :12] == 0).all()
        assert band[3, 16] == 0
        assert band[5, 18] == 1  # a zero that is not missing moves to the nearest other value
        assert np.array_equal(band[6:, 12:], values[6:, :12])

    def test_nodata_outside_the_type_is_ignored(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        layout = LAYOUT + "  nodata: -9999\n"
        _, (pixels,) = read(options(tmp_path, layout))
        assert np.array_equal(pixels.bands[0], ramp())

    def test_nothing_is_missing_where_the_layout_says_so(self, tmp_path):
        values = ramp()
        values[0, 0] = 0
        write(tmp_path / "20220603_B04.tif", values)
        _, (pixels,) = read(options(tmp_path, LAYOUT + "  nodata: none\n"))
        assert pixels.bands[0, 0, 0] == 1
        assert (pixels.bands > 0).all()

    def test_transparent_pixels_are_missing(self, tmp_path):
        alpha = np.full((24, 24), 255, "uint8")
        alpha[:, :6] = 0
        values = np.stack([ramp(dtype="uint8"), alpha])
        path = write(tmp_path / "20220603.tif", values)
        with rasterio.open(path, "r+") as raster:
            raster.colorinterp = [rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.alpha]
        _, (pixels,) = read(
            options(tmp_path, "s2:\n  files: '(?P<date>\\d{8})\\.tif'\n  bands: [B4]")
        )
        assert (pixels.bands[0, :, :6] == 0).all()
        assert (pixels.bands[0, 1, 7:] == values[0, 1, 7:]).all()

    def test_float_reflectance_is_converted(self, tmp_path):
        values = np.linspace(0.0, 0.9, 576).reshape(24, 24).astype("float32")
        values[0, 5] = np.nan
        values[0, 6] = -0.01
        write(tmp_path / "20220603_B04.tif", values)
        (scene,), (pixels,) = read(options(tmp_path, LAYOUT + "  unit: reflectance\n"))
        assert (scene.gain, scene.offset) == (1.0, 0.0)
        expected = np.clip(np.rint(values.astype("f8") * 10_000), 1, 65_535)
        expected[0, 5] = expected[0, 0] = 0  # NaN, and the sensor's own nodata
        assert np.array_equal(pixels.bands[0], np.where(values == 0, 0, np.nan_to_num(expected)))

    def test_integers_keep_their_values_and_the_scene_says_the_scale(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        layout = LAYOUT + "  unit: reflectance\n  gain: 0.0000275\n  offset: -0.2\n"
        (scene,), (pixels,) = read(options(tmp_path, layout))
        assert scene.gain == pytest.approx(0.275)
        assert scene.offset == pytest.approx(-2000)
        assert np.array_equal(pixels.bands[0], ramp())

    @pytest.mark.parametrize(
        "unit, offset, formula",
        [
            ("dB", 0, lambda v: v),
            ("linear", 0, lambda v: 10 * np.log10(v)),
            ("amplitude", -83, lambda v: 20 * np.log10(v) - 83),
        ],
    )
    def test_backscatter_becomes_decibel(self, tmp_path, unit, offset, formula):
        values = np.random.default_rng(1).gamma(2.0, 0.1, (24, 24)).astype("float32")
        values[2, 2] = np.nan
        write(tmp_path / "20220603_VV.tif", values)
        layout = f"""
s1:
  files: '(?P<date>\\d{{8}})_(?P<band>V.)\\.tif'
  unit: {unit}
  offset: {offset}
"""
        _, (pixels,) = read(options(tmp_path, layout), ("VV",), "s1")
        assert np.allclose(pixels.bands[0], formula(values.astype("f8")), rtol=1e-6, equal_nan=True)
        assert np.isnan(pixels.bands[0, 2, 2])

    def test_files_of_one_scene_are_mosaicked_in_name_order(self, tmp_path):
        layout = "s2:\n  files: 't\\d_(?P<scene>(?P<date>\\d{8}))_(?P<band>B\\w+)\\.tif'\n"
        first = ramp()
        first[0, 0] = 0
        write(tmp_path / "t1_20220603_B04.tif", first, x=500_040 - 120)
        write(tmp_path / "t2_20220603_B04.tif", ramp(start=2000))
        scenes, (pixels,) = read(options(tmp_path, layout))
        assert len(scenes) == 1
        assert np.array_equal(pixels.bands[0, :, :12], first[:, 12:])
        assert np.array_equal(pixels.bands[0, :, 12:], ramp(start=2000)[:, 12:])

    def test_two_tiles_of_one_date_stay_two_scenes(self, tmp_path):
        write(tmp_path / "20220603_T1_B04.tif", ramp(), x=500_040 - 120)
        write(tmp_path / "20220603_T2_B04.tif", ramp(), x=500_040 + 120)
        write(tmp_path / "20220602_T9_B04.tif", ramp())
        scenes, pixels = read(options(tmp_path))
        assert [s.id for s in scenes] == ["20220602_T9", "20220603_T1", "20220603_T2"]
        assert (pixels[1].bands[0, :, 12:] == 0).all()
        assert (pixels[2].bands[0, :, :12] == 0).all()

    def test_order_of_reading_is_the_caller_s(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        write(tmp_path / "20220604_B04.tif", ramp(start=900))
        source = local.open_source(options(tmp_path), "s2", ("B4",))
        later, earlier = source.read(source.scenes(GRID, *WINDOW)[::-1], GRID)
        assert later.bands[0, 0, 0] == 900
        assert earlier.bands[0, 0, 0] == 1


class TestLayouts:
    def test_bands_by_number_and_by_description(self, tmp_path):
        values = np.stack([ramp(), ramp(start=1000)])
        write(tmp_path / "20220603.tif", values, names=("NIR", "RED"))
        for bands in ("[B8, B4]", "{B8: NIR, B4: RED}", "{B4: 2, B8: 1}"):
            layout = f"s2:\n  files: '(?P<date>\\d{{8}})\\.tif'\n  bands: {bands}\n"
            opts = options(tmp_path, layout)
            _, (pixels,) = read(opts, ("B4", "B8"))
            assert np.array_equal(pixels.bands, values[::-1])
            assert local.available_bands(opts, "s2") == ("B4", "B8")

    def test_quality_layers(self, tmp_path):
        classes = np.full((12, 12), 4, "uint8")
        classes[0, 0] = 9
        clouds = np.linspace(0, 1, 576).reshape(24, 24).astype("float32")
        write(tmp_path / "20220603_B04.tif", ramp())
        write(tmp_path / "20220603_SCL.tif", classes, pixel=20)
        write(tmp_path / "clouds/20220603.tif", clouds, nodata=-1)
        write(tmp_path / "20220613_B04.tif", ramp())
        layout = (
            LAYOUT.replace("B\\w+", "B\\w+|SCL")
            + """
  quality:
    scl: {band: SCL, values: {4: 5}}
    cloud: {files: 'clouds/(?P<scene>\\d{8})\\.tif', gain: 100}
"""
        )
        scenes, (first, second) = read(options(tmp_path, layout, resampling="cubic"))
        expected = np.where(classes == 4, 5, 9).repeat(2, 0).repeat(2, 1)
        assert np.array_equal(first.quality["scl"], expected)
        assert np.array_equal(first.quality["cloud"], np.rint(clouds * 100))
        assert (second.quality["scl"] == 0).all()
        assert (second.quality["cloud"] == 255).all()
        assert scenes[1].properties["quality_missing"] == ["scl", "cloud"]

    def test_orbit_from_the_name(self, tmp_path):
        layout = r"""
s1:
  files: '(?P<orbit>[AD])_(?P<scene>(?P<date>\d{8}))_(?P<band>V.)\.tif'
  orbit: {A: ascending, D: descending}
"""
        write(tmp_path / "A_20220603_VV.tif", ramp(dtype="float32"))
        write(tmp_path / "D_20220604_VV.tif", ramp(dtype="float32"))
        opts = options(tmp_path, layout)
        scenes, _ = read(opts, ("VV",), "s1", orbit="descending")
        assert [(s.id, s.properties["orbit"]) for s in scenes] == [("20220604", "descending")]
        assert len(read(opts, ("VV",), "s1")[0]) == 2

    def test_sidecar_tells_the_cloud_share(self, tmp_path):
        write(tmp_path / "20220603.tif", ramp())
        (tmp_path / "20220603.json").write_text('{"CLOUDS": 12.5, "PB": "05.00"}')
        layout = """
s2:
  files: '(?P<date>\\d{8})\\.tif'
  bands: [B4]
  sidecar: {cloud_pct: CLOUDS, baseline: PB}
"""
        (scene,), _ = read(options(tmp_path, layout))
        assert scene.cloud_pct == 12.5
        assert scene.properties["baseline"] == "05.00"

    @pytest.mark.parametrize(
        "text, form, expected",
        [
            ("20220603", None, "2022-06-03"),
            ("2022-06-03", None, "2022-06-03"),
            ("20220603T102030", None, "2022-06-03T10:20:30Z"),
            ("2022154", None, "2022-06-03"),
            ("202206", None, "2022-06-01"),
            ("03Jun2022", "%d%b%Y", "2022-06-03"),
        ],
    )
    def test_dates(self, text, form, expected):
        layout = {"s2": {"files": "(?P<date>.*)", "date_format": form}}
        sections, problems = parse_layout(layout, "l")
        assert not problems
        assert sections["s2"].parse_date(text) == expected

    def test_one_date_for_all_files(self, tmp_path):
        write(tmp_path / "s2_B04.tif", ramp())
        layout = "s2:\n  files: 's2_(?P<band>B\\w+)\\.tif'\n  date: 2022-06-03\n"
        (scene,), _ = read(options(tmp_path, layout))
        assert (scene.id, scene.time) == ("s2", "2022-06-03")


class TestProblems:
    def problems(self, root, layout=LAYOUT):
        return [str(p) for p in local.check(options(root, layout), "study.yaml: local")]

    def test_good_folder_has_none(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        assert self.problems(tmp_path) == []

    def test_path(self, tmp_path):
        assert "is missing" in str(local.check({}, "w")[0])
        assert "not a folder" in str(local.check({"path": str(tmp_path / "x")}, "w")[0])

    def test_layout_file(self, tmp_path):
        (found,) = local.check({"path": str(tmp_path)}, "w")
        assert "layout.yaml" in str(found)
        assert "is not YAML" in self.problems(tmp_path, "s2: [")[0]

    @pytest.mark.parametrize(
        "layout, said",
        [
            ("[]", "is empty"),
            ("s3: {}", "is no sensor; expected s2"),
            ("s2: {files: '(?P<date>x', bandz: 1}", "did you mean 'bands'"),
            ("s2: {files: '(?P<date>x'}", "is not a regular expression"),
            ("s2: {files: 'x'}", "has no group (?P<date>…)"),
            ("s2: {files: '(?P<date>x)', bands: [B44]}", "is no band of the sensor"),
            ("s2: {files: '(?P<date>x)(?P<band>y)', bands: {B4: 1}}", "has a group `band`"),
            ("s2: {files: '(?P<date>x)', unit: linear}", "allowed: reflectance x 10000"),
            ("s2: {files: '(?P<date>x)', gain: ten}", "expected a number"),
            ("s2: {files: '(?P<date>x)', date: soon}", "has 0 digits"),
            ("s1: {files: '(?P<date>x)', orbit: {A: up}}", "allowed: ascending, descending"),
            ("s2: {files: '(?P<date>x)', quality: {fog: {band: 1}}}", "is no quality layer"),
            ("s2: {files: '(?P<date>x)', quality: {scl: {files: x}}}", "has no group (?P<scene>"),
        ],
    )
    def test_layout_contents(self, tmp_path, layout, said):
        assert any(said in text for text in self.problems(tmp_path, layout))

    def test_no_file_matches(self, tmp_path):
        (tmp_path / "notes.txt").write_text("")
        (found,) = self.problems(tmp_path)
        assert "matches none of the" in found

    def test_dates_that_do_not_read(self, tmp_path):
        write(tmp_path / "20221345_B04.tif", ramp())
        (found,) = self.problems(tmp_path)
        assert "20221345_B04.tif" in found
        assert "does not read" in found

    def test_quality_of_no_scene(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        write(tmp_path / "q/x20220603.tif", ramp())
        layout = LAYOUT + "  quality: {cloud: {files: 'q/(?P<scene>.*)\\.tif'}}\n"
        (found,) = self.problems(tmp_path, layout)
        assert "belongs to no scene" in found

    def test_opening(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        opts = options(tmp_path)
        with pytest.raises(SourceError, match="no section s1; it has s2"):
            local.open_source(opts, "s1", ("VV",))
        with pytest.raises(SourceError, match="no s2 scene of orbit ascending; there are: unknown"):
            local.open_source(opts, "s2", ("B4",), "ascending")
        with pytest.raises(SourceError, match="is not a folder"):
            local.identity({"path": str(tmp_path / "x")}, "s2")
        with pytest.raises(StudyError, match="is no sensor"):
            local.identity(options(tmp_path, "s9: {}"), "s2")


class TestRoiErrors:
    def test_far_away(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp(), y=5_100_040)
        with pytest.raises(RoiError, match=r"touches the ROI at 15.*99\.\d km away.*longitudes 15"):
            read(options(tmp_path))

    def test_an_edge_in_common_is_not_enough(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp(), x=500_040 + 240)
        with pytest.raises(RoiError, match="nearest is 0"):
            read(options(tmp_path))

    def test_no_scene_in_the_window(self, tmp_path):
        write(tmp_path / "20220703_B04.tif", ramp())
        write(tmp_path / "20220701_B04.tif", ramp())  # the end is not in the window
        with pytest.raises(RoiError, match="has 2 here, from 2022-07-01 to 2022-07-03"):
            read(options(tmp_path))

    def test_a_band_is_missing(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        write(tmp_path / "20220613_B04.tif", ramp())
        write(tmp_path / "20220613_B08.tif", ramp())
        with pytest.raises(RoiError, match="scene 20220603 has no band B8; it has B4"):
            read(options(tmp_path), ("B4", "B8"))

    def test_a_truncated_file(self, tmp_path):
        noise = np.random.default_rng(0).integers(1, 9999, (1024, 1024)).astype("uint16")
        path = write(
            tmp_path / "20220603_B04.tif",
            noise,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            compress="deflate",
        )
        path.write_bytes(path.read_bytes()[:-900_000])
        opts = options(tmp_path)
        read(opts)  # the first blocks are there
        last = Grid(GRID.crs, GRID.x0 + 9_000, GRID.y0 - 9_000, 10, 24, 24)
        with pytest.raises(RoiError, match=r"20220603_B04\.tif cannot be read: .*B04.tif, band 1"):
            read(opts, grid=last)

    def test_a_file_that_is_no_raster(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        (tmp_path / "20220613_B04.tif").write_bytes(b"no tiff")
        opts = options(tmp_path)
        with pytest.raises(RoiError, match=r"20220613_B04\.tif cannot be opened"):
            read(opts)
        assert len(read(opts, window=("2022-06-01", "2022-06-10"))[1]) == 1

    def test_a_broken_band_stops_the_rois_that_its_scene_touches(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        (tmp_path / "20220603_B08.tif").write_bytes(b"no tiff")
        opts = options(tmp_path)
        with pytest.raises(RoiError, match=r"20220603_B08\.tif cannot be opened"):
            read(opts, ("B4", "B8"))
        away = Grid(GRID.crs, GRID.x0 + 9_000, GRID.y0, 10, 24, 24)
        with pytest.raises(RoiError, match="no s2 scene touches"):
            read(opts, ("B4", "B8"), grid=away)

    def test_a_file_without_a_place(self, tmp_path):
        with rasterio.open(
            tmp_path / "20220603_B04.tif",
            "w",
            driver="GTiff",
            count=1,
            height=9,
            width=9,
            dtype="uint16",
        ) as raster:
            raster.write(ramp(9, 9)[None])
        with pytest.raises(RoiError, match="is not georeferenced"):
            read(options(tmp_path))

    def test_no_such_description(self, tmp_path):
        write(tmp_path / "20220603.tif", ramp(), names=("RED",))
        layout = "s2:\n  files: '(?P<date>\\d{8})\\.tif'\n  bands: {B4: red}\n"
        with pytest.raises(RoiError, match="no band 'red'; it has 1, with descriptions: RED"):
            read(options(tmp_path, layout))

    def test_a_scene_that_went(self, tmp_path):
        write(tmp_path / "20220603_B04.tif", ramp())
        opts = options(tmp_path)
        scenes, _ = read(opts)
        (tmp_path / "20220603_B04.tif").rename(tmp_path / "20220604_B04.tif")
        local.open_folder.cache_clear()
        source = local.open_source(opts, "s2", ("B4",))
        with pytest.raises(RoiError, match="20220603 is not in the folder"):
            next(source.read(scenes, GRID))


def known(opts, sensor):
    """All that makes a fetch of a folder what it is."""
    held = [asdict(scene) for scene in local.held(opts, sensor)]
    return {**local.identity(opts, sensor), "scenes": held}


def test_a_zone_of_utm_does_not_hold_the_other_side_of_the_world():
    """Its projection folds a grid there, over itself and over rasters that are not near."""
    there = roi_grid(
        Roi("x", {"type": "point", "lon": 115.0, "lat": 0.0, "buffer_m": 181.0}), 10, 0
    )[0]
    x, y = Transformer.from_crs(4326, 32633, always_xy=True).transform(115.0, 0.0)
    assert not touches((x - 5000, y - 5000, x + 5000, y + 5000), "EPSG:32633", there)


class TestIdentity:
    @pytest.fixture
    def folder(self, tmp_path):
        root = tmp_path / "data"
        write(root / "20220603_B04.tif", ramp())
        write(root / "20220613_B04.tif", ramp())
        return root

    def test_same_content_elsewhere_is_the_same(self, folder, tmp_path):
        here = known(options(folder), "s2")
        shutil.copytree(folder, tmp_path / "elsewhere")
        assert known(options(tmp_path / "elsewhere"), "s2") == here
        assert str(tmp_path) not in json.dumps(here)

    def test_what_a_layout_calls_things_does_not_matter(self, folder):
        here = known(options(folder), "s2")
        other = LAYOUT.replace(r"\d{8}", "[0-9]{8}") + "  bands: {B4: B04}  # and a comment\n"
        assert known(options(folder, other), "s2") == here

    @pytest.mark.parametrize("line", ["gain: 2", "offset: -1", "nodata: 5", "unit: reflectance"])
    def test_how_values_are_read_matters(self, folder, line):
        here = known(options(folder), "s2")
        assert known(options(folder, LAYOUT + f"  {line}\n"), "s2") != here

    def test_resampling_matters(self, folder):
        opts = options(folder)
        bilinear = known({**opts, "resampling": "bilinear"}, "s2")
        assert bilinear != known(opts, "s2")
        assert known({**opts, "resampling": "auto"}, "s2") == known(opts, "s2")

    def test_content_matters_and_the_other_sensor_s_does_not(self, folder):
        both = LAYOUT + "s1:\n  files: 'r_(?P<date>\\d{8})_(?P<band>V.)\\.tif'\n"
        write(folder / "r_20220603_VV.tif", ramp(dtype="float32"))
        before = known(options(folder, both), "s2")
        write(folder / "r_20220603_VV.tif", ramp(start=2, dtype="float32"))
        assert known(options(folder, both), "s2") == before
        write(folder / "20220613_B04.tif", ramp(start=2))
        assert known(options(folder, both), "s2") != before

    def test_second_parse_only_stats(self, folder, monkeypatch):
        monkeypatch.setattr(digests, "_SETTLED_NS", 0)
        for path in folder.iterdir():
            os.utime(path, (1_600_000_000, 1_600_000_000))
        here = known(options(folder), "s2")
        monkeypatch.setattr(digests, "_memory", {})  # another process
        monkeypatch.setattr(digests, "sha256_file", lambda path: pytest.fail(f"hashes {path}"))
        assert known(options(folder), "s2") == here

    def test_a_file_just_written_is_hashed_again(self, folder):
        known(options(folder), "s2")
        path = folder / "20220603_B04.tif"
        stat = path.stat()
        before = known(options(folder), "s2")
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert known(options(folder), "s2") != before

    def test_a_file_replaced_with_the_same_size_and_time_is_hashed_again(self, folder):
        path = folder / "20220603_B04.tif"
        for file in folder.iterdir():
            os.utime(file, (1_600_000_000, 1_600_000_000))
        before = known(options(folder), "s2")
        other = folder.parent / "other.tif"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        other.write_bytes(bytes(data))
        os.utime(other, (1_600_000_000, 1_600_000_000))
        other.replace(path)
        assert known(options(folder), "s2") != before

    def test_scenes_say_where_and_when_they_are(self, folder):
        (one, two) = local.held(options(folder), "s2")
        assert (one.id, one.start, one.end) == ("20220603", "2022-06-03", "2022-06-03")
        ((west, south, east, north),) = one.boxes
        assert (west, south) < to_lonlat(GRID) < (east, north)
        assert one.within("2022-06-01", "2022-06-04")
        assert not one.within("2022-06-04", "2022-07-01")
        assert one.digest != two.digest  # of the same pixels on other days

    def test_a_scene_with_a_file_that_does_not_open_may_lie_anywhere(self, folder):
        (folder / "20220603_B8.tif").write_text("no raster")
        assert [len(scene.boxes) for scene in local.held(options(folder), "s2")] == [0, 1]

    def test_the_sources_of_a_virtual_raster_matter(self, folder, tmp_path):
        vrt = r"s2:\n  files: '(?P<date>\d{8})_(?P<band>B\w+)\.vrt'\n".replace("\\n", "\n")
        (tmp_path / "vrt").mkdir()
        for name, of in (("20220603_B04.vrt", "mid.vrt"), ("mid.vrt", "../data/20220603_B04.tif")):
            (tmp_path / "vrt" / name).write_text(
                '<VRTDataset rasterXSize="24" rasterYSize="24"><SRS>EPSG:32633</SRS>'
                "<GeoTransform>500040,10,0,5000040,0,-10</GeoTransform>"
                '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
                f'<SourceFilename relativeToVRT="1">{of}</SourceFilename>'
                "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
            )
        opts = options(tmp_path / "vrt", vrt)
        before = known(opts, "s2")
        assert "20220603_B04.tif" in [path.name for path in local.planning_reads(opts)]
        (scene,), (pixels,) = read(opts)
        assert np.array_equal(pixels.bands[0], ramp())
        write(folder / "20220603_B04.tif", ramp(start=7))
        assert known(options(tmp_path / "vrt", vrt), "s2") != before
        (changed,), _ = read(options(tmp_path / "vrt", vrt))
        assert changed.properties["sha256"] != scene.properties["sha256"]

    def test_a_cache_that_cannot_be_written_is_done_without(self, folder, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setattr(digests, "CACHE", tmp_path / "file/cache")
        assert known(options(folder), "s2")["scenes"][0]["boxes"]

    def test_planning_imports_no_rasterio_once_it_has_seen_the_files(self, folder, monkeypatch):
        opts = options(folder)
        monkeypatch.setattr(digests, "_SETTLED_NS", 0)
        monkeypatch.setattr(digests, "CACHE", folder / ".snakemake/rsweep")
        known(opts, "s2")
        code = f"""
import sys
from rsweep.sources import local
assert not local.check({opts!r}, "w")
local.identity({opts!r}, "s2"), local.held({opts!r}, "s2")
assert not {{"rasterio", "pyproj", "torch", "pystac"}} & set(sys.modules), sys.modules
"""
        subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_walk_follows_links_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.tif").write_text("x")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    assert [f.path for f in digests.walk(tmp_path)] == ["a/x.tif"]


def test_identity_uses_the_data_through_a_relative_path(tmp_path, monkeypatch):
    write(tmp_path / "data/20220603_B04.tif", ramp())
    absolute = known(options(tmp_path / "data"), "s2")
    monkeypatch.chdir(tmp_path)
    assert known({"path": "data"}, "s2") == absolute


class TestBaselines:
    """Sentinel-2's offset of -1000, which some scenes of a folder have."""

    NAMES = r"""
s2:
  files: 'S2A_MSIL2A_(?P<date>\d{8}T\d{6})_N\d{4}_(?P<scene>R\d+_\w+)\.tif'
  bands: [B4]
"""

    def scenes(self, root, layout, **files):
        for name, value in files.items():
            write(root / f"{name}.tif", np.full((24, 24), value, "uint16"), nodata=0)
        scenes, pixels = read(options(root, layout), window=("2022-01-01", "2023-01-01"))
        return {
            s.id: float(p.bands[0, 0, 0] * s.gain + s.offset)
            for s, p in zip(scenes, pixels, strict=True)
        }

    def test_names_of_products_tell(self, tmp_path):
        found = self.scenes(
            tmp_path,
            self.NAMES,
            S2A_MSIL2A_20220110T101031_N0301_R022_a=800,
            S2A_MSIL2A_20220301T101031_N0400_R022_b=1800,
            S2A_MSIL2A_20220401T101031_N0510_R022_c=1800,
        )
        assert found == {"R022_a": 800.0, "R022_b": 800.0, "R022_c": 800.0}

    def test_a_layout_s_offset_is_every_scene_s(self, tmp_path):
        found = self.scenes(
            tmp_path, self.NAMES + "  offset: 0\n", S2A_MSIL2A_20220301T101031_N0400_R022_b=800
        )
        assert found == {"R022_b": 800.0}

    @pytest.mark.parametrize(
        "key, told",
        [
            ("baseline: PROCESSING_BASELINE", {"PROCESSING_BASELINE": "04.00"}),
            ("offset: BOA_ADD_OFFSET", {"BOA_ADD_OFFSET": -1000}),
        ],
    )
    def test_metadata_tells(self, tmp_path, key, told):
        layout = f"s2:\n  files: '(?P<date>\\d{{8}})\\.tif'\n  bands: [B4]\n  sidecar: {{{key}}}\n"
        old = {name: "03.01" if isinstance(value, str) else 0 for name, value in told.items()}
        (tmp_path / "20220301.json").write_text(json.dumps(told))
        (tmp_path / "20220110.json").write_text(json.dumps(old))
        found = self.scenes(tmp_path, layout, **{"20220110": 800, "20220301": 1800})
        assert set(found.values()) == {800.0}

    def test_a_group_of_the_pattern_tells(self, tmp_path):
        layout = "s2:\n  files: '(?P<date>\\d{8})_(?P<baseline>\\d{4})\\.tif'\n  bands: [B4]\n"
        found = self.scenes(tmp_path, layout, **{"20220110_0301": 800, "20220301_0400": 1800})
        assert set(found.values()) == {800.0}

    def test_scenes_that_do_not_tell_beside_one_that_has_it_are_an_error(self, tmp_path):
        layout = self.NAMES.replace(r"_N\d{4}_(?P<scene>R\d+_\w+)", r"_(?P<scene>\w+)")
        with pytest.raises(SourceError, match=r"R022_a.*N0400_R022_b has, and nothing tells"):
            self.scenes(
                tmp_path,
                layout,
                S2A_MSIL2A_20220110T101031_R022_a=800,
                S2A_MSIL2A_20220301T101031_N0400_R022_b=1800,
            )
        assert any("nothing tells" in str(p) for p in local.check(options(tmp_path, layout), "x"))

    def test_a_folder_that_tells_nothing_is_as_it_is(self, tmp_path):
        layout = "s2:\n  files: '(?P<date>\\d{8})_?\\w*\\.tif'\n  bands: [B4]\n"
        found = self.scenes(tmp_path, layout, **{"20220110": 800, "20220301_N9999_R1": 800})
        assert set(found.values()) == {800.0}
