"""The prep stage: real pixels where they are, the rest said to be missing, frames by their bin."""

import math

import numpy as np
import pytest
from pyproj import Transformer
from shapely import wkt
from stagebench import WINDOW, FakeSource, noise, place, scenes

from rsweep.core.grid import Grid
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.nodes import build_nodes, node_options
from rsweep.plan.profiles import resolve
from rsweep.sources.protocol import Pixels, Scene
from rsweep.stages.infer.run import read_batch
from rsweep.stages.job import Job
from rsweep.stages.prep.format import EPOCH, blocks
from rsweep.stages.prep.geometry import roi_span

RAW = {"modality": "s2", "bands": "B4", "image_size": 16, "patch_size": 8}


def coordinates(scene, grid) -> Pixels:
    """B4 is the column of a pixel and B3 its row, counted over the whole zone from 1."""
    left, top = round(grid.x0 / grid.scale_m), round(grid.y0 / grid.scale_m)
    rows, cols = np.mgrid[: grid.height, : grid.width]
    values = np.ones((12, grid.height, grid.width), np.uint16)
    values[3], values[2] = (cols + left) % 50_000 + 1, (rows - top) % 50_000 + 1
    return Pixels(values)


def read(bench, node, sensor="s2"):
    with bench.open(node) as file:
        (block,) = blocks(file).values()
        table = ("roi", "top", "left", "frames", "lonlat", "gsd")
        held = block.sensors[sensor]
        return {name: getattr(block, name)[()] for name in table}, {
            name: getattr(held, name)[()] for name in ("pixels", "valid", "day")
        }


def raw(pixels: np.ndarray) -> np.ndarray:
    """rcf's normalisation undone."""
    return pixels * 1500 + 2000


@pytest.fixture
def ramp(bench):
    return bench.use(FakeSource(scenes("06-05"), coordinates))


def test_tiles_are_the_pixels_at_their_place(bench, ramp):
    node, _ = bench.run([place("a", 230)], "prep", **RAW)
    tiles, data = read(bench, node)
    grid = ramp.grids[0]
    assert len(tiles["top"]) == 9
    for row, (top, left) in enumerate(zip(tiles["top"], tiles["left"], strict=True)):
        first = round(grid.x0 / 10) + left + 1
        np.testing.assert_allclose(
            raw(data["pixels"][row, 0, 0])[0], first + np.arange(16), atol=0.1
        )
    assert (data["valid"] == 255).all()
    x, y = Transformer.from_crs(4326, grid.crs, always_xy=True).transform(*tiles["lonlat"][0])
    assert (x, y) == pytest.approx(
        (grid.x0 + (tiles["left"][0] + 8) * 10, grid.y0 - (tiles["top"][0] + 8) * 10), abs=1e-3
    )
    assert (tiles["gsd"] == 10).all()


def test_a_tile_of_another_size_says_its_metres_per_pixel(bench, ramp):
    node, _ = bench.run([place("a", 150)], "prep", tile_size=32, **RAW)
    tiles, data = read(bench, node)
    assert (tiles["gsd"] == 20).all()
    steps = np.diff(raw(data["pixels"][0, 0, 0])[5, 1:-1])
    np.testing.assert_allclose(steps, 2, atol=0.05)


@pytest.mark.parametrize("mode", ["resize", "tile"])
def test_a_rectangle_is_not_stretched(bench, ramp, mode):
    """Columns and rows change at one rate, whatever the shape of the ROI."""
    ring = [[8.700, 50.5], [8.712, 50.5], [8.712, 50.502], [8.700, 50.502], [8.700, 50.5]]
    roi = place("a")
    object.__setattr__(roi, "shape", {"type": "Polygon", "coordinates": [ring]})
    own = {**RAW, "bands": "B4,B3", "input_prep": mode, "edge": "fill"}
    node, _ = bench.run([roi], "prep", **own)
    tiles, data = read(bench, node)
    across = np.diff(raw(data["pixels"][0, 0, 0]), axis=1)[1:-1, 1:-1]
    down = np.diff(raw(data["pixels"][0, 0, 1]), axis=0)[1:-1, 1:-1]
    scale = tiles["gsd"][0] / 10
    np.testing.assert_allclose(across, scale, rtol=0.02)
    np.testing.assert_allclose(down, scale, rtol=0.02)
    (plan,) = bench.rois(node)
    span = roi_span(Grid.from_dict(plan["grid"]), plan["polygon"])
    width, height = span.right - span.left, span.bottom - span.top
    assert width > 3 * height
    if mode == "resize":
        assert plan["lattice"]["size"] in (math.ceil(width), math.ceil(width) + 1)
        assert (data["valid"] == 255).all()  # a square of real pixels was fetched


@pytest.mark.parametrize("edge", ["reflect", "fill"])
def test_beyond_the_fetched_pixels_nothing_is_valid(bench, ramp, edge):
    node, _ = bench.run(
        [place("a", 40)], "prep", context_m=0, edge=edge, **{**RAW, "image_size": 32}
    )
    tiles, data = read(bench, node)
    grid = ramp.grids[0]
    pixels, valid = raw(data["pixels"][0, 0, 0]), data["valid"][0, 0]
    rows, cols = (np.arange(32) + start for start in (tiles["top"][0], tiles["left"][0]))
    inside = ((rows >= 0) & (rows < grid.height))[:, None] & ((cols >= 0) & (cols < grid.width))
    np.testing.assert_array_equal(valid == 255, inside)
    assert 0 < inside.mean() < 1
    if edge == "fill":
        np.testing.assert_allclose(pixels[~inside], 2000, atol=0.1)  # the centre
    else:
        low = round(grid.x0 / 10) + 1
        assert pixels.min() >= low - 0.1
        assert pixels.max() <= low + grid.width


def test_a_missing_pixel_is_the_centre_and_its_neighbours_are_themselves(bench):
    def image(scene, grid):
        values = coordinates(scene, grid).bands
        values[:, ::5, ::5] = 0
        return Pixels(values)

    source = bench.use(FakeSource(scenes("06-05"), image))
    node, _ = bench.run([place("a", 75)], "prep", **RAW)
    tiles, data = read(bench, node)
    top, left = tiles["top"][0], tiles["left"][0]
    rows, cols = np.mgrid[top : top + 16, left : left + 16]
    hole = (rows % 5 == 0) & (cols % 5 == 0)
    np.testing.assert_array_equal(data["valid"][0, 0] == 0, hole)
    pixels = raw(data["pixels"][0, 0, 0])
    np.testing.assert_allclose(pixels[hole], 2000, atol=0.1)
    expected = round(source.grids[0].x0 / 10) + cols + 1
    np.testing.assert_allclose(pixels[~hole], expected[~hole], atol=0.1)


SERIES = {
    "model": "galileo",
    "weights": "random",
    "image_size": 16,
    "patch_size": 8,
    "frames": 3,
    "frame_policy": "equal",
}


class TestFrames:
    def test_rois_of_one_shard_may_have_unlike_frames(self, bench):
        def image(scene, grid):
            values = noise(scene, grid)
            if scene.id == "scene1" and grid.width == source.grids[0].width:
                values[:] = 0
            return Pixels(values)

        source = bench.use(FakeSource(scenes("06-05", "06-15", "06-25"), image))
        node, _ = bench.run([place("a", 50), place("b", 120)], "prep", **SERIES)
        a, b = bench.rois(node)
        assert (a["steps"], b["steps"]) == ([0, 2], [0, 1, 2])
        tiles, data = read(bench, node)
        assert data["pixels"].shape[1] == 3
        first, last = tiles["roi"] == 0, tiles["roi"] == 1
        assert set(tiles["frames"][first]) == {2}
        assert set(tiles["frames"][last]) == {3}
        day = {
            name: int((np.datetime64(f"2022-06-{name}") - np.datetime64(EPOCH)).astype(int))
            for name in ("05", "15", "25")
        }
        assert data["day"][first][0].tolist() == [day["05"], day["25"], -1]
        assert data["day"][last][0].tolist() == [day["05"], day["15"], day["25"]]

    def test_sensors_that_lack_frames_are_aligned_by_bin(self, bench):
        days = {"s2": ("06-05", "06-25"), "s1": ("06-15", "06-25")}

        class Both(FakeSource):
            def scenes(self, grid, start, end):
                self.sensor = "s1" if self.grids else "s2"  # fetched in the order of the model's
                self.listed = scenes(*days[self.sensor])
                return super().scenes(grid, start, end)

        def image(scene, grid):
            return Pixels(noise(scene, grid, source.sensor, 2 if source.sensor == "s1" else 12))

        source = bench.use(Both([], image))
        node, _ = bench.run([place("a", 50)], "prep", modality="s1+s2", **SERIES)
        (roi,) = bench.rois(node)
        assert roi["steps"] == [0, 1, 2]
        _, s2 = read(bench, node, "s2")
        _, s1 = read(bench, node, "s1")
        assert (s2["day"][0] >= 0).tolist() == [True, False, True]
        assert (s1["day"][0] >= 0).tolist() == [False, True, True]
        assert (s2["valid"][0].reshape(3, -1).max(axis=1) > 0).tolist() == [True, False, True]
        assert (s1["valid"][0].reshape(3, -1).max(axis=1) > 0).tolist() == [False, True, True]
        assert np.isfinite(s1["pixels"]).all()


def test_too_many_tiles_and_absent_bands_are_recorded(bench):
    bench.use(FakeSource(scenes("06-05"), lambda s, g: Pixels(noise(s, g, bands=2))), ["B2", "B4"])
    node, _ = bench.run([place("a", 50), place("b", 400)], "prep", max_tiles=9, **RAW)
    a, b = bench.rois(node)
    assert a["error"] is None
    assert "tiles of 16 px, more than max_tiles 9; raise max_tiles" in b["error"]
    node, _ = bench.run([place("a", 50)], "prep", **{**RAW, "bands": "B4,B8"})
    assert bench.rois(node)[0]["error"] == ("the model reads B8, and the scenes have only B2, B4")


def test_the_polygon_is_where_it_is_said_to_be(bench, ramp):
    node, _ = bench.run([place("a", 230)], "prep", **RAW)
    (roi,) = bench.rois(node)
    span, grid = roi_span(Grid.from_dict(roi["grid"]), roi["polygon"]), ramp.grids[0]
    left, _, _, top = wkt.loads(roi["polygon"]).bounds
    assert (grid.x0 + span.left * 10, grid.y0 - span.top * 10) == pytest.approx((left, top))


def test_radar_tiles_say_the_orbit_of_every_frame(bench):
    directions = ["DESCENDING", "ascending", "ascending", "descending", None]
    days = ("06-02", "06-05", "06-09", "06-09", "06-20")
    listed = [
        Scene(s.id, s.time, properties={"orbit": way} if way else {})
        for s, way in zip(scenes(*days), directions, strict=True)
    ]
    bench.use(FakeSource(listed, lambda scene, grid: Pixels(noise(scene, grid, "s1", 2))))
    own = {"model": "tessera", "modality": "s1", "weights": "random", "image_size": 8}
    node, _ = bench.run([place("a", 60)], "prep", **own)
    with bench.open(node) as file:
        (block,) = blocks(file).values()
        # both directions on the 9th, none told on the 20th
        assert block.sensors["s1"].orbit[0].tolist() == [2, 1, 0, 0]
        batch = read_batch(block, np.arange(1), 3)
    assert batch.orbit["s1"].tolist() == [[2, 1, 0]]


def test_optical_tiles_have_no_orbit(bench, ramp):
    node, _ = bench.run([place("a", 60)], "prep", **RAW)
    with bench.open(node) as file:
        (block,) = blocks(file).values()
        assert block.sensors["s2"].orbit is None
        assert read_batch(block, np.arange(1), 1).orbit == {}


def test_a_day_on_which_one_of_two_sensors_passed_is_no_gap_of_the_other(tmp_path):
    asked = {
        "model": "tessera",
        "modality": "s1+s2",
        "weights": "random",
        "image_size": 8,
        "temporal": WINDOW,
        "cloud_mask": "none",
        "synthetic": {"cloudiness": 0},
    }
    settings, errors = resolve(asked, {})
    assert not errors
    stitch, store = build_nodes(settings), Store(tmp_path)
    shard = Shard("shard", (place("a", 60),))
    prep = next(n for n in stitch.upstream() if n.stage == "prep")
    for node in prep.upstream():
        run_job(Job(node, shard, store, node_options(settings, stitch)))
    with store.read(prep, "shard") as file:
        (block,) = blocks(file).values()
        lacking = (block.sensors["s2"].day[()] < 0).mean()
        assert 0.2 < lacking < 0.8
        np.testing.assert_allclose(block.real[()], 1, atol=0.02)
