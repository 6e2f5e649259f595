"""Assembling, merging and pooling arrays."""

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box
from torch.nn import functional

from rsweep.stages.prep.geometry import Lattice, token_lattice
from rsweep.stages.stitch import assemble as module
from rsweep.stages.stitch import pool as pooling
from rsweep.stages.stitch.assemble import assemble, block_mean, merge_groups, upsample
from rsweep.stages.stitch.pool import POOLINGS, coverage, pool
from rsweep.stages.stitch.spec import TOKEN_POOLINGS

BLENDS = ("none", "linear", "hann")


@st.composite
def tilings(draw) -> tuple[Lattice, int]:
    tokens = draw(st.integers(1, 8))
    cell, step = draw(st.integers(1, 9)), draw(st.integers(1, tokens))
    rows, cols = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    last = draw(st.integers(1, step))  # the last column of tiles may be nearer
    lefts = [7 + step * cell * i for i in range(cols)]
    if cols > 1:
        lefts[-1] = lefts[-2] + last * cell
    return Lattice(tokens * cell, [step * cell * i - 3 for i in range(rows)], lefts), tokens


def random_map(rows: int, cols: int, seed: int = 0, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (rows, cols, width)).astype(np.float32)


def cut(whole: np.ndarray, tiles: Lattice, tokens: int) -> list[np.ndarray]:
    lattice = token_lattice(tiles, tokens)
    return [
        whole[r : r + tokens, c : c + tokens].copy()
        for r in lattice.tile_rows
        for c in lattice.tile_cols
    ]


def whole_map(tiles: Lattice, tokens: int) -> np.ndarray:
    lattice = token_lattice(tiles, tokens)
    return random_map(lattice.rows, lattice.cols)


class TestAssemble:
    @settings(max_examples=80, deadline=None)
    @given(tilings(), st.sampled_from(BLENDS))
    def test_tiles_cut_from_a_map_give_the_map_back(self, tiling, blend):
        tiles, tokens = tiling
        whole = whole_map(tiles, tokens)
        np.testing.assert_array_equal(assemble(cut(whole, tiles, tokens), tiles, blend), whole)

    @pytest.mark.parametrize("blend", BLENDS)
    def test_weights_are_those_of_the_window(self, blend):
        """Two tiles of four tokens that share two, holding 0 and 1: the seam shows the weights."""
        maps = [np.full((4, 4, 1), value, np.float32) for value in (0, 1)]
        seam = assemble(maps, Lattice(4, (0,), (0, 2)), blend)[0, :, 0]
        half = np.sin(np.pi * 0.125) ** 2
        expected = {"none": [0, 1], "linear": [0.25, 0.75], "hann": [half, 1 - half]}[blend]
        np.testing.assert_allclose(seam, [0, 0, *expected, 1, 1], atol=1e-6)

    @settings(max_examples=40, deadline=None)
    @given(tilings(), st.sampled_from(BLENDS), st.integers(0, 99))
    def test_a_token_unknown_in_one_tile_is_anothers_and_spoils_no_other(self, tiling, blend, seed):
        tiles, tokens = tiling
        whole, rng = whole_map(tiles, tokens), np.random.default_rng(seed)
        maps, known = cut(whole, tiles, tokens), cut(np.zeros_like(whole), tiles, tokens)
        for tokens_of, seen in zip(maps, known, strict=True):
            hidden = rng.random(tokens_of.shape[:2]) < 0.3
            tokens_of[hidden] = np.nan
            seen[~hidden] = 1
        found = assemble(maps, tiles, blend)
        anywhere = assemble(known, tiles, "linear")[..., 0] > 0
        np.testing.assert_allclose(found[anywhere], whole[anywhere], rtol=1e-6)
        assert np.isnan(found[~anywhere]).all()


class TestMerge:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 2, 3, 6]))
    def test_equals_torchs_bilinear_interpolation(self, rows, cols, ratio):
        coarse = random_map(rows, cols)
        oracle = functional.interpolate(
            torch.from_numpy(coarse).permute(2, 0, 1)[None],
            size=(rows * ratio, cols * ratio),
            mode="bilinear",
            align_corners=False,
        )[0].permute(1, 2, 0)
        np.testing.assert_allclose(upsample(coarse, rows * ratio, cols * ratio), oracle, atol=1e-5)

    def test_mean_sum_max_and_concat(self):
        fine, coarse = random_map(6, 6), random_map(2, 2, 1)
        up = upsample(coarse, 6, 6)
        np.testing.assert_allclose(merge_groups([fine, coarse], "mean"), (fine + up) / 2, atol=1e-6)
        np.testing.assert_allclose(merge_groups([fine, coarse], "sum"), fine + up, atol=1e-6)
        largest = merge_groups([fine, coarse], "max")
        np.testing.assert_allclose(largest, np.maximum(fine, up), atol=1e-6)
        found = merge_groups([coarse, fine], "concat")
        np.testing.assert_array_equal(found, np.concatenate([up, fine], axis=-1))

    def test_a_cell_that_one_group_does_not_know_is_of_the_others(self):
        one, other = random_map(4, 4), random_map(4, 4, 1)
        one[0, 0] = one[1, 1] = other[1, 1] = np.nan
        for how in ("mean", "max"):
            found = merge_groups([one, other], how)
            np.testing.assert_array_equal(found[0, 0], other[0, 0])
            assert np.isnan(found[1, 1]).all()
            assert np.isfinite(np.delete(found.reshape(16, -1), 5, axis=0)).all()
        for how in ("sum", "concat"):
            assert np.isnan(merge_groups([one, other], how)[0, 0]).any()

    def test_an_unknown_coarse_token_is_interpolated_from_those_known(self):
        coarse = np.ones((3, 3, 2), np.float32)
        coarse[0, 0] = np.nan
        found = upsample(coarse, 9, 9)
        np.testing.assert_allclose(found[np.isfinite(found)], 1, rtol=1e-6)
        assert np.isnan(found[:2, :2]).all()
        assert np.isfinite(found[3:, 3:]).all()
        assert np.isnan(upsample(np.full((2, 2, 1), np.nan, np.float32), 4, 4)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_block_mean_is_the_mean_over_the_cell(height, width, rows, cols):
    image = random_map(height, width)[..., 0]
    fine = np.repeat(np.repeat(image, rows, axis=0), cols, axis=1)  # cells are whole there
    expected = fine.reshape(rows, height, cols, width).mean(axis=(1, 3))
    np.testing.assert_allclose(block_mean(image, rows, cols), expected, atol=1e-5)


class TestPool:
    HOLE = ((30, -20), (40, -20), (35, -30))
    SHAPES = (
        Point(55, -40).buffer(33),
        box(3.3, -77.7, 41.2, -5.5),
        Polygon([(2, -2), (90, -13), (31, -71)], [HOLE]),
    )

    @pytest.mark.parametrize("polygon", SHAPES, ids=lambda p: p.geom_type)
    @pytest.mark.parametrize("cell", [10.0, 7.5])
    def test_coverage_is_the_area_in_each_cell(self, polygon, cell):
        found = coverage(polygon, 0.0, 0.0, cell, 14, 14)
        assert found.sum() * cell**2 == pytest.approx(polygon.area, rel=1e-9)
        for r, c in ((0, 0), (3, 2), (5, 7), (9, 4)):
            square = box(c * cell, -(r + 1) * cell, (c + 1) * cell, -r * cell)
            expected = shapely.intersection(polygon, square).area / cell**2
            assert found[r, c] == pytest.approx(expected, abs=1e-12)

    def test_pooling_is_numpys(self):
        tokens, weights = random_map(5, 6), np.random.default_rng(2).random((5, 6))
        weights[weights < 0.3] = 0
        flat, w = tokens.reshape(-1, 3)[weights.ravel() > 0], weights[weights > 0]
        mean = np.average(flat, axis=0, weights=w)
        np.testing.assert_allclose(pool(tokens, weights, "mean"), mean, rtol=1e-5)
        np.testing.assert_array_equal(pool(tokens, weights, "max"), flat.max(axis=0))
        deviation = np.sqrt(np.average((flat - mean) ** 2, axis=0, weights=w))
        expected = np.concatenate([flat.min(axis=0), flat.max(axis=0), mean, deviation])
        np.testing.assert_allclose(pool(tokens, weights, "stats"), expected, rtol=1e-5)

    def test_tokens_of_no_weight_may_be_nan_and_nothing_is_nan(self):
        tokens, weights = random_map(2, 2), np.array([[1.0, 0.0], [2.0, 1.0]])
        tokens[0, 1] = np.nan
        assert np.isfinite(pool(tokens, weights, "stats")).all()
        assert np.isnan(pool(tokens, np.zeros((2, 2)), "stats")).tolist() == [True] * 12

    def test_other_poolings_are_numpys_of_equal_weights(self):
        tokens, ones = random_map(5, 7), np.ones((5, 7))
        flat = tokens.reshape(-1, 3)
        expected = {
            "mean_std": [flat.mean(axis=0), flat.std(axis=0)],
            "mean_max": [flat.mean(axis=0), flat.max(axis=0)],
            "percentiles": np.percentile(flat, [10, 25, 50, 75, 90], axis=0),
            "gem": [np.cbrt((flat.astype(float) ** 3).mean(axis=0))],
        }
        for how, parts in expected.items():
            found = pool(tokens, ones, how)
            np.testing.assert_allclose(found, np.concatenate(parts), rtol=2e-4, atol=1e-5)

    def test_percentiles_count_a_token_by_its_weight(self):
        tokens = np.random.default_rng(0).normal(size=(1, 400, 1)).astype(np.float32)
        twice = np.arange(400) < 150
        doubled = np.concatenate([tokens, tokens[:, twice]], axis=1)
        found = pool(tokens, (1.0 + twice)[None], "percentiles")
        expected = np.percentile(doubled[0, :, 0], [10, 25, 50, 75, 90])
        np.testing.assert_allclose(found, expected, atol=0.02)
        tokens = np.array([[[1.0], [2.0], [4.0]]], np.float32)
        one = pool(tokens, np.array([[0.0, 3.0, 0.0]]), "percentiles")
        assert one.tolist() == [2.0] * 5

    def test_centre_weighs_the_middle_most(self):
        tokens = np.zeros((9, 9, 1), np.float32)
        tokens[4, 4] = 1
        edge = np.zeros((9, 9, 1), np.float32)
        edge[0, 4] = 1
        y, x = np.mgrid[-4:5, -4:5]
        kernel = np.exp(-(y**2 + x**2) / (2 * (9 / 4) ** 2))
        ones = np.ones((9, 9))
        assert pool(tokens, ones, "centre")[0] == pytest.approx(1 / kernel.sum(), rel=1e-5)
        assert pool(edge, ones, "centre")[0] == pytest.approx(kernel[0, 4] / kernel.sum(), rel=1e-5)

    def test_every_pooling_is_declared_and_as_long_as_it_says(self):
        assert tuple(POOLINGS) == TOKEN_POOLINGS
        tokens = random_map(4, 4)
        for how, (size, _) in POOLINGS.items():
            assert pool(tokens, np.ones((4, 4)), how).shape == (3 * size,)
            assert np.isnan(pool(tokens, np.zeros((4, 4)), how)).all()
            assert pool(tokens, np.zeros((4, 4)), how).shape == (3 * size,)


@pytest.mark.parametrize("blend", ["none", "hann", "linear"])
def test_parts_of_the_dimensions_at_a_time_give_the_same(monkeypatch, blend):
    rng = np.random.default_rng(0)
    lattice = Lattice(8, (0, 4), (0, 4, 8))
    maps = [rng.normal(size=(4, 4, 10)).astype(np.float32) for _ in range(6)]
    maps[1][2, 2] = np.nan
    whole = module.assemble(maps, lattice, blend)
    monkeypatch.setattr(module, "BLOCK_BYTES", 1000)
    np.testing.assert_array_equal(module.assemble(maps, lattice, blend), whole)


@pytest.mark.parametrize("how", TOKEN_POOLINGS)
def test_pooling_parts_of_the_dimensions_gives_the_same(monkeypatch, how):
    rng = np.random.default_rng(0)
    tokens, weights = rng.normal(size=(5, 6, 11)).astype(np.float32), rng.random((5, 6))
    tokens[0, 0], weights[0, 0] = np.nan, 0
    whole = pooling.pool(tokens, weights, how)
    monkeypatch.setattr(pooling, "POOL_BYTES", 700)
    np.testing.assert_allclose(pooling.pool(tokens, weights, how), whole, rtol=1e-6)
    assert np.isnan(pooling.pool(tokens, 0 * weights, how)).all()
