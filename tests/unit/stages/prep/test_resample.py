"""Resizing and normalising: constants stay, missing pixels do not leak, closed forms hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsweep.stages.prep.normalize import normalize
from rsweep.stages.prep.resample import FILTERS, resize, resize_decibel

KINDS = sorted(FILTERS)


def holes(side: int, share: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((2, side, side)) >= share


class TestResize:
    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(KINDS), st.integers(1, 60), st.integers(1, 60), st.floats(0, 1))
    def test_a_constant_stays_whatever_is_missing(self, kind, side, size, share):
        valid = holes(side, share)
        values = np.where(valid, np.float32(1234.5), np.nan)
        found, left = resize(values, valid, size, kind)
        assert found.shape == left.shape == (2, size, size)
        np.testing.assert_allclose(found[np.isfinite(found)], 1234.5, rtol=1e-5)
        assert (np.isnan(found) == (left <= 1e-3)).all()
        assert ((left >= 0) & (left <= 1)).all()

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("size", [16, 40, 90])
    def test_what_a_missing_pixel_holds_does_not_matter(self, kind, size):
        valid, rng = holes(40, 0.3), np.random.default_rng(1)
        values = rng.normal(0, 1, (2, 40, 40)).astype(np.float32)
        rubbish = np.where(valid, values, np.float32(np.nan))
        worse = np.where(valid, values, np.float32(1e30))
        np.testing.assert_array_equal(
            resize(rubbish, valid, size, kind)[0], resize(worse, valid, size, kind)[0]
        )

    @settings(max_examples=40, deadline=None)
    @given(st.sampled_from(KINDS), st.integers(4, 50), st.integers(0, 99), st.floats(0.05, 0.9))
    def test_beside_missing_pixels_values_stay_in_range(self, kind, size, seed, share):
        """A quotient of bicubic weights, some of them negative, would not."""
        valid = holes(30, share, seed)
        values = np.random.default_rng(seed).uniform(0, 1, (2, 30, 30)).astype(np.float32)
        found, left = resize(values, valid, size, kind)
        partly = (left > 1e-3) & (left < 0.99)
        assert (found[partly] >= -1e-5).all()
        assert (found[partly] <= 1 + 1e-5).all()

    @pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("size", [10, 20, 30, 120])
    def test_the_valid_share_is_conserved(self, kind, size):
        valid = np.zeros((1, 60, 60), bool)
        valid[:, 12:33, 20:44] = True
        _, share = resize(valid.astype(np.float32), valid, size, kind)
        assert share.mean() == pytest.approx(valid.mean(), rel=0.02)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_circle_stays_a_circle(self, kind):
        y, x = np.mgrid[:90, :90] - 44.5
        disc = (np.hypot(y, x) < 30)[None]
        found, _ = resize(disc.astype(np.float32), np.ones_like(disc), 30, kind)
        rows, cols = found[0].sum(axis=0), found[0].sum(axis=1)
        np.testing.assert_allclose(rows, cols, atol=1e-3)
        assert found[0].sum() * 9 == pytest.approx(disc.sum(), rel=0.02)

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_same_size_is_the_same_image(self, kind):
        values, valid = np.random.default_rng(0).random((2, 9, 9)).astype(np.float32), holes(9, 0.5)
        found, share = resize(values, valid, 9, kind)
        np.testing.assert_array_equal(found, np.where(valid, values, np.nan))
        np.testing.assert_array_equal(share, valid)

    def test_shrinking_averages(self):
        values = np.random.default_rng(0).random((1, 64, 64)).astype(np.float32)
        found, _ = resize(values, np.ones_like(values, bool), 8, "bilinear")
        assert found.std() < values.std() / 3
        assert found.mean() == pytest.approx(values.mean(), abs=0.02)


def affine(**changes):
    base = {
        "kind": "affine",
        "clip": None,
        "gain": 1.0,
        "truncate": False,
        "mean": [10.0, 20.0],
        "std": [2.0, 4.0],
        "center": [10.0, 22.0],
    }
    return {**base, **changes}


class TestNormalize:
    VALUES = np.array([[[[0.0, 12.7]], [[20.0, 300.0]]]], np.float32)
    VALID = np.array([[[True, True]]])

    def test_closed_forms(self):
        found = normalize(self.VALUES, self.VALID, affine())
        np.testing.assert_allclose(found[0, :, 0], [[-5, 1.35], [0, 70]], rtol=1e-6)
        found = normalize(self.VALUES, self.VALID, affine(clip=(1.0, 100.0), gain=0.5))
        np.testing.assert_allclose(found[0, :, 0], [[-4.75, -1.825], [-2.5, 7.5]], rtol=1e-6)
        found = normalize(self.VALUES, self.VALID, affine(truncate=True))
        np.testing.assert_allclose(found[0, 0, 0], [-5, 1], rtol=1e-6)

    def test_eight_bits_come_last(self):
        found = normalize(self.VALUES, self.VALID, affine(eight_bit=True, std=[20.0, 4.0]))
        np.testing.assert_allclose(found[0, :, 0], [[0, 34 / 255], [0, 1]], rtol=1e-6)

    def test_a_missing_pixel_is_the_centre_and_nothing_is_nan(self):
        values = self.VALUES.copy()
        values[..., 1] = np.nan
        found = normalize(values, np.isfinite(values[:, 0]), affine(truncate=True, clip=(0.0, 9.0)))
        np.testing.assert_allclose(found[0, :, 0, 1], [0, 0.5])
        assert found.dtype == np.float32

    def test_tile_zscore_is_over_valid_pixels_of_all_frames(self):
        rng = np.random.default_rng(0)
        values = rng.normal(1500, 300, (3, 2, 8, 8)).astype(np.float32)
        valid = rng.random((3, 8, 8)) > 0.3
        values[np.broadcast_to(~valid[:, None], values.shape)] = np.nan
        found = normalize(values, valid, {"kind": "tile_zscore", "clip": None})
        for band in range(2):
            known = values[:, band][valid].astype(np.float64)
            expected = (known - known.mean()) / known.std()
            np.testing.assert_allclose(found[:, band][valid], expected, atol=1e-5)
        assert (found[np.broadcast_to(~valid[:, None], found.shape)] == 0).all()

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("value, valid", [(7.0, True), (np.nan, False)])
    def test_tile_zscore_of_nothing_and_of_a_constant_is_zero(self, value, valid):
        values = np.full((1, 1, 4, 4), value, np.float32)
        constants = {"kind": "tile_zscore", "clip": [0.0, 5.0]}
        assert not normalize(values, np.full((1, 4, 4), valid), constants).any()


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [16, 240])
def test_decibels_are_resized_as_power(kind, size):
    """Speckle of power 0.1: the mean of dB would be half a dB too dark, and below zero no power."""
    power = np.random.default_rng(0).gamma(4.4, 0.1 / 4.4, (2, 120, 120)).astype(np.float32)
    valid = np.ones(power.shape, bool)
    valid[0, :30] = False
    values = np.where(valid, 10 * np.log10(power), np.nan).astype(np.float32)
    found, share = resize_decibel(values, valid, size, kind)
    expected, expected_share = resize(power, valid, size, "bilinear")
    np.testing.assert_allclose(10 ** (found / 10), expected, rtol=1e-5)
    np.testing.assert_array_equal(share, expected_share)
    assert 10 * np.log10(np.nanmean(10 ** (found[1] / 10))) == pytest.approx(-10, abs=0.05)


def test_decibels_that_keep_their_size_keep_their_bits():
    values = np.linspace(-30, 0, 256, dtype=np.float32).reshape(1, 16, 16)
    found, _ = resize_decibel(values, np.ones(values.shape, bool), 16, "bilinear")
    np.testing.assert_array_equal(found, values)
