"""The stitch stage, after the stages before it: on the ground, and the same tiled or not."""

import numpy as np
import pytest
from shapely import wkt
from stagebench import FakeSource, noise, place, scenes

from rsweep.core.errors import RsweepError
from rsweep.core.files import get_json
from rsweep.core.store import Store
from rsweep.sources.protocol import Pixels
from rsweep.stages.stitch.pool import coverage, pool

FEATURES = {"patch_size": 8, "features": 16, "seed": 3}
MEAN = {"patch_size": 8, "kernel_size": 1, "features": 2}
"""One filter of one weight, so that what its two features differ by is the mean of a patch."""

NANO = {
    "model": "galileo",
    "variant": "nano",
    "weights": "random",
    "frames": 1,
    "frame_policy": "equal",
    "image_size": 16,
    "patch_size": 8,
}


def grid_of(bench, node, index=0):
    with bench.open(node) as file:
        (roi,) = [get_json(file, "rois")[index]]
        vector = file["embedding"][index]
        name = f"{index}/grid"
        grid = file[name][()] if name in file else None
        share = file[f"{index}/valid_share"][()] if name in file else None
    return roi, vector, grid, share


@pytest.fixture
def source(bench):
    return bench.use(FakeSource(scenes("06-05"), lambda s, g: Pixels(noise(s, g))))


class TestTiledIsUntiled:
    """On a network that is translation-equivariant at patch steps."""

    @pytest.mark.parametrize("variant", ["gaussian", "patches"])
    @pytest.mark.parametrize("overlap", [0, 8, 16])
    def test_the_grid_and_the_vector_agree(self, bench, source, variant, overlap):
        rois = [place("a", 350), place("b", 370)]
        size = 32
        own = {**FEATURES, "variant": variant, "output": "grid"}
        covered = {0: 96, 8: 80, 16: 80}[overlap]
        one, _ = bench.run(rois, image_size=covered, **own)
        many, _ = bench.run(rois, image_size=size, tile_overlap=overlap, **own)
        for index in range(2):
            roi, vector, grid, share = grid_of(bench, one, index)
            tiled, tiled_vector, tiled_grid, tiled_share = grid_of(bench, many, index)
            assert (roi["tiles"], tiled["tiles"] >= 9) == (1, True)
            assert tiled["transform"] == pytest.approx(roi["transform"])
            np.testing.assert_allclose(tiled_grid, grid, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(tiled_vector, vector, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(tiled_share, share, atol=1e-6)

    @pytest.mark.parametrize("blend", ["none", "linear", "hann"])
    def test_every_blend_agrees_there(self, bench, source, blend):
        own = {**FEATURES, "output": "grid", "image_size": 32, "tile_overlap": 16}
        found = [
            grid_of(bench, bench.run([place("a", 350)], blend=b, **own)[0])[2]
            for b in (blend, "hann")
        ]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)


def ramp(scene, grid):
    """Band B4 says the pixel's column and B3 its row."""
    rows, cols = np.mgrid[: grid.height, : grid.width]
    values = np.ones((12, grid.height, grid.width), np.uint16)
    values[3], values[2] = cols + 1, rows + 1
    return Pixels(values)


@pytest.mark.parametrize(
    "own",
    [
        {"image_size": 32},
        {"image_size": 32, "tile_overlap": 16},
        {"image_size": 64, "tile_size": 40},
        {"image_size": 32, "tile_size": 30, "tile_overlap": 15},
        {"input_prep": "resize"},
        {"image_size": 32, "scale_m": 20},
    ],
    ids=str,
)
def test_a_cell_of_a_grid_lies_where_it_says(bench, own):
    """Read back from the values: a patch's mean column is that of the cell's centre."""
    source = bench.use(FakeSource(scenes("06-05"), ramp))
    step = own.get("scale_m", 10)
    found = {}
    for band in ("B4", "B3"):
        node, _ = bench.run([place("a", 350)], output="grid", bands=band, **MEAN, **own)
        roi, _, grid, _ = grid_of(bench, node)
        found[band] = 2000 - 1500 * (grid[0] + grid[1])  # small numbers lie below the mean
    cell, _, x0, _, minus, y0 = roi["transform"]
    assert minus == -cell
    rows, cols = found["B4"].shape
    x = source.grids[0].x0 + (found["B4"] - 0.5) * step
    y = source.grids[0].y0 - (found["B3"] - 0.5) * step
    known = np.isfinite(x)
    expected_x = np.broadcast_to(x0 + (np.arange(cols) + 0.5) * cell, (rows, cols))
    expected_y = np.broadcast_to((y0 - (np.arange(rows) + 0.5) * cell)[:, None], (rows, cols))
    # A resized tile has half filters at its border: a fraction of a pixel.
    tolerance = 0.05 * step if "tile_size" not in own and "input_prep" not in own else 0.6 * step
    np.testing.assert_allclose(x[known], expected_x[known], atol=tolerance)
    np.testing.assert_allclose(y[known], expected_y[known], atol=tolerance)
    left, bottom, right, top = wkt.loads(
        bench.rois(bench.node("fetch", **own))[0]["polygon"]
    ).bounds
    assert x0 <= left < x0 + cell
    assert y0 - cell < top <= y0
    assert x0 + cols * cell >= right > x0 + (cols - 1) * cell
    assert y0 - rows * cell <= bottom < y0 - (rows - 1) * cell


class TestPooled:
    def test_only_the_rois_own_ground_counts_by_its_valid_area(self, bench):
        def image(scene, grid):
            values = noise(scene, grid)
            values[:, :, : grid.width // 2] = 0
            return Pixels(values)

        bench.use(FakeSource(scenes("06-05"), image))
        own = {**FEATURES, "image_size": 32, "lattice": "roi"}
        node, _ = bench.run([place("a", 200)], output="grid", **own)
        roi, _, grid, share = grid_of(bench, node)
        plan = bench.rois(bench.node("prep", **own))[0]
        cell, _, x0, _, _, y0 = roi["transform"]
        area = coverage(wkt.loads(plan["polygon"]), x0, y0, cell, *grid.shape[1:])
        assert (share <= area + 1e-6).all()
        assert (share[:, 0] == 0).all()
        assert np.isnan(grid[:, share == 0]).all()
        assert np.isfinite(grid[:, share > 0]).all()
        assert roi["valid_share"] == pytest.approx(0.5, abs=0.06)
        for how in ("mean", "max", "stats"):
            node, _ = bench.run([place("a", 200)], pooling=how, **own)
            _, vector, _, _ = grid_of(bench, node)
            expected = pool(grid.transpose(1, 2, 0), share.astype(np.float64), how)
            np.testing.assert_allclose(vector, expected, rtol=1e-5, atol=1e-6)

    def test_a_roi_whose_valid_pixels_lie_outside_is_a_row_of_nan_with_the_reason(self, bench):
        def image(scene, grid):
            values = noise(scene, grid)
            if grid.width == min(g.width for g in source.grids):
                values[:, 10:-10, 10:-10] = 0
            return Pixels(values)

        source = bench.use(FakeSource(scenes("06-05"), image))
        rois = [place("hole", 100), place("full", 300)]
        node, _ = bench.run(rois, image_size=16, **FEATURES)
        with bench.open(node) as file:
            vectors = file["embedding"][()]
        hole, full = bench.rois(node)
        assert hole == {"id": "hole", "error": "has no valid pixel inside it"}
        assert (full["error"], full["valid_share"]) == (None, 1)
        assert np.isnan(vectors[0]).all()
        assert np.isfinite(vectors[1]).all()
        with pytest.raises(RsweepError, match="ROI hole: has no valid pixel"):
            bench.run(rois, image_size=16, on_roi_error="fail", **FEATURES)

    def test_a_network_that_says_nothing_of_a_token_does_not_spoil_the_roi(self, bench):
        """Galileo gives NaN for a patch that is mostly missing, of which some ground is valid."""

        def image(scene, grid):
            values = noise(scene, grid)
            rows, cols = np.mgrid[: grid.height, : grid.width]
            values[:, (cols < grid.width // 2) & ((rows + cols) % 4 > 0)] = 0
            return Pixels(values)

        bench.use(FakeSource(scenes("06-05"), image))
        node, _ = bench.run([place("a", 200)], output="grid", **NANO)
        roi, vector, grid, share = grid_of(bench, node)
        assert roi["error"] is None
        assert np.isfinite(vector).all()
        np.testing.assert_array_equal(np.isfinite(grid).all(axis=0), share > 0)
        assert 0.3 < roi["valid_share"] <= 1

    def test_all_rois_failed(self, bench):
        bench.use(FakeSource([], lambda s, g: None))
        node, _ = bench.run([place("a"), place("b")], image_size=16, **FEATURES)
        with bench.open(node) as file:
            assert file["embedding"].shape == (2, 0)
        assert [roi["error"] for roi in bench.rois(node)] == ["no scene in the window"] * 2

    def test_own_vectors_of_tiles_are_weighted_by_ground(self, bench, source):
        own = {**NANO, "pooling": "model"}
        node, _ = bench.run([place("a", 130)], **own)
        _, vector, _, _ = grid_of(bench, node)
        with bench.open(bench.node("infer", **own)) as file:
            vectors = file["16/vectors/model"][()]
        assert len(vectors) == 4
        plan = bench.rois(bench.node("prep", **own))[0]
        polygon, grid = wkt.loads(plan["polygon"]), source.grids[0]
        with bench.open(bench.node("prep", **own)) as file:
            corners = zip(file["16/top"][()], file["16/left"][()], strict=True)
            ground = [
                coverage(polygon, grid.x0 + left * 10, grid.y0 - top * 10, 160, 1, 1)[0, 0]
                for top, left in corners
            ]
        np.testing.assert_allclose(
            vector, np.average(vectors, axis=0, weights=ground), rtol=1e-4, atol=1e-5
        )


def test_a_value_that_half_precision_cannot_hold_is_said(bench, monkeypatch):
    bench.use(FakeSource(scenes("06-05"), lambda s, g: Pixels(noise(s, g))))
    monkeypatch.setattr("rsweep.stages.stitch.run.pool", lambda *_: np.full(4, 7e4, np.float32))
    node, _ = bench.run([place("a")], image_size=16, storage_dtype="float16", **FEATURES)
    assert "has a value of 7e+04, which storage_dtype float16" in bench.rois(node)[0]["error"]


def test_half_precision_is_the_rounded_value(bench, source):
    own = {**FEATURES, "image_size": 16}
    full, half = (
        bench.run([place("a")], storage_dtype=t, **own)[0] for t in ("float32", "float16")
    )
    with bench.open(full) as a, bench.open(half) as b:
        assert b["embedding"].dtype == np.float16
        np.testing.assert_array_equal(a["embedding"][()].astype(np.float16), b["embedding"][()])


def test_a_shard_says_the_same_whatever_else_is_in_it(bench, source, tmp_path):
    own = {**FEATURES, "image_size": 16}
    rois = [place("a", 80), place("b", 140), place("c", 110)]
    together, _ = bench.run(rois, **own)
    with bench.open(together) as file:
        all_three = file["embedding"][()]
    for index, roi in enumerate(rois):
        bench.store = Store(tmp_path / roi.id)
        alone, _ = bench.run([roi], **own)
        with bench.open(alone) as file:
            np.testing.assert_allclose(file["embedding"][0], all_three[index], rtol=1e-5, atol=1e-6)
