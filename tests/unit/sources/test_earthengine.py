"""The genuine ee client against the loopback stand-in: pixels, listings, splits, failures."""

import json
import os
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import ee_store as made
import numpy as np
import pytest
import rasterio
from ee_server import serve
from ee_store import DAYS, GRID, WINDOW, build, inside
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from rsweep.core.errors import RoiError, SourceError, TransientError
from rsweep.core.grid import Grid
from rsweep.sources import earthengine
from rsweep.sources.earthengine import client as client_module
from rsweep.sources.earthengine import pixels, quality, reduce
from rsweep.sources.earthengine.client import Client
from rsweep.sources.earthengine.source import EarthEngine
from rsweep.sources.earthengine.split import MAX_BYTES, Block, blocks, stacks
from rsweep.stages.composite.rules import MASK_RULES, SCL_CLEAR

ALL = made.S2_BANDS
RGB = ["B4", "B3", "B2"]
DATA = Path(os.environ.get("RSWEEP_DATA", Path(__file__).parents[4] / "shared" / "data"))
REAL = DATA / "eolearn_slovenia" / "ee_store_derived"


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return build(tmp_path_factory.mktemp("ee_store"))


@pytest.fixture
def at(store):
    server = serve(store.root)
    yield server
    server.close()


def opened(at, name=made.SR, bands=RGB, orbit="any", parallel=2, waits=None, **settings):
    sleep = (waits if waits is not None else []).append
    client = Client(at.url, sleep=sleep, parallel=parallel, **settings)
    return EarthEngine(client, name, bands, orbit, parallel)


def read(source, grid=GRID, window=WINDOW):
    scenes = source.scenes(grid, *window)
    return scenes, list(source.read(scenes, grid))


def truth(store, scene, bands):
    return np.stack([inside(store.arrays[scene.id][band]) for band in bands])


# --- pixels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("masked_as", [0, 77])
def test_pixels_equal_the_files_whatever_a_masked_pixel_looks_like(at, store, masked_as):
    at.masked_as = masked_as
    scenes, found = read(opened(at, bands=ALL))
    assert len(scenes) == 6
    for scene, got in zip(scenes, found, strict=True):
        assert got.bands.dtype == np.uint16
        assert np.array_equal(got.bands, truth(store, scene, ALL))
    assert (found[1].bands[:, :, :14] == 0).all()  # nodata, not 77


def test_a_grid_beyond_the_images_is_nodata(at):
    at.masked_as = 77
    far = replace(GRID, x0=GRID.x0 - 600, width=80)
    _, found = read(opened(at), far)
    assert (found[0].bands[:, :, :54] == 0).all()
    assert (found[0].quality["scl"][:, :54] == 0).all()
    assert (found[0].quality["clear"][:, :54] == 255).all()
    assert (found[0].bands[:, :, 54:] > 0).all()


def test_quality_layers(at, store):
    scenes, found = read(opened(at))
    assert opened(at).quality_layers == ("scl", "clear")
    for scene, got in zip(scenes, found, strict=True):
        assert {v.dtype for v in got.quality.values()} == {np.dtype("uint8")}
        assert np.array_equal(got.quality["scl"], inside(store.arrays[scene.id]["SCL"]))
        pinned = scene.properties.get("quality", {}).get("clear")
        if pinned:
            score = inside(store.arrays[pinned["id"]]["cs_cdf"]).astype("f8")
            assert np.array_equal(got.quality["clear"], np.floor(score * 100))
            assert np.array_equal(got.quality["clear"] >= 60, score >= 0.60)
    unscored = [s.id.rpartition("/")[2] for s in scenes if "quality" not in s.properties]
    assert made.index(DAYS[3]) in unscored
    without = next(p for s, p in zip(scenes, found, strict=True) if s.id.endswith(unscored[0]))
    assert (without.quality["clear"] == 255).all()


def test_cloud_probability_comes_with_l1c(at, store):
    scenes, found = read(opened(at, made.L1C, [*RGB, "B10"]))
    assert len(scenes) == 5
    for scene, got in zip(scenes, found, strict=True):
        assert np.array_equal(got.bands, truth(store, scene, [*RGB, "B10"]))
        wanted = inside(store.arrays[scene.properties["quality"]["cloud"]["id"]]["probability"])
        assert np.array_equal(got.quality["cloud"], wanted)


def test_radar_in_decibel_and_from_linear_power(at, store):
    scenes, found = read(opened(at, made.S1, ["VV", "VH"]))
    assert [s.properties["orbit"] for s in scenes] == ["ASCENDING", "DESCENDING"]  # EW left out
    assert found[0].bands.dtype == np.float32
    assert np.array_equal(found[0].bands, truth(store, scenes[0], ["VV", "VH"]), equal_nan=True)
    assert np.isnan(found[0].bands[:, :4]).all()
    assert not found[0].quality
    scenes, found = read(opened(at, made.S1_FLOAT, ["VH"], "descending"))
    assert len(scenes) == 1
    power = truth(store, scenes[0], ["VH"])
    assert np.array_equal(found[0].bands, np.float32(10) * np.log10(power), equal_nan=True)
    assert found[0].bands.dtype == np.float32


def test_landsat_8_and_9_are_one_series_with_scene_classes(at, store):
    scenes, found = read(opened(at, "LANDSAT/LC08+LC09/C02/T1_L2", ["B4", "B5"]))
    assert [s.id for s in scenes] == [f"{made.LC08}/LC0_4", f"{made.LC09}/LC0_12"]
    assert (scenes[0].gain, scenes[0].offset, scenes[0].cloud_pct) == (0.275, -2000.0, 5.5)
    dn = truth(store, scenes[0], ["SR_B4", "SR_B5"])
    assert np.array_equal(found[0].bands, dn)
    reflectance = (dn * 2.75e-5 - 0.2) * 10_000
    assert np.allclose(scenes[0].gain * found[0].bands + scenes[0].offset, reflectance)
    codes = inside(store.arrays[scenes[0].id]["QA_PIXEL"])
    assert ((found[0].quality["scl"] == 0) == (codes & 1 == 1)).all()
    assert (found[0].quality["scl"][(codes & 0b1001) == 0b1000] == 9).all()
    assert (found[0].quality["scl"][(codes & 0b10111111) == 0] == 7).all()


def test_hls_has_one_name_for_bands_that_its_products_number_differently(at, store):
    scenes, found = read(opened(at, "NASA/HLS/HLSL30+HLSS30/v002", ["NIR", "RED"]))
    own = [["B5", "B4"], ["B8A", "B4"]]
    for scene, got, bands in zip(scenes, found, own, strict=True):
        value = truth(store, scene, bands).astype("f8")
        wanted = np.where(np.isnan(value), -9999, np.floor(value * 10_000 + 0.5)).astype("int16")
        assert got.bands.dtype == np.int16
        assert np.array_equal(got.bands, wanted)
    fmask = inside(store.arrays[scenes[0].id]["Fmask"]).astype("uint8")
    assert np.array_equal(found[0].quality["scl"] == 9, fmask & 2 == 2)


def test_modis(at, store):
    for name, bands in ((made.MOD09, ["b01", "b07"]), (made.MOD13, ["b01", "b07"])):
        scenes, found = read(opened(at, name, bands))
        assert np.array_equal(
            found[0].bands, truth(store, scenes[0], [f"sur_refl_{b}" for b in bands])
        )
        assert found[0].bands.dtype == np.int16
    codes = inside(store.arrays[scenes[0].id]["SummaryQA"])
    classes = np.select([codes == 2, codes == 3], [11, 9], 7)
    assert np.array_equal(found[0].quality["scl"], classes)


def test_an_annual_embedding_is_of_the_year_that_holds_most_of_the_window(at, store):
    bands = [f"A{i:02d}" for i in range(64)]
    scenes, found = read(opened(at, made.ALPHA, bands))
    assert [s.id for s in scenes] == [f"{made.ALPHA}/0"]
    assert np.array_equal(found[0].bands, truth(store, scenes[0], bands))
    (most,) = opened(at, made.ALPHA, ["A00"]).scenes(GRID, "2022-11-01", "2023-02-01")
    assert most.id == f"{made.ALPHA}/0"


def test_scene_classes_of_modis_state():
    codes = np.array([0, 1, 2, 4, 3 << 8, 1 << 10, 1 << 12, 65535], np.uint16)
    assert quality.to_scene_classes("state_1km", codes).tolist() == [7, 9, 8, 3, 10, 9, 11, 0]


# --- real pixels -----------------------------------------------------------------------------


@pytest.fixture
def real():
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is absent: set RSWEEP_DATA to the folder of the shared test data")
    server = serve(REAL)
    yield server
    server.close()


def warped(path, grid, bands):
    """What GDAL reads from a file on a grid, nearest neighbour, 0 outside."""
    with (
        rasterio.open(path) as file,
        WarpedVRT(
            file,
            crs=grid.crs,
            transform=Affine(*grid.transform),
            width=grid.width,
            height=grid.height,
            resampling=Resampling.nearest,
            add_alpha=True,
        ) as vrt,
    ):
        values = vrt.read([file.descriptions.index(b) + 1 for b in bands])
        return np.where(vrt.dataset_mask() > 0, values, 0)


NATIVE = Grid("EPSG:32633", 465120.0, 5080320.0, 10.0, 120, 120)
OTHER_ZONE = Grid("EPSG:32632", 930780.0, 5095260.0, 10.0, 120, 120)


@pytest.mark.parametrize("grid", [NATIVE, OTHER_ZONE], ids=["same zone", "other zone"])
def test_real_scenes_equal_reading_the_files(real, grid):
    bands = ["B2", "B3", "B4", "B8", "B11", "B12"]
    source = opened(real, made.L1C, bands)
    scenes, found = read(source, grid, ("2015-07-01", "2015-10-01"))
    assert [round(s.cloud_pct) for s in scenes] == [0, 98, 100, 0, 0]
    for scene, got in zip(scenes, found, strict=True):
        assert (got.bands > 0).any()
        assert np.array_equal(got.bands, warped(REAL / f"{scene.id}.tif", grid, bands))
        pinned = scene.properties["quality"]["cloud"]["id"]
        clouds = warped(REAL / f"{pinned}.tif", grid, ["probability"])[0]
        assert np.array_equal(
            np.where(got.quality["cloud"] == 255, 0, got.quality["cloud"]), clouds
        )
    assert source.stats["requests"] == 2  # five scenes: one listing, one for all pixels


def test_a_real_composite_on_the_server_equals_one_made_here(real):
    source = opened(real, made.L1C, ["B4", "B8"])
    scenes, found = read(source, NATIVE, ("2015-07-01", "2015-10-01"))
    for method in reduce.METHODS:
        (frame,) = reduce.composite_frames(source, [scenes], NATIVE, method, rules("cloud"))
        values, count = local_composite(found, method, lambda q: q["cloud"] < 40, nodata=0)
        assert np.array_equal(frame.values, values, equal_nan=True)
        assert np.array_equal(frame.count, count)
        assert 0 < (count == 3).mean() < 1


# --- listings --------------------------------------------------------------------------------


def test_a_listing_is_one_request_in_order_with_versions(at):
    source = opened(at)
    scenes = source.scenes(GRID, *WINDOW)
    assert source.stats["requests"] == at.count("compute") == 1
    assert [(s.time, s.id) for s in scenes] == sorted((s.time, s.id) for s in scenes)
    first = scenes[0]
    assert first.id == f"{made.SR}/{made.index(DAYS[0])}"
    assert first.time == "2022-06-04T10:30:30.123Z"
    assert first.cloud_pct == 13.0
    assert first.properties["version"] == made.VERSION + DAYS[0]
    assert first.properties["baseline"] == "04.00"
    json.dumps(first.properties)


def test_a_listing_drops_what_a_later_baseline_replaces_and_keeps_a_second_strip(at):
    ids = [s.id.rpartition("/")[2] for s in opened(at).scenes(GRID, *WINDOW)]
    assert "20220604T101030_20220604T000000_T33TVL" not in ids  # baseline 03.01
    assert {made.index(DAYS[1]), "20220609T101030_20220609T101555_T33TVL"} <= set(ids)


def test_a_listing_ends_before_the_end_and_leaves_out_a_neighbour_at_the_edge(at):
    source = opened(at)
    ids = [s.id.rpartition("/")[2] for s in source.scenes(GRID, *WINDOW)]
    assert not [i for i in ids if i.endswith("T33TWL") or i.startswith("20220701")]
    later = source.scenes(GRID, "2022-07-01", "2022-07-02")
    assert [s.id.rpartition("/")[2][:8] for s in later] == ["20220701"]


def test_no_scene_is_said_with_the_place_and_the_window(at):
    with pytest.raises(RoiError, match=r"2021-01-01 to 2021-02-01 .*500040, 5100000 in EPSG:32633"):
        opened(at).scenes(GRID, "2021-01-01", "2021-02-01")


def test_a_collection_that_the_service_lacks_stops_the_study(tmp_path):
    server = serve(tmp_path)
    with pytest.raises(SourceError, match="S2_SR_HARMONIZED' not found"):
        opened(server).scenes(GRID, *WINDOW)
    server.close()


def test_pinned_scenes_are_checked_in_one_request(at):
    source = opened(at)
    scenes = source.scenes(GRID, *WINDOW)
    assert source.check_pinned(scenes) == []
    assert source.stats["requests"] == 2
    changed = replace(scenes[0], properties={**scenes[0].properties, "version": 1})
    gone = replace(scenes[1], id=f"{made.SR}/gone", properties={"version": 1})
    pin = {"id": f"{made.PLUS}/gone", "time": scenes[2].time, "version": 5}
    unscored = replace(scenes[2], properties={**scenes[2].properties, "quality": {"clear": pin}})
    assert source.check_pinned([changed, gone, unscored, *scenes[3:]]) == [
        f"{scenes[0].id}: changed: version 1 is now {made.VERSION + DAYS[0]}",
        f"{made.SR}/gone: missing",
        f"{made.PLUS}/gone: missing",
    ]


def test_a_scene_that_is_gone_when_read_is_named(at):
    source = opened(at)
    gone = replace(source.scenes(GRID, *WINDOW)[0], id=f"{made.SR}/gone")
    with pytest.raises(RoiError, match=f"{made.SR}/gone"):
        list(source.read([gone], GRID))
    assert source.stats["retries"] == 0


def test_the_services_join_and_link_agree_with_the_pinned_layer(at):
    import ee

    source = opened(at)
    scenes, found = read(source)
    score = ee.ImageCollection(made.PLUS)
    scene = ee.Image(scenes[0].id)
    linked = scene.linkCollection(score, ["cs_cdf"]).select("cs_cdf")
    same = ee.Filter.equals(leftField="system:index", rightField="system:index")
    joined = ee.Join.saveFirst("score").apply(ee.ImageCollection([scene]), score, same)
    saved = ee.Image(ee.Image(ee.ImageCollection(joined).first()).get("score"))
    for image in (linked, saved.select("cs_cdf")):
        values = image.multiply(100).unmask(255, False).toUint8()
        part = pixels.Part("clear", ("cs_cdf",), "uint8")
        got = pixels.fetch(
            source.client, values, [part], GRID, "the score", pixels.Reads("scenes", 1)
        )
        assert np.array_equal(got["cs_cdf"], found[0].quality["clear"])


# --- splits ----------------------------------------------------------------------------------


@settings(deadline=None)  # other work on the machine is not a failure
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(300, 10**5),
    st.integers(20, 400),
)
def test_blocks_cover_the_grid_once_and_stay_under_the_limits(height, width, size, limit, side):
    found = blocks(height, width, size, limit, side)
    assert all(b.height * b.width * size <= limit and max(b.height, b.width) <= side for b in found)
    assert sum(b.height * b.width for b in found) == height * width
    corners = {(b.row, b.column) for b in found}
    assert len(corners) == len(found)
    assert all(b.row + b.height <= height and b.column + b.width <= width for b in found)


@given(st.integers(1, 500), st.integers(1, 500))
def test_halves_are_the_block(height, width):
    block = Block(3, 5, height, width)
    if height * width <= 256:
        with pytest.raises(ValueError, match="not halved"):
            block.halves()
        return
    one, two = block.halves()
    assert one.height * one.width + two.height * two.width == height * width
    assert (one.row, one.column) == (3, 5)
    assert (two.row, two.column) in {(3 + one.height, 5), (3, 5 + one.width)}


def test_a_10_km_scene_is_one_request_and_a_small_roi_takes_its_scenes_together():
    assert len(blocks(1000, 1000, 10 * 3 + 4)) == 1
    assert [len(r) for r in stacks(50, 202 * 202 * 34, 12)] == [36, 14]
    assert [len(r) for r in stacks(3, MAX_BYTES + 1, 12)] == [1, 1, 1]
    assert [len(r) for r in stacks(40, 100, 64)] == [16, 16, 8]  # 1,024 bands


def test_split_requests_are_put_together_exactly(at, monkeypatch):
    source = opened(at)
    scenes, whole = read(source)
    assert source.stats["requests"] == 2
    monkeypatch.setattr(pixels, "blocks", lambda h, w, b: blocks(h, w, b, limit=5000))
    monkeypatch.setattr(pixels, "stacks", lambda n, b, c: stacks(n, b, c, limit=5000))
    split = list(source.read(scenes, GRID))
    assert source.stats["requests"] > 2 + 4 * len(scenes)
    for one, other in zip(whole, split, strict=True):
        assert np.array_equal(one.bands, other.bands)
        assert all(np.array_equal(one.quality[k], other.quality[k]) for k in one.quality)


def test_a_request_at_the_limit_is_accepted_by_the_service(at):
    source = opened(at, bands=["B2"])
    (scene, *_) = source.scenes(GRID, *WINDOW)
    most = replace(GRID, height=2600, width=2700)  # of 3 + 2 + 2 bytes: 46.9 of 48 MiB
    for grid, requests in ((most, 1), (replace(most, height=2700), 2)):
        before = source.stats["requests"]
        (got,) = source.read([scene], grid)
        assert got.bands.shape == (1, grid.height, grid.width)
        assert source.stats["requests"] - before == requests
    assert source.stats["splits"] == 0


def test_a_memory_error_halves_the_region(at):
    source = opened(at)
    scenes, whole = read(source)
    at.memory_pixels = 300
    before = dict(source.stats)
    halved = list(source.read(scenes, GRID))
    assert all(np.array_equal(a.bands, b.bands) for a, b in zip(whole, halved, strict=True))
    assert source.stats["splits"] - before["splits"] == 7
    assert source.stats["requests"] - before["requests"] == 15
    assert source.stats["retries"] == 0


def test_a_region_that_cannot_be_halved_further_is_an_error(at):
    at.memory_pixels = 10
    source = opened(at)
    scenes = source.scenes(GRID, *WINDOW)
    with pytest.raises(RoiError, match="memory limit exceeded"):
        list(source.read(scenes, GRID))


def test_requests_run_side_by_side_and_pixels_keep_their_order(at, store, monkeypatch):
    monkeypatch.setattr(pixels, "stacks", lambda n, b, c: stacks(n, b, c, limit=1))
    source = opened(at, parallel=3)
    scenes = source.scenes(GRID, *WINDOW)
    at.busiest, at.latency_s = 0, 0.05
    for scene, got in zip(scenes, source.read(scenes, GRID), strict=True):
        assert np.array_equal(got.bands, truth(store, scene, RGB))
    assert 1 < at.busiest <= 3


def test_readers_of_one_source_do_not_wait_for_each_other(at, monkeypatch):
    monkeypatch.setattr(pixels, "stacks", lambda n, b, c: stacks(n, b, c, limit=1))
    source = opened(at, parallel=2)
    scenes = source.scenes(GRID, *WINDOW)
    one, two = source.read(scenes, GRID), source.read(scenes, GRID)
    next(one)  # it now holds what the source may hold
    assert len(list(two)) == len(list(one)) + 1 == len(scenes)


def test_a_reader_that_stops_early_leaves_nothing_running(at, monkeypatch):
    monkeypatch.setattr(pixels, "stacks", lambda n, b, c: stacks(n, b, c, limit=1))
    source = opened(at, parallel=2)
    scenes = source.scenes(GRID, *WINDOW)
    reader = source.read(scenes, GRID)
    next(reader)
    reader.close()
    assert source.stats["requests"] <= 1 + 3


# --- failures --------------------------------------------------------------------------------


def storm(at, *codes, path="compute", times=1):
    at.faults[:] = [{"path": path, "code": code, "times": times} for code in codes]


def test_a_storm_of_429_and_503_passes(at, store):
    waits = []
    source = opened(at, waits=waits)
    storm(at, 429, 503, 429, 500)
    scenes = source.scenes(GRID, *WINDOW)
    storm(at, 503, 429, 503)
    found = list(source.read(scenes, GRID))
    assert np.array_equal(found[0].bands, truth(store, scenes[0], RGB))
    assert source.stats["retries"] == len(waits) == 7
    assert source.stats["requests"] == at.count("compute") == 9  # the ee client's own would be more
    assert all(0 <= wait <= 2**n for n, wait in enumerate(waits[:4]))


def test_waits_are_capped_and_as_long_as_the_service_asks(at):
    waits = []
    source = opened(at, waits=waits, attempts=20)
    at.faults[:] = [{"path": "compute", "code": 429, "times": 1, "retry_after": 17}]
    source.scenes(GRID, *WINDOW)
    assert waits == [17.0]
    storm(at, 503, times=15)
    source.scenes(GRID, *WINDOW)
    assert max(waits) <= client_module.CAP_S
    assert max(waits) > 17


def test_a_storm_that_lasts_is_transient(at):
    source = opened(at, attempts=3)
    storm(at, 503, times=99)
    with pytest.raises(TransientError, match=r"failed 3 times on the list of .*503 injected"):
        source.scenes(GRID, *WINDOW)
    assert at.count("compute") == 3


def test_a_time_out_is_tried_again(at):
    source = opened(at, deadline_s=0.3)
    source.scenes(GRID, *WINDOW)
    at.faults[:] = [{"path": "compute", "times": 1, "delay": 1.0}]
    started = time.monotonic()
    source.scenes(GRID, *WINDOW)
    assert source.stats["retries"] == 1
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize("how", ["drop", "cut"])
def test_a_broken_connection_is_tried_again(at, store, how):
    source = opened(at)
    scenes = source.scenes(GRID, *WINDOW)
    at.faults[:] = [{"path": "computePixels", "times": 2, how: True}]
    found = list(source.read(scenes, GRID))
    assert np.array_equal(found[0].bands, truth(store, scenes[0], RGB))
    assert source.stats["retries"] == 2


def test_a_refused_request_fails_at_once_and_names_the_place_and_the_window(at):
    source = opened(at)
    source.client.connect()
    at.faults[:] = [{"path": "compute", "code": 400, "times": 9, "message": "Bad expression."}]
    with pytest.raises(RoiError, match=r"2022-06-01 to 2022-07-01.*500040.*400 Bad expression"):
        source.scenes(GRID, *WINDOW)
    assert at.count("compute") == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_account_stops_the_study(at, code):
    source = opened(at)
    source.client.connect()
    storm(at, code, times=9)
    with pytest.raises(SourceError, match="refuses the account"):
        source.scenes(GRID, *WINDOW)


def test_a_403_that_is_a_rate_limit_passes(at):
    source = opened(at)
    at.faults[:] = [
        {"path": "compute", "code": 403, "times": 1, "message": "User Rate Limit Exceeded"}
    ]
    assert source.scenes(GRID, *WINDOW)


def test_a_service_that_is_down_at_the_start_is_tried_again(at):
    storm(at, 503, path="discovery")
    source = opened(at)
    assert source.scenes(GRID, *WINDOW)
    assert source.stats["retries"] == 1


def test_an_expired_token_is_renewed(at):
    from google.oauth2.credentials import Credentials

    class Renewing(Credentials):
        renewals = 0

        def refresh(self, request):
            self.renewals += 1
            self.token = at.token

    credentials = Renewing(
        "first", refresh_token="r", token_uri="t", client_id="i", client_secret="s"
    )
    at.token = "first"
    source = opened(at, credentials=credentials, project="test-project")
    scenes = source.scenes(GRID, *WINDOW)
    at.token = "second"
    assert len(list(source.read(scenes, GRID))) == len(scenes)
    assert at.count("computePixels", 401) == 1
    assert credentials.renewals == 1
    assert source.stats["retries"] == 0


def test_credentials_that_are_refused_for_good_stop_the_study(at):
    at.token = "never sent"
    with pytest.raises(SourceError, match="earthengine authenticate"):
        opened(at).scenes(GRID, *WINDOW)


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A user without credentials of any kind."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("PATH", "")


def test_no_credentials_is_said_with_what_to_run(nobody):
    source = earthengine.open_source({"project": "p"}, made.SR, RGB)
    with pytest.raises(SourceError, match=r"earthengine authenticate.*earthengine: \{key"):
        source.scenes(GRID, *WINDOW)


def test_no_project_is_said_with_what_to_set(nobody):
    from google.oauth2.credentials import Credentials

    client = Client("standard", credentials=Credentials("token"))
    with pytest.raises(SourceError, match=r"earthengine: \{project: my-project\}"):
        client.connect()


def test_a_key_file_that_is_absent_or_no_key_is_said(nobody, tmp_path):
    with pytest.raises(SourceError, match="which is not a file"):
        Client("standard", "p", str(tmp_path / "absent.json")).connect()
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(SourceError, match="not the key of a service account"):
        Client("standard", "p", str(tmp_path / "key.json")).connect()


def test_no_token_is_sent_in_the_clear(at):
    opened(at).scenes(GRID, *WINDOW)  # anonymous: nothing of the user's is even looked for
    at.token = "anything"
    with pytest.raises(SourceError):
        opened(at).scenes(GRID, *WINDOW)


# --- composites on the server ----------------------------------------------------------------

RULES = {
    "none": ("none", lambda q: np.array(True)),
    "scl": ("scl", lambda q: np.isin(q["scl"], SCL_CLEAR)),
    "clear": ("clear", lambda q: (q["clear"] >= 60) & (q["clear"] != 255)),
    "auto": ("scl clear cloud none", lambda q: np.isin(q["scl"], SCL_CLEAR)),
}


def rules(names):
    return {name: MASK_RULES[name].constants(None) for name in names.split()}


def local_composite(found, method, clear, nodata, linear=False):
    """The plain formula: each band over the scenes in which it is there and clear."""
    stack = np.stack([p.bands for p in found]).astype("f8")
    valid = ~np.isnan(stack) if np.isnan(nodata) else stack != nodata
    valid &= np.stack([np.broadcast_to(clear(p.quality), p.bands.shape) for p in found])
    stack = np.where(valid, 10 ** (stack / 10) if linear else stack, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel that no scene sees
        if method == "mosaic":
            last = len(stack) - 1 - np.argmax(valid[::-1], 0)
            out = np.take_along_axis(stack, last[None], 0)[0]
        else:
            out = {"median": np.nanmedian, "mean": np.nanmean}[method](stack, axis=0)
    out = 10 * np.log10(out) if linear else out
    return out.astype("float32"), valid.any(1).sum(0).astype("uint16")


@pytest.mark.parametrize("method", reduce.METHODS)
@pytest.mark.parametrize("rule", RULES)
def test_a_composite_on_the_server_equals_one_made_here(at, method, rule):
    at.masked_as = 77
    source = opened(at)
    scenes, found = read(source)
    names, clear = RULES[rule]
    frames = [scenes[:3], scenes[3:], []]
    got = list(reduce.composite_frames(source, frames, GRID, method, rules(names)))
    for frame, part in zip(got[:2], (found[:3], found[3:]), strict=True):
        values, count = local_composite(part, method, clear, nodata=0)
        assert np.array_equal(frame.values, values, equal_nan=True)
        assert np.array_equal(frame.count, count)
    assert got[0].count.max() > got[0].count.min()
    assert np.isnan(got[2].values).all()
    assert not got[2].count.any()
    assert source.stats["requests"] == 2 + 2


@pytest.mark.parametrize("method", ["median", "mean", "mosaic"])
@pytest.mark.parametrize("name", [made.SR, made.S1])
def test_a_composite_on_the_server_equals_the_stage_that_makes_it_here(at, name, method):
    """The local reducers themselves, which average radar as power in float32."""
    from rsweep.sources import units
    from rsweep.stages.composite import reduce as local

    source = opened(at, name, RGB if name == made.SR else ["VV", "VH"])
    scenes, found = read(source)
    (frame,) = reduce.composite_frames(source, [scenes], GRID, method, rules("none"))
    stack = np.stack([p.bands for p in found]).astype("float32")
    if name == made.SR:
        stack[stack == 0] = np.nan
        wanted = local.METHODS[method](stack)
    elif method == "mosaic":
        wanted = local.mosaic(stack)
    else:
        wanted = units.decibel(local.METHODS[method](units.linear(stack)))
    np.testing.assert_allclose(frame.values, wanted, rtol=0 if name == made.SR else 2e-5)


@pytest.mark.parametrize("method", ["median", "mean"])
def test_linear_power_is_averaged_and_then_expressed_in_decibel(at, method):
    source = opened(at, made.S1_FLOAT, ["VV", "VH"])
    scenes, found = read(source)
    (frame,) = reduce.composite_frames(source, [scenes], GRID, method, rules("scl"))
    values, count = local_composite(found, method, lambda q: np.array(True), np.nan, linear=True)
    np.testing.assert_allclose(frame.values, values, rtol=1e-5, atol=1e-5)
    assert np.array_equal(frame.count, count)


def test_a_composite_applies_gain_and_offset(at):
    source = opened(at, made.LC08, ["B4"])
    scenes, found = read(source)
    (frame,) = reduce.composite_frames(source, [scenes], GRID, "mean", rules("none"))
    assert np.allclose(frame.values, 0.275 * found[0].bands - 2000.0)


def test_a_composite_that_the_server_cannot_make_is_said(at):
    source = opened(at, made.LC08, ["B4"])
    with pytest.raises(SourceError, match="can be applied on the server to landsat"):
        next(reduce.composite_frames(source, [[]], GRID, "mean", rules("scl none")))
    with pytest.raises(SourceError, match="not made on the server; median, mean, mosaic"):
        next(reduce.composite_frames(source, [[]], GRID, "least_cloudy", rules("none")))


# --- the module ------------------------------------------------------------------------------


def test_planning_does_not_import_the_client():
    code = (
        "import sys; from rsweep.sources import earthengine as e; "
        f"e.identity({{}}, {made.SR!r}); e.open_source({{}}, {made.SR!r}, ['B4']); "
        "assert 'ee' not in sys.modules, 'ee'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_identity_is_of_the_data_alone():
    one = earthengine.identity({}, made.SR)
    other = earthengine.identity({"url": "standard", "project": "p", "key": "k"}, made.SR)
    assert one == other
    assert json.loads(json.dumps(one)) == json.loads(json.dumps(other))
    assert (
        len({json.dumps(earthengine.identity({}, c)) for c in earthengine.collections.COLLECTIONS})
        == 17
    )


def test_every_collection_fits_its_sensor():
    for name, entry in earthengine.collections.COLLECTIONS.items():
        assert entry.bands, name
        assert name in earthengine.COLLECTIONS[entry.sensor]
        for own in entry.assets.values():
            assert set(own) <= set(entry.kind.bands)
    assert earthengine.COLLECTIONS["s2"][0] == made.SR
    assert len(earthengine.available_bands({}, made.SR)) == 12


def test_mistakes_are_said_with_what_there_is():
    with pytest.raises(SourceError, match="did you mean 'COPERNICUS/S2_HARMONIZED'"):
        earthengine.identity({}, "COPERNICUS/S2_HARMONISED")
    with pytest.raises(SourceError, match="has no band B10; it has B1, B2"):
        earthengine.open_source({}, made.SR, ["B10"])
    with pytest.raises(SourceError, match="is 'fast'; expected standard, high-volume"):
        earthengine.open_source({"url": "fast"}, made.SR, RGB)
    (problem,) = earthengine.check({"url": "fast"}, "study.yaml: base.earthengine")
    assert str(problem).startswith("study.yaml: base.earthengine.url: is 'fast'; expected standard")
    assert earthengine.check({"url": "http://127.0.0.1:1"}, "") == earthengine.check({}, "") == []


def test_two_sessions_take_turns(at, store, tmp_path):
    other = serve(store.root)
    first, second = opened(at), opened(other, made.S1, ["VV"])
    scenes = first.scenes(GRID, *WINDOW)
    second.scenes(GRID, *WINDOW)
    assert len(list(first.read(scenes, GRID))) == len(scenes)
    assert (at.count("value:compute"), other.count("value:compute")) == (1, 1)
    assert at.count("computePixels") == 1
    other.close()


def test_nothing_is_fetched_from_another_host(at):
    import ee

    opened(at).scenes(GRID, *WINDOW)
    assert ee.deprecation._FetchDataCatalogStac() == {}
