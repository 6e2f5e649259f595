"""Provider `stac`: pystac-client and GDAL against a loopback service, compared with the files."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.warp import transform_bounds

from rsweep.core.accounts import hide_accounts
from rsweep.core.errors import RoiError, SourceError, TransientError
from rsweep.core.grid import Grid
from rsweep.sources import local, stac
from rsweep.sources.outline import to_lonlat
from rsweep.sources.stac import catalogue, offsets, remote, signing
from rsweep.sources.stac.collections import PRESETS, TABLE
from rsweep.sources.stac.items import parse_item, utc_seconds, without_duplicates

sys.path.insert(0, str(Path(__file__).parents[2] / "standins"))
from stac_server import Fault, StacServer

X, Y = 500_040, 5_000_040
GRID = Grid("EPSG:32633", X, Y, 10.0, 48, 48)
WINDOW = ("2022-06-01", "2022-07-01")
C1 = "sentinel-2-c1-l2a"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """No waiting between attempts, and no catalogue from another test."""
    for name, value in (("GDAL_HTTP_MAX_RETRY", 2), ("GDAL_HTTP_RETRY_DELAY", 0.01)):
        monkeypatch.setitem(remote.REMOTE_ENV, name, value)
    monkeypatch.setattr(catalogue, "BACKOFF_S", 0.0)
    stac._catalogue.cache_clear()
    stac._held.cache_clear()


@pytest.fixture
def server(tmp_path):
    with StacServer(tmp_path) as running:
        yield running


def noise(seed: int, side: int = 512, low: int = 1200) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, 9000, (side, side)).astype("uint16")


def fields(low: int) -> np.ndarray:
    """Fields of 32 x 32 pixels, as wide as a pixel of an overview and more."""
    return noise(1, 16, low).repeat(32, 0).repeat(32, 1)


def write_cog(path: Path, values, x=X, y=Y, pixel=10, crs="EPSG:32633", nodata=0) -> Path:
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "dtype": values.dtype,
        "crs": crs,
        "nodata": nodata,
        "transform": Affine(pixel, 0, x, 0, -pixel, y),
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as raster:
            raster.write(values, 1)
        with memory.open() as raster:
            copy_raster(raster, path, driver="COG", compress="DEFLATE", blocksize=128)
    return path


def make_item(
    root: Path,
    name: str,
    time="2022-06-03T10:20:30Z",
    assets=None,
    collection=C1,
    x=X,
    y=Y,
    crs="EPSG:32633",
    href="@BASE@",
    **properties,
) -> dict:
    """An item whose assets are written as COGs under `root`."""
    assets = {"red": noise(1), "scl": noise(2) // 2000} if assets is None else assets
    found, bounds = {}, None
    for key, values in assets.items():
        values = values.astype("uint8") if key.lower() == "scl" else values
        missing = -32768 if values.dtype.kind == "f" else 0
        path = write_cog(root / f"{name}_{key}.tif", values, x, y, crs=crs, nodata=missing)
        with rasterio.open(path) as raster:
            bounds = transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
        found[key] = {"href": f"{href}/{path.name}", "type": "image/tiff"}
    west, south, east, north = bounds or (0, 0, 1, 1)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "bbox": list(bounds or ()),
        "links": [],
        "stac_extensions": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "assets": found,
        "properties": {
            "datetime": time,
            "eo:cloud_cover": 12.5,
            "s2:processing_baseline": "05.09",
            **properties,
        },
    }


def read(server, bands=("B4",), collection=C1, grid=GRID, window=WINDOW, orbit="any", **options):
    source = stac.open_source({"url": server.url, **options}, collection, bands, orbit)
    scenes = source.scenes(grid, *window)
    return scenes, list(source.read(scenes, grid))


class TestPixels:
    def test_equal_to_the_files(self, server, tmp_path):
        colours = {"B2": "blue", "B4": "red", "B8A": "nir08", "B12": "swir22"}
        bands = {key: noise(k) for k, key in enumerate(colours.values())}
        server.items = [
            make_item(
                tmp_path,
                f"day{day}",
                f"2022-06-{day:02d}T10:00:00.025Z",
                {**{key: v + day for key, v in bands.items()}, "scl": noise(9) // 2000},
            )
            for day in (21, 3, 12, 8, 17)
        ]
        scenes, pixels = read(server, tuple(colours))
        assert [s.time for s in scenes] == [
            f"2022-06-{d}T10:00:00Z" for d in ("03", "08", "12", "17", "21")
        ]
        for scene, one in zip(scenes, pixels, strict=True):
            assert (scene.gain, scene.offset, scene.cloud_pct) == (1.0, -1000.0, 12.5)
            assert one.bands.dtype == np.uint16
            for band, values in zip(colours.values(), one.bands, strict=True):
                with rasterio.open(tmp_path / f"{scene.id}_{band}.tif") as raster:
                    assert np.array_equal(values, raster.read(1)[:48, :48])
            with rasterio.open(tmp_path / f"{scene.id}_scl.tif") as raster:
                assert np.array_equal(one.quality["scl"], raster.read(1)[:48, :48])
        pages = [r for r in server.requests if r.path == "/search"]
        assert len(pages) == 3
        files = [r for r in server.requests if r.path.endswith(".tif")]
        assert all(r.method == "GET" for r in files)
        assert not [r for r in server.requests if r.status == 404]

    def test_record_of_a_scene(self, server, tmp_path):
        item = make_item(tmp_path, "one", updated="2024-01-02T03:04:05Z", platform="sentinel-2a")
        item["assets"]["red"]["file:checksum"] = "1220abcd"
        item["properties"]["sat:orbit_state"] = "descending"
        server.items = [item]
        (scene,), _ = read(server)
        assert scene.properties == {
            "collection": C1,
            "baseline": "05.09",
            "offset_applied": False,
            "updated": "2024-01-02T03:04:05Z",
            "platform": "sentinel-2a",
            "orbit": "descending",
            "assets": {"B4": f"{server.url}/one_red.tif", "scl": f"{server.url}/one_scl.tif"},
            "checksums": {"B4": "1220abcd"},
        }
        json.dumps(scene.properties)

    def test_scenes_of_a_lock_are_read_without_a_search(self, server, tmp_path):
        server.items = [make_item(tmp_path, "one")]
        scenes, before = read(server)
        server.items = []
        source = stac.open_source({"url": server.url}, C1, ("B4",))
        (after,) = source.read(scenes, GRID)
        assert np.array_equal(after.bands, before[0].bands)

    def test_zones_are_mixed(self, server, tmp_path):
        # 12° east is between zones 32 and 33: the same ground from both.
        grid = Grid("EPSG:32633", 263_040.0, 5_000_040.0, 10.0, 24, 24)
        here = noise(3)
        server.items = [
            make_item(
                tmp_path,
                "z32",
                "2022-06-03T10:00:00Z",
                {"red": here},
                x=734_700,
                y=5_000_200,
                crs="EPSG:32632",
            ),
            make_item(
                tmp_path, "z33", "2022-06-03T10:00:00Z", {"red": here}, x=263_040, y=5_000_040
            ),
        ]
        scenes, (west, east) = read(server, grid=grid)
        assert [s.id for s in scenes] == ["z32", "z33"]
        assert np.array_equal(east.bands[0], here[:24, :24])
        x, y = np.meshgrid(263_045 + 10 * np.arange(24), 5_000_035 - 10 * np.arange(24))
        x, y = Transformer.from_crs(32633, 32632, always_xy=True).transform(x, y)
        rows, columns = ((5_000_200 - y) // 10).astype(int), ((x - 734_700) // 10).astype(int)
        assert np.array_equal(west.bands[0], here[rows, columns])

    def test_a_ground_that_an_item_covers_in_part(self, server, tmp_path):
        server.items = [make_item(tmp_path, "part", x=X + 240)]
        _, (pixels,) = read(server)
        assert (pixels.bands[0, :, :24] == 0).all()
        assert (pixels.quality["scl"][:, :24] == 0).all()
        assert (pixels.bands[0, :, 24:] > 0).all()

    def test_radar_power_becomes_decibel(self, server, tmp_path):
        power = np.random.default_rng(0).gamma(2, 0.1, (64, 64)).astype("float32")
        power[0, 0] = -32768
        for orbit in ("ascending", "descending"):
            server.items.append(
                make_item(
                    tmp_path,
                    orbit,
                    assets={"vv": power},
                    collection="sentinel-1-rtc",
                    **{"sat:orbit_state": orbit},
                )
            )
        scenes, (pixels,) = read(server, ("VV",), "sentinel-1-rtc", orbit="ascending")
        assert [s.id for s in scenes] == ["ascending"]
        expected = 10 * np.log10(np.where(power > 0, power, np.nan).astype("f8"))[:48, :48]
        assert np.allclose(pixels.bands[0], expected, rtol=1e-6, equal_nan=True)
        assert pixels.quality == {}

    def test_landsat_scale_and_quality_bits(self, server, tmp_path):
        codes = np.full((64, 64), 1 << 6, "uint16")
        codes[0, :4] = 1 << 3, 1 << 4, 1 << 5, 1
        server.items = [
            make_item(
                tmp_path,
                name,
                assets={"red": noise(1, 64), "qa_pixel": codes},
                collection="landsat-c2-l2",
                platform=platform,
            )
            for name, platform in (("eight", "landsat-8"), ("seven", "landsat-7"))
        ]
        (scene,), (pixels,) = read(server, ("B4",), "landsat-c2-l2")
        assert (scene.id, scene.gain, scene.offset) == ("eight", 0.275, -2000.0)
        assert pixels.quality["scl"][0, :5].tolist() == [9, 3, 11, 0, 7]

    def test_quality_that_an_item_lacks(self, server, tmp_path):
        server.items = [make_item(tmp_path, "one", assets={"red": noise(1)})]
        (scene,), (pixels,) = read(server)
        assert scene.properties["quality_missing"] == ["scl"]
        assert (pixels.quality["scl"] == 0).all()

    def test_memory_is_bounded(self, server, tmp_path, monkeypatch):
        server.items = [
            make_item(tmp_path, f"i{k}", f"2022-06-{k + 1:02d}T00:00:00Z", {"red": noise(k, 64)})
            for k in range(8)
        ]
        source = stac.open_source({"url": server.url, "workers": 4}, C1, ("B4",))
        scenes = source.scenes(GRID, *WINDOW)
        opened: list[str] = []
        band = source._band
        monkeypatch.setattr(source, "_band", lambda s, *a: opened.append(s) or band(s, *a))
        next(source.read(scenes, GRID))
        assert len(opened) <= 3  # the one given, and two that keep four workers busy
        monkeypatch.setattr("rsweep.sources.stac.source.AHEAD_BYTES", 0)
        opened.clear()
        next(source.read(scenes, GRID))
        assert len(opened) == 1


class TestListing:
    def test_the_end_is_not_in_the_window(self, server, tmp_path):
        server.items = [
            make_item(tmp_path, "in", "2022-06-01T00:00:00Z"),
            make_item(tmp_path, "out", "2022-07-01T00:00:00Z"),
        ]
        assert [s.id for s in read(server)[0]] == ["in"]

    def test_ties_are_ordered_by_id(self, server, tmp_path):
        when = "2022-06-03T10:00:00Z"
        server.items = [make_item(tmp_path, name, when) for name in ("b", "c", "a")]
        assert [s.id for s in read(server)[0]] == ["a", "b", "c"]

    def test_duplicates_of_a_datatake(self, server, tmp_path):
        def item(name, baseline, datatake="GS2A_20220603T102030_036295", tile="MGRS-33TVL", **more):
            return make_item(
                tmp_path,
                name,
                **more,
                platform="sentinel-2a",
                **{
                    "s2:processing_baseline": baseline,
                    "grid:code": tile,
                    "s2:datatake_id": f"{datatake}_N{baseline}",
                },
            )

        server.items = [
            item("old", "03.01"),
            item("new", "05.10"),
            item("middle", "04.00"),
            item("other_tile", "03.01", tile="MGRS-33TWL"),
            item("other_day", "03.01", datatake="GS2A_20220608T102030_036296"),
            item("second_part", "05.10", x=X + 10 * 300),
        ]
        grid = Grid(GRID.crs, X + 2900, Y, 10, 24, 24)
        scenes, _ = read(server, grid=grid)
        assert {s.id for s in scenes} == {"new", "other_tile", "other_day", "second_part"}
        assert {s.id: s.offset for s in scenes}["other_day"] == 0.0

    def test_made_twice_in_one_baseline(self, tmp_path):
        items = [
            parse_item(make_item(tmp_path, name, **{"grid:code": "MGRS-33TVL", "updated": updated}))
            for name, updated in (("b", "2024-01-01"), ("a", "2024-02-01"))
        ]
        assert [i.id for i in without_duplicates(items)] == ["a"]
        assert [i.id for i in without_duplicates(items[::-1])] == ["a"]

    def test_an_item_beside_the_grid(self, server, tmp_path):
        server.items = [make_item(tmp_path, "there", x=X + 510)]
        with pytest.raises(RoiError, match="no sentinel-2-c1-l2a item touches the ROI at 15"):
            read(server)

    def test_across_the_antimeridian(self, server, tmp_path):
        # Zone 60 ends at 180°: a grid over its edge, an item on either side of it.
        x, y = Transformer.from_crs(4326, 32660, always_xy=True).transform(180.0, -17.0)
        x, y = round(x, -1), round(y, -1)
        grid = Grid("EPSG:32660", x - 1200, y, 10, 48, 240)
        server.items = [
            make_item(
                tmp_path, "west", x=x - 1200, y=y, crs="EPSG:32660", assets={"red": noise(1, 100)}
            ),
            make_item(
                tmp_path, "east", x=x + 200, y=y, crs="EPSG:32660", assets={"red": noise(1, 100)}
            ),
        ]
        scenes, pixels = read(server, grid=grid)
        assert {s.id for s in scenes} == {"west", "east"}
        assert all((p.bands > 0).any() for p in pixels)

    def test_a_band_s_asset_is_missing(self, server, tmp_path):
        server.items = [make_item(tmp_path, "one")]
        with pytest.raises(RoiError, match=r"item one has no asset for band B8 .*has red, scl"):
            read(server, ("B4", "B8"))

    def test_times(self):
        assert utc_seconds("2022-06-03T12:20:30.987+02:00") == "2022-06-03T10:20:30Z"
        assert utc_seconds("2022-06-03") == "2022-06-03T00:00:00Z"
        with pytest.raises(ValueError, match="has no time"):
            parse_item({"id": "x", "properties": {}, "bbox": [0, 0, 1, 1]})


class TestOffsets:
    @pytest.mark.parametrize(
        "baseline, offset", [("02.14", 0.0), ("03.01", 0.0), ("04.00", -1000.0), ("05.11", -1000.0)]
    )
    def test_by_baseline(self, server, tmp_path, baseline, offset):
        server.items = [make_item(tmp_path, "one", **{"s2:processing_baseline": baseline})]
        (scene,), (pixels,) = read(server)
        assert scene.offset == offset
        with rasterio.open(tmp_path / "one_red.tif") as raster:
            assert np.array_equal(pixels.bands[0], raster.read(1)[:48, :48])  # kept raw

    def test_baseline_from_the_product(self, server, tmp_path):
        item = make_item(tmp_path, "one")
        del item["properties"]["s2:processing_baseline"]
        server.items = [item]
        with pytest.raises(RoiError, match="item one does not tell its processing baseline"):
            read(server)
        uri = "S2A_MSIL2A_20220603T102030_N0400_R065_T33TVL_20220603T160000.SAFE"
        item["properties"]["s2:product_uri"] = uri
        assert read(server)[0][0].offset == -1000.0

    @pytest.mark.parametrize(
        "low, applied, offset",
        [(1000, False, -1000.0), (50, True, 0.0), (3000, True, 0.0), (3000, False, -1000.0)],
    )
    def test_flag_agrees_with_pixels(self, server, tmp_path, low, applied, offset):
        dark = {"red": fields(low), "scl": noise(2) // 2000}
        server.items = [
            make_item(
                tmp_path, "one", assets=dark, collection="sentinel-2-l2a", **{offsets.FLAG: applied}
            )
        ]
        (scene,), _ = read(server, collection="sentinel-2-l2a")
        assert (scene.offset, scene.properties["offset_applied"]) == (offset, applied)

    @pytest.mark.parametrize("low, applied", [(1000, True), (50, False)])
    def test_flag_against_pixels_is_refused(self, server, tmp_path, low, applied):
        dark = {"red": fields(low), "scl": noise(2) // 2000}
        server.items = [
            make_item(
                tmp_path, "one", assets=dark, collection="sentinel-2-l2a", **{offsets.FLAG: applied}
            )
        ]
        with pytest.raises(RoiError, match=f"item one: {offsets.FLAG} is {applied}"):
            read(server, collection="sentinel-2-l2a")

    def test_planetary_computer_is_always_raw(self):
        options = {"url": "planetary-computer"}
        assert stac.entry_of(options, "sentinel-2-l2a").baseline == "raw"
        assert stac.entry_of({}, "sentinel-2-l2a").baseline == "flagged"

    def test_too_few_pixels_say_nothing(self):
        assert offsets.judge(np.zeros((50, 50), "uint16")) == "unknown"
        assert offsets.judge(np.full((50, 50), 200, "uint16")) == "applied"


class TestFailures:
    def test_a_truncated_file(self, server, tmp_path):
        server.items = [make_item(tmp_path, "one")]
        path = tmp_path / "one_red.tif"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
        grid = Grid(GRID.crs, X + 4000, Y - 4000, 10, 48, 48)
        with pytest.raises(RoiError, match=r"item one, asset of B4 cannot be read: .*band 1"):
            read(server, grid=grid)

    @pytest.mark.parametrize(
        "status, error", [(403, SourceError), (401, SourceError), (404, RoiError), (410, RoiError)]
    )
    def test_refused_and_gone(self, server, tmp_path, status, error):
        server.items = [make_item(tmp_path, "one")]
        server.faults = [Fault("one_red", status)]
        with pytest.raises(error, match=f"item one, asset of B4.*HTTP {status}"):
            read(server)

    @pytest.mark.parametrize("status", [500, 503, 429, 0])
    def test_a_storm_passes_or_is_transient(self, server, tmp_path, status):
        server.items = [make_item(tmp_path, "one")]
        source = stac.open_source({"url": server.url}, C1, ("B4",))
        scenes = source.scenes(GRID, *WINDOW)
        server.faults = [Fault("one_red", status)]
        with pytest.raises(TransientError, match="item one, asset of B4"):
            list(source.read(scenes, GRID))
        server.faults = []
        (pixels,) = source.read(scenes, GRID)  # GDAL's memory of the failure is not in the way
        with rasterio.open(tmp_path / "one_red.tif") as raster:
            assert np.array_equal(pixels.bands[0], raster.read(1)[:48, :48])
        server.requests.clear()
        server.faults = [Fault("one_scl", 503, times=1)]
        list(source.read(scenes, GRID))

    def test_gdal_tries_again_by_itself(self, server, tmp_path):
        server.items = [make_item(tmp_path, "one")]
        server.faults = [Fault(r"\.tif", 503, times=2), Fault("/search", 502, times=2)]
        _, (pixels,) = read(server)
        assert (pixels.bands > 0).all()
        assert [r.status for r in server.requests].count(503) == 2

    def test_a_storm_in_the_middle_of_a_file(self, server, tmp_path, monkeypatch):
        server.items = [make_item(tmp_path, "one")]
        source = stac.open_source({"url": server.url}, C1, ("B4",))
        scenes = source.scenes(GRID, *WINDOW)

        def storm(path, *rest, **more):
            with rasterio.open(path):
                server.faults = [Fault("one_red", 503)]
            return window(path, *rest, **more)

        window = source.read.__globals__["read_window"]
        monkeypatch.setitem(source.read.__globals__, "read_window", storm)
        with pytest.raises(TransientError):
            list(source.read(scenes, Grid(GRID.crs, X + 4000, Y - 4000, 10, 48, 48)))

    def test_a_slow_server(self, server, tmp_path, monkeypatch):
        for name, value in (("GDAL_HTTP_TIMEOUT", 1), ("GDAL_HTTP_MAX_RETRY", 0)):
            monkeypatch.setitem(remote.REMOTE_ENV, name, value)
        monkeypatch.setattr(remote, "TIMEOUT_S", (1, 1))
        server.items = [make_item(tmp_path, "one")]
        server.faults = [Fault("one_red", delay_s=3)]
        with pytest.raises(TransientError, match="item one, asset of B4: ReadTimeout"):
            read(server)

    def test_a_server_that_is_only_slow_for_gdal(self, server, tmp_path, monkeypatch):
        for name, value in (("GDAL_HTTP_TIMEOUT", 1), ("GDAL_HTTP_MAX_RETRY", 0)):
            monkeypatch.setitem(remote.REMOTE_ENV, name, value)
        server.items = [make_item(tmp_path, "one")]
        server.faults = [Fault("one_red", delay_s=3, times=1)]
        _, (pixels,) = read(server)
        assert (pixels.bands > 0).all()

    @pytest.mark.parametrize(
        "status, error",
        [(503, TransientError), (429, TransientError), (404, SourceError), (401, SourceError)],
    )
    def test_the_search_fails(self, server, tmp_path, monkeypatch, status, error):
        monkeypatch.setattr(catalogue, "RETRIES", 1)
        server.faults = [Fault("/search", status)]
        with pytest.raises(error, match=f"{status}"):
            read(server)

    def test_nobody_answers(self, monkeypatch):
        monkeypatch.setattr(catalogue, "RETRIES", 0)
        source = stac.open_source({"url": "http://127.0.0.1:9"}, C1, ("B4",))
        with pytest.raises(TransientError, match=r"stac: http://127.0.0.1:9"):
            source.scenes(GRID, *WINDOW)

    def test_a_failure_stops_the_reads_behind_it(self, server, tmp_path):
        server.items = [
            make_item(tmp_path, f"i{k}", f"2022-06-{k + 1:02d}T00:00:00Z") for k in range(6)
        ]
        server.faults = [Fault("i0_red", 404)]
        with pytest.raises(RoiError, match="item i0"):
            read(server, workers=1)
        assert not [r for r in server.requests if "i5_" in r.path]


class TestOptions:
    def test_check(self, tmp_path):
        for url in ("earth-search", "planetary-computer", "https://stac.example.org/v1"):
            assert stac.check({"url": url}, "w") == []
        (found,) = stac.check({"url": "earthsearch"}, "study.yaml: stac")
        assert "study.yaml: stac.url" in str(found)

    def test_collections(self):
        with pytest.raises(SourceError, match="earth-search has no collection sentinel-1-rtc"):
            stac.identity({}, "sentinel-1-rtc")
        with pytest.raises(SourceError, match="known: sentinel-2-c1-l2a"):
            stac.identity({"url": "https://x.org"}, "sentinel-3")
        with pytest.raises(SourceError, match="has no band B10"):
            stac.open_source({}, C1, ("B10",))
        assert "B10" not in stac.available_bands({}, C1)
        for preset in PRESETS.values():
            assert set(preset.collections) <= set(TABLE)

    def test_identity(self):
        here = stac.identity({}, C1)
        assert here == stac.identity({"url": "earth-search", "workers": 3}, C1)
        assert here["catalogue"] == "earth-search"
        assert json.loads(json.dumps(here)) == json.loads(json.dumps(stac.identity({}, C1)))
        mirror = stac.identity({"url": "http://10.0.0.1/v1", "name": "earth-search"}, C1)
        assert mirror == here
        other = stac.identity({"url": "https://me:pw@stac.example.org/v1/?key=1"}, C1)
        assert other["catalogue"] == "stac.example.org/v1"
        assert stac.identity({"resampling": "cubic"}, C1) != here


class TestStatic:
    @pytest.fixture
    def folder(self, tmp_path):
        root = tmp_path / "catalogue"
        root.mkdir()
        tree = pystac.Catalog("mine", "a catalogue of one's own")
        for day in (3, 8, 13):
            data = make_item(
                root, f"d{day}", f"2022-06-{day:02d}T10:00:00Z", collection=None, href=str(root)
            )
            tree.add_item(pystac.Item.from_dict(data))
        tree.normalize_hrefs(str(root))
        tree.make_all_asset_hrefs_relative()
        tree.save(catalog_type=pystac.CatalogType.SELF_CONTAINED)
        return root

    def test_on_disk(self, folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for module, options in (
            (stac, {"url": "catalogue"}),
            (stac, {"url": "catalogue/catalog.json"}),
            (local, {"path": "catalogue"}),
        ):
            assert module.check(options, "w") == []
            source = module.open_source(options, "s2", ("B4",))
            scenes = source.scenes(GRID, "2022-06-05", "2022-07-01")
            assert [s.id for s in scenes] == ["d8", "d13"]
            assert scenes[0].properties["assets"]["B4"] == "d8_red.tif"
            assert scenes[0].offset == -1000
            pixels = list(source.read(scenes, GRID))
            with rasterio.open(folder / "d8_red.tif") as raster:
                assert np.array_equal(pixels[0].bands[0], raster.read(1)[:48, :48])
            identity = module.identity(options, "s2")
            assert str(tmp_path) not in json.dumps(identity)
        assert module.available_bands(options, "s2")[0] == "B1"

    def test_content_is_told_item_by_item(self, folder):
        options = {"url": str(folder)}
        before = {scene.id: scene for scene in stac.held(options, "s2")}
        write_cog(folder / "d3_red.tif", noise(77))
        stac._held.cache_clear()
        after = {scene.id: scene for scene in stac.held(options, "s2")}
        assert [name for name in after if after[name] != before[name]] == ["d3"]
        assert before["d3"].within("2022-06-03", "2022-06-04")
        assert not before["d3"].within("2022-06-05", "2022-06-30")
        ((west, south, east, north),) = before["d3"].boxes
        assert (west, south) < to_lonlat(GRID) < (east, north)

    def test_at_an_address(self, folder, tmp_path):
        with StacServer(folder) as server:
            source = stac.open_source({"url": f"{server.url}/catalog.json"}, "s2", ("B4",))
            scenes = source.scenes(GRID, *WINDOW)
            assert [s.id for s in scenes] == ["d3", "d8", "d13"]
            assert scenes[0].properties["assets"]["B4"] == f"{server.url}/d3_red.tif"
            assert (next(source.read(scenes, GRID)).bands > 0).all()

    def test_that_does_not_read(self, tmp_path):
        (tmp_path / "catalog.json").write_text("{}")
        source = stac.open_source({"url": str(tmp_path)}, "s2", ("B4",))
        with pytest.raises(SourceError, match=r"catalog\.json cannot be read"):
            source.scenes(GRID, *WINDOW)
        with pytest.raises(SourceError, match="neither a folder nor a file"):
            stac.held({"url": str(tmp_path / "nothing")}, "s2")

    def test_without_a_baseline_nothing_is_taken_off(self, folder):
        for path in folder.glob("d*/*.json"):
            data = json.loads(path.read_text())
            del data["properties"]["s2:processing_baseline"]
            path.write_text(json.dumps(data))
        source = stac.open_source({"url": str(folder)}, "s2", ("B4",))
        assert {s.offset for s in source.scenes(GRID, *WINDOW)} == {0.0}


class TestSigning:
    HREF = "https://acc.blob.core.windows.net/box/a/b.tif"

    def test_one_token_per_container(self, server):
        signer = signing.Signer(f"{server.url}/token")
        threads = [threading.Thread(target=signer.sign, args=(self.HREF,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert signer.sign(self.HREF) == f"{self.HREF}?sig=token1"
        assert signer.sign(self.HREF.replace("/box/", "/bag/")).endswith("?sig=token2")
        assert [r.path for r in server.requests] == ["/token/acc/box", "/token/acc/bag"]

    def test_a_token_is_replaced_a_minute_before_it_expires(self, server):
        server.token_life_s = 59
        signer = signing.Signer(f"{server.url}/token")
        assert signer.sign(self.HREF) != signer.sign(self.HREF)
        server.token_life_s = 120
        assert signer.sign(self.HREF) == signer.sign(self.HREF)
        soon = datetime.now(UTC) + timedelta(seconds=30)
        signer._tokens["acc", "box"] = soon, "old"
        assert "old" not in signer.sign(self.HREF)

    def test_other_addresses_are_left_alone(self, server):
        signer = signing.Signer(f"{server.url}/token")
        for href in ("https://example.org/a.tif", f"{self.HREF}?sig=mine"):
            assert signer.sign(href) == href
        assert not server.requests

    @pytest.mark.parametrize("status, error", [(503, TransientError), (404, SourceError)])
    def test_no_token(self, server, status, error):
        server.faults = [Fault("/token", status)]
        with pytest.raises(error, match=f"HTTP {status}"):
            signing.Signer(f"{server.url}/token").sign(self.HREF)

    def test_signed_when_opened_and_recorded_unsigned(self, server, tmp_path):
        server.signed = r"\.tif"
        server.items = [make_item(tmp_path, "one")]
        with pytest.raises(SourceError, match="access refused"):
            read(server)
        source = stac.open_source({"url": server.url}, C1, ("B4",))
        host = server.url.removeprefix("http://")
        source._remote.signer = signing.Signer(f"{server.url}/token", suffix=host)
        scenes = source.scenes(GRID, *WINDOW)
        (pixels,) = source.read(scenes, GRID)
        assert (pixels.bands > 0).all()
        assert scenes[0].properties["assets"]["B4"] == f"{server.url}/one_red.tif"
        assert server.tokens >= 1


def test_planning_reads_nothing(tmp_path):
    import subprocess

    code = """
import sys
from rsweep.sources import stac
stac.identity({}, "sentinel-2-c1-l2a"), stac.check({}, "w")
assert not {"rasterio", "pyproj", "pystac", "requests", "shapely"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


REPOSITORY = Path(__file__).parents[3]
DATA = Path(os.environ.get("RSWEEP_DATA", REPOSITORY / "../shared/data")).resolve()
STORE = DATA / "eolearn_slovenia/ee_store_derived"


@pytest.mark.skipif(not STORE.is_dir(), reason=f"no shared data at {DATA}; see RSWEEP_DATA")
def test_real_scenes_as_the_folder_that_they_came_from(server, tmp_path, monkeypatch):
    """Five dates of Slovenia as COGs, two of them as ESA encodes them from baseline 04.00 on."""
    names = {"B2": "blue", "B4": "red", "B8": "nir", "B11": "swir16"}
    for number, path in enumerate(sorted(STORE.glob("COPERNICUS/S2_HARMONIZED/*.tif"))):
        added = 1000 if number >= 3 else 0
        with rasterio.open(path) as raster:
            order = raster.descriptions
            values = {n: raster.read(order.index(b) + 1) + added for b, n in names.items()}
            time = datetime.strptime(path.name[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            item = make_item(
                tmp_path,
                path.stem,
                time.isoformat().replace("+00:00", "Z"),
                {name: value.astype("uint16") for name, value in values.items()},
                **{"s2:processing_baseline": "05.09" if added else "02.04"},
            )
            # The stand-in's helper writes square pixels at a corner of its own.
            for name, value in values.items():
                with rasterio.open(
                    tmp_path / f"{path.stem}_{name}.tif",
                    "w",
                    driver="COG",
                    count=1,
                    nodata=0,
                    dtype="uint16",
                    crs=raster.crs,
                    transform=raster.transform,
                    height=raster.height,
                    width=raster.width,
                ) as written:
                    written.write(value.astype("uint16"), 1)
            west, south, east, north = transform_bounds(raster.crs, 4326, *raster.bounds)
        item["bbox"] = [west, south, east, north]
        item["geometry"]["coordinates"] = [
            [[west, south], [east, south], [east, north], [west, north], [west, south]]
        ]
        server.items.append(item)
    grid = Grid("EPSG:32633", 465_240.0, 5_080_200.0, 10.0, 60, 60)
    window = ("2015-07-01", "2015-10-01")
    scenes, remote_pixels = read(server, tuple(names), grid=grid, window=window)
    monkeypatch.chdir(tmp_path)
    layout = str(REPOSITORY / "config/studies/layouts/slovenia.yaml")
    source = local.open_source({"path": str(STORE), "layout": layout}, "s2", tuple(names))
    local_scenes = source.scenes(grid, *window)
    assert [(s.id, s.time) for s in scenes] == [(s.id, s.time) for s in local_scenes]
    assert [s.offset for s in scenes] == [0, 0, 0, -1000, -1000]
    for scene, there, here in zip(
        scenes, remote_pixels, source.read(local_scenes, grid), strict=True
    ):
        assert np.array_equal(there.bands + scene.offset, here.bands)


def test_assets_outside_a_catalogue_s_folder_are_part_of_what_it_is(tmp_path):
    (tmp_path / "assets").mkdir()
    for day in ("03", "13"):
        time = f"2022-06-{day}T10:00:00Z"
        item = make_item(tmp_path / "assets", f"d{day}", time, href="../assets")
        (tmp_path / "cat").mkdir(exist_ok=True)
        (tmp_path / f"cat/d{day}.json").write_text(json.dumps(item))
    links = [{"rel": "item", "href": f"./d{day}.json"} for day in ("03", "13")]
    (tmp_path / "cat/catalog.json").write_text(
        json.dumps(
            {
                "type": "Catalog",
                "stac_version": "1.0.0",
                "id": "c",
                "description": "d",
                "links": links,
            }
        )
    )
    options = {"url": str(tmp_path / "cat")}

    def digests():
        stac._held.cache_clear()
        return {scene.id: scene.digest for scene in stac.held(options, "s2")}

    assert tmp_path / "cat/../assets/d13_red.tif" in stac.planning_reads(options)
    before = digests()
    write_cog(tmp_path / "assets/d03_red.tif", noise(77))
    after = digests()
    assert after["d03"] != before["d03"]
    assert after["d13"] == before["d13"]
    write_cog(tmp_path / "assets/d13_red.tif", noise(77))
    assert digests()["d13"] != before["d13"]


def write_catalogue(path: Path, *links: tuple[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"type": "Catalog", "stac_version": "1.0.0", "id": path.stem, "description": "d"}
    record["links"] = [{"rel": rel, "href": href} for rel, href in links]
    path.write_text(json.dumps(record))


def held_digests(root: Path) -> dict[str, str]:
    """Item -> digest; the items are those that a fetch would be given."""
    stac._held.cache_clear()
    found = {scene.id: scene.digest for scene in stac.held({"url": str(root)}, "s2")}
    box = (-180.0, -90.0, 180.0, 90.0)
    given = catalogue.StaticCatalogue(str(root)).items("", [box], "2000", "2100", {})
    assert {item.id for item in given} == {name for name in found if "://" not in name}
    return found


@pytest.fixture
def scattered(tmp_path):
    """A catalogue of which one item lies beside it, and the others elsewhere with their assets."""
    for folder, name in (("cat", "here"), ("b", "linked"), ("c/deep", "below"), ("d", "named")):
        (tmp_path / folder).mkdir(parents=True)
        item = make_item(tmp_path / folder, name, href=".")
        (tmp_path / folder / f"{name}.json").write_text(json.dumps(item))
    write_catalogue(tmp_path / "c/catalog.json", ("item", "deep/below.json"))
    write_catalogue(
        tmp_path / "cat/catalog.json",
        ("item", "./here.json"),
        ("item", "../b/linked.json"),
        ("child", "../c/catalog.json"),
        ("item", str(tmp_path / "d/named.json")),
        ("self", "../nowhere.json"),
    )
    return tmp_path / "cat/catalog.json"


OTHERS = {"here": "cat", "linked": "b", "below": "c/deep", "named": "d"}


@pytest.mark.parametrize("name, folder", OTHERS.items())
@pytest.mark.parametrize("what", ["item", "asset"])
def test_items_that_are_linked_outside_a_catalogue_s_folder_are_part_of_it(
    scattered, name, folder, what
):
    place, before = scattered.parents[1] / folder, held_digests(scattered)
    assert set(before) == set(OTHERS)
    if what == "asset":
        changed = place / f"{name}_red.tif"
        write_cog(changed, noise(77))
    else:
        changed = place / f"{name}.json"
        changed.write_text(changed.read_text().replace("05.09", "02.07"))
    after = held_digests(scattered)
    assert {one for one in before if before[one] != after[one]} == {name}
    read = {os.path.realpath(path) for path in stac.planning_reads({"url": str(scattered)})}
    assert os.path.realpath(changed) in read


def test_a_catalogue_is_what_its_links_lead_to(scattered):
    before = held_digests(scattered)
    write_catalogue(scattered, ("item", "./here.json"), ("item", "../b/linked.json"))
    after = held_digests(scattered)
    assert after == {name: before[name] for name in ("here", "linked")}
    write_catalogue(scattered.parents[1] / "c/catalog.json")
    assert held_digests(scattered) == after


def test_a_link_to_an_address_is_known_by_it(scattered):
    """Nothing is asked of it when planning: it may be of any place and any time."""
    at = "https://example.org/item.json"
    write_catalogue(scattered, ("item", "./here.json"), ("item", f"{at}?sig=S1GNATURE"))
    (found,) = [s for s in stac.held({"url": str(scattered)}, C1) if s.id != "here"]
    assert (found.id, found.boxes, found.within("2022-01-01", "2022-01-02")) == (at, (), True)


def test_accounts_and_signatures_are_sent_and_never_recorded(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    item = make_item(tmp_path, "one")
    for asset in item["assets"].values():
        asset["href"] += "?sig=S1GNATURE"
    server.items = [item]
    told = hide_accounts(server.url.replace("://", "://alice:HUNTER2@"))
    assert told == server.url
    source = stac.open_source({"url": told}, C1, ("B4",))
    (scene,) = source.scenes(GRID, *WINDOW)
    assert "S1GNATURE" not in json.dumps(dict(scene.properties))
    (pixels,) = source.read([scene], GRID)
    assert np.array_equal(pixels.bands[0], noise(1)[:48, :48])
    searches = [r for r in server.requests if r.path == "/search"]
    assert searches
    assert all(r.authorization.startswith("Basic ") for r in searches)
