"""Sensors that are levels or products of others: Level-1, terrain-corrected radar, elevation."""

import importlib
import os
from dataclasses import replace
from pathlib import Path

import ee_store as made
import numpy as np
import pytest
import rasterio
import yaml
from ee_server import serve
from rasterio.transform import Affine
from stac_server import StacServer
from stagebench import WINDOW, place
from test_stac import GRID, make_item, noise

from rsweep.core.sensors import SENSORS
from rsweep.models.card import SensorInput
from rsweep.models.registry import find_card
from rsweep.sources import earthengine, local, stac, synthetic
from rsweep.sources.stac import catalogue
from rsweep.stages.fetch.reach import ALWAYS

DATA = Path(os.environ.get("RSWEEP_DATA", Path(__file__).parents[4] / "shared" / "data"))
JUNE = ("2022-06-01", "2022-07-01")
OLI_TIRS = tuple(f"B{i}" for i in range(1, 12))


# ---------------------------------------------------------------- Earth Engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    store = made.build(tmp_path_factory.mktemp("ee_store"))
    with_server = serve(store.root)
    yield with_server, store
    with_server.close()


def asked(engine, collection, bands, window=JUNE):
    options = {"url": engine[0].url, "project": "test"}
    source = earthengine.open_source(options, collection, bands)
    scenes = source.scenes(made.GRID, *window)
    return scenes, list(source.read(scenes, made.GRID))


def test_level_1_of_landsat_is_its_numbers_with_the_thermal_bands(engine):
    default = earthengine.COLLECTIONS["landsat_l1"][0]
    scenes, found = asked(engine, default, OLI_TIRS)
    assert [s.id for s in scenes] == [f"{made.LC08_L1}/LC0_4", f"{made.LC09_L1}/LC0_12"]
    for scene, pixels in zip(scenes, found, strict=True):
        assert (scene.gain, scene.offset) == (1.0, 0.0)
        assert scene.properties["sun_elevation"] == 61.5
        truth = np.stack([made.inside(engine[1].arrays[scene.id][b]) for b in OLI_TIRS])
        assert np.array_equal(pixels.bands, truth)
        assert pixels.bands.dtype == np.uint16


def test_elevation_is_every_tile_whatever_its_date(engine):
    scenes, found = asked(engine, earthengine.COLLECTIONS["dem"][0], ("DEM",), ALWAYS)
    assert [s.id.rpartition("/")[2] for s in scenes] == ["N46_E015", "N46_E016"]
    west, east = (pixels.bands[0] for pixels in found)
    assert np.isfinite(west[:, : made.GRID.width // 2]).all()
    assert np.isfinite(east[:, made.GRID.width // 2 :]).all()
    assert (np.isnan(west) | np.isnan(east)).any()
    assert np.nanmin(found[0].bands) >= -20


def test_levels_have_collections_of_their_own():
    assert earthengine.COLLECTIONS["s2_l1c"] == (made.L1C,)
    assert made.L1C in earthengine.COLLECTIONS["s2"]  # where a study asks for it
    assert "B10" in earthengine.available_bands({}, made.L1C)
    assert "s1_rtc" not in earthengine.COLLECTIONS


# ---------------------------------------------------------------- STAC


@pytest.fixture
def service(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "BACKOFF_S", 0.0)
    stac._catalogue.cache_clear()
    with StacServer(tmp_path) as running:
        yield running


def searched(service, collection, bands, window=JUNE):
    source = stac.open_source({"url": service.url}, collection, bands)
    scenes = source.scenes(GRID, *window)
    return scenes, list(source.read(scenes, GRID))


def test_level_1c_has_its_offset_from_baseline_4_on(service, tmp_path):
    assets = {"red": noise(1), "cirrus": noise(2)}
    service.items = [
        make_item(
            tmp_path,
            name,
            f"2022-06-0{day}T10:00:00Z",
            assets,
            "sentinel-2-l1c",
            **{"s2:processing_baseline": baseline},
        )
        for day, (name, baseline) in enumerate([("new", "05.09"), ("old", "03.01")], start=1)
    ]
    scenes, found = searched(service, "sentinel-2-l1c", ("B4", "B10"))
    assert [(s.id, s.offset) for s in scenes] == [("new", -1000.0), ("old", 0.0)]
    assert np.array_equal(found[0].bands, np.stack([noise(1), noise(2)])[:, :48, :48])


def test_level_1_of_landsat_from_the_usgs(service, tmp_path):
    assets = {"red": noise(1), "lwir11": noise(2), "pan": noise(3)}
    service.items = [
        make_item(tmp_path, name, collection="landsat-c2l1", assets=assets, platform=platform)
        for name, platform in (("eight", "LANDSAT_8"), ("seven", "LANDSAT_7"))
    ]
    (scene,), (pixels,) = searched(service, "landsat-c2l1", ("B4", "B10", "B8"))
    assert (scene.id, scene.gain, scene.offset) == ("eight", 1.0, 0.0)
    truth = np.stack([noise(1), noise(2), noise(3)])[:, :48, :48]
    assert np.array_equal(pixels.bands, truth)


def test_elevation_is_metres_and_sea_is_no_gap(service, tmp_path):
    heights = noise(1).astype("float32") / 8 - 300
    heights[:5] = 0
    item = make_item(tmp_path, "tile", "2021-04-22T00:00:00Z", {"data": heights}, "cop-dem-glo-30")
    service.items = [item]
    _, (pixels,) = searched(service, "cop-dem-glo-30", ("DEM",), ALWAYS)
    assert np.array_equal(pixels.bands[0], heights[:48, :48])
    assert pixels.bands.dtype == np.float32


def test_terrain_corrected_radar_is_a_sensor_too(service, tmp_path):
    power = np.full((512, 512), 0.1, "float32")
    service.items = [
        make_item(
            tmp_path, "pass", assets={"vv": power, "vh": power / 10}, collection="sentinel-1-rtc"
        )
    ]
    assert stac.COLLECTIONS["s1_rtc"] == ("sentinel-1-rtc",)
    _, (pixels,) = searched(service, "sentinel-1-rtc", ("VV", "VH"))
    np.testing.assert_allclose(pixels.bands[:, 0, 0], [-10, -20], atol=1e-5)


# ---------------------------------------------------------------- local


def folder_of(tmp_path: Path, layout: dict) -> dict:
    (tmp_path / "layout.yaml").write_text(yaml.safe_dump(layout))
    options = {"path": str(tmp_path)}
    assert local.check(options, "here") == []
    return options


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no shared data at {DATA} (RSWEEP_DATA)")
def test_real_level_1c_files_are_read_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = DATA / "sentinel2_l1c_virginia"
    layout = {
        "s2_l1c": {
            "files": r"s2_(?P<band>B\w\w)\.jp2",
            "date": "20160112",
            "bands": ["B5", "B10", "B12"],
        }
    }
    (tmp_path / "layout.yaml").write_text(yaml.safe_dump(layout))
    options = {"path": str(folder), "layout": str(tmp_path / "layout.yaml")}
    assert local.check(options, "here") == []
    with rasterio.open(folder / "s2_B05.jp2") as raster:
        crs, left, top = raster.crs.to_string(), raster.bounds.left, raster.bounds.top
        native = raster.read(1)
    grid = replace(GRID, crs=crs, x0=left + 1200, y0=top - 2400, scale_m=20.0)
    source = local.open_source(options, "s2_l1c", ("B5", "B10"))
    (scene,) = source.scenes(grid, "2016-01-01", "2016-02-01")
    (pixels,) = source.read([scene], grid)
    assert np.array_equal(pixels.bands[0], native[120:168, 60:108])
    # Cirrus reflects next to nothing: at the top of the atmosphere its band is nearly black.
    assert np.median(pixels.bands[1]) < np.median(pixels.bands[0]) / 10


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no shared data at {DATA} (RSWEEP_DATA)")
def test_real_elevation_is_read_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heights = np.load(DATA / "eolearn_slovenia/TestEOPatch/data_timeless/DEM.npy")[..., 0]
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": heights.shape[0],
        "crs": GRID.crs,
        "width": heights.shape[1],
        "dtype": "float32",
        "nodata": np.nan,
        "transform": Affine(10, 0, GRID.x0, 0, -10, GRID.y0),
    }
    with rasterio.open(tmp_path / "dem.tif", "w", **profile) as raster:
        raster.write(heights, 1)
    options = folder_of(
        tmp_path, {"dem": {"files": r"dem\.tif", "date": "20150101", "bands": ["DEM"]}}
    )
    source = local.open_source(options, "dem", ("DEM",))
    (scene,) = source.scenes(GRID, *ALWAYS)
    (pixels,) = source.read([scene], GRID)
    assert np.array_equal(pixels.bands[0], heights[:48, :48].astype(np.float32))


def test_metres_are_not_a_reflectance(tmp_path):
    layout = {"dem": {"files": r".*\.tif", "date": "20150101", "unit": "reflectance"}}
    (tmp_path / "layout.yaml").write_text(yaml.safe_dump(layout))
    (problem,) = local.check({"path": str(tmp_path)}, "here")
    assert "allowed: m" in str(problem)


# ---------------------------------------------------------------- synthetic


def made_up(collection, bands, window=JUNE, grid=None, **options):
    grid = grid or replace(GRID, crs="EPSG:32632", x0=504_600.0, y0=5_598_000.0)
    source = synthetic.open_source({"cloudiness": 0.0, **options}, collection, bands)
    scenes = source.scenes(grid, *window)
    return scenes, list(source.read(scenes, grid))


def test_levels_show_one_world_at_the_same_overflights():
    bands = ("B2", "B8", "B9")
    ground, below = made_up("synthetic-s2-l2a", bands)
    top, above = made_up("synthetic-s2-l1c", bands)
    assert [s.time for s in ground] == [s.time for s in top]
    assert not {s.id for s in ground} & {s.id for s in top}
    (b2, b8, b9), (t2, t8, t9) = below[0].bands.astype(int), above[0].bands.astype(int)
    assert (t2 > b2).mean() > 0.95  # the blue sky
    assert np.median(t9) < 0.6 * np.median(b9)  # water vapour
    assert np.corrcoef(t8.ravel(), b8.ravel())[0, 1] > 0.999


def test_thermal_bands_read_as_temperatures_of_the_season():
    bands = ("B4", "B10", "B11")
    medians = {}
    for season, window in (("summer", JUNE), ("winter", ("2022-01-01", "2022-02-01"))):
        _, found = made_up("synthetic-landsat-l1", bands, window)
        radiance = 3.342e-4 * found[0].bands[1].astype(float) + 0.1
        kelvin = 1321.0789 / np.log(774.8853 / radiance + 1)  # Landsat 8's constants
        medians[season] = np.median(kelvin)
    assert 288 < medians["summer"] < 310
    assert 260 < medians["winter"] < 280
    with_clouds = made_up("synthetic-landsat-l1", bands, cloudiness=1.0)[1][0].bands
    assert (with_clouds[1] < found[0].bands[1].min()).all()


def test_modis_is_percent_and_kelvin():
    _, found = made_up(
        "synthetic-modis-l1b",
        ("1", "26", "31"),
        grid=replace(
            GRID, crs="EPSG:32632", x0=504_000.0, y0=5_598_000.0, scale_m=1000.0, height=3, width=3
        ),
    )
    whole = next(p.bands for p in found if np.isfinite(p.bands).all())
    red, cirrus, heat = whole
    assert ((red > 0) & (red < 100)).all()
    assert (cirrus < 1).all()
    assert ((heat > 250) & (heat < 330)).all()


def test_terrain_corrected_radar_is_a_constant_above():
    low, high = (
        made_up(c, ("VV", "VH"))[1][0].bands for c in ("synthetic-s1-grd", "synthetic-s1-rtc")
    )
    np.testing.assert_allclose(high - low, 1.03, atol=1e-5)


def test_heights_are_one_image_in_cells_of_30_m():
    _, (pixels,) = made_up("synthetic-dem", ("DEM",), ALWAYS)
    assert pixels.bands.shape == (1, 48, 48)
    blocks = pixels.bands[0].reshape(16, 3, 16, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert 10 < pixels.bands.mean() < 1500
    assert pixels.bands.std() > 0.1
    one = synthetic.identity({"cloudiness": 0.1, "revisit_days": 9}, "synthetic-dem")
    assert one == synthetic.identity({}, "synthetic-dem")


@pytest.mark.parametrize("sensor", synthetic.COLLECTIONS)
def test_every_band_of_every_collection_can_be_had(sensor):
    (collection,) = synthetic.COLLECTIONS[sensor]
    bands = synthetic.available_bands({}, collection)
    window = ALWAYS if SENSORS[sensor].static else JUNE
    _, found = made_up(collection, bands, window)
    assert {(p.bands.dtype, p.bands.shape) for p in found} == {
        (np.dtype(SENSORS[sensor].dtype), (len(bands), 48, 48))
    }
    assert any(np.isfinite(p.bands.astype(float)).all() for p in found)
    assert set(found[0].quality) == ({"scl", "cloud"} if SENSORS[sensor].sees_clouds else set())


# ---------------------------------------------------------------- a static product in the stages


@pytest.fixture
def with_elevation(monkeypatch):
    """A modality of rcf that reads Sentinel-2 and elevation together."""
    module = importlib.import_module("rsweep.models.rcf.card")
    card = module.CARD
    both = (SensorInput("s2", ("B4",)), SensorInput("dem", ("DEM",)))
    constant = card.normalizations["constant"]
    metres = replace(constant["s2"], stats={"DEM": (0.0, 1.0)})
    changed = replace(
        card,
        modalities={**card.modalities, "both": both},
        frames_range=(1, 4),
        normalizations={"constant": {**constant, "dem": metres}},
    )
    monkeypatch.setattr(module, "CARD", changed)
    find_card.cache_clear()
    yield {"modality": "both", "image_size": 16}
    find_card.cache_clear()


def nodes_of(bench, stage, **own):
    nodes = [n for n in bench.node(**own).upstream() if n.stage == stage]
    return {n.inputs["scenes"].settings["sensor"]: n for n in nodes}


@pytest.mark.parametrize(
    "change",
    [
        {"temporal": {"year": 2020}},
        {"composite": "mean"},
        {"cloudy_pct": 20.0},
        {"orbit": "ascending"},
        {"fetch_cloudy_pct": 30.0},
    ],
)
def test_no_window_and_no_composite_setting_is_in_a_static_product_s_key(
    bench, with_elevation, change
):
    before = nodes_of(bench, "composite", **with_elevation)
    after = nodes_of(bench, "composite", **{"temporal": WINDOW, **with_elevation, **change})
    assert before["dem"].key == after["dem"].key
    assert (before["s2"].key == after["s2"].key) == ("orbit" in change)


def test_a_static_product_is_with_every_frame(bench, with_elevation):
    node, _ = bench.run([place("a", 70)], "prep", frames=3, **with_elevation)
    (roi,) = bench.rois(node)
    assert len(roi["steps"]) > 1
    with bench.open(node) as file:
        heights, optical = (file[f"16/{s}/pixels"][0] for s in ("dem", "s2"))
    assert heights.shape == (len(roi["steps"]), 1, 16, 16)
    assert heights.std() > 0
    assert all(np.array_equal(heights[0], one) for one in heights)
    assert not np.array_equal(optical[0], optical[1])


def test_a_roi_s_own_window_does_not_move_a_static_product(bench, with_elevation):
    own = place("a", 70, start="2021-06-01", end="2021-07-01")
    bench.run([own], "prep", **with_elevation)
    fetched = {
        sensor: bench.rois(node.inputs["scenes"])[0]
        for sensor, node in nodes_of(bench, "composite", **with_elevation).items()
    }
    assert fetched["s2"]["start"] == "2021-06-01"
    assert (fetched["dem"]["start"], fetched["dem"]["end"]) == ALWAYS
    assert len(fetched["dem"]["scenes"]) == 1


def test_units_are_said():
    assert SENSORS["dem"].unit == "m"
    assert SENSORS["s2_l1c"].unit == SENSORS["s2"].unit
    assert not SENSORS["dem"].sees_clouds
    assert not SENSORS["s1_rtc"].sees_clouds
    assert SENSORS["landsat_l1"].sees_clouds
