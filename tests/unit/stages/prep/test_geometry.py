"""Tiles and tokens: everything covered, lattices that coincide, crops that are exact."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rsweep.stages.prep.geometry import (
    Lattice,
    Span,
    blend_window,
    choose_lattice,
    crop_to,
    reflected,
    square_lattice,
    tile_lattice,
    token_lattice,
)


@st.composite
def spans(draw, longest: float = 400.0) -> Span:
    top, left = (draw(st.floats(-50, 500)) for _ in range(2))
    return Span(top, left, top + draw(st.floats(0.01, longest)),
                left + draw(st.floats(0.01, longest)))  # fmt: skip


@st.composite
def tilings(draw) -> tuple[int, int, int]:
    """(size in pixels, stride, tokens per side) such that the stride is whole tokens."""
    tokens, size = draw(st.integers(1, 12)), draw(st.integers(4, 96))
    steps = [k for k in range(1, tokens + 1) if (k * size) % tokens == 0]
    return size, draw(st.sampled_from(steps)) * size // tokens, tokens


def pixels(span: Span) -> tuple[int, int, int, int]:
    slack = 1e-6
    return (math.floor(span.top + slack), math.floor(span.left + slack),
            math.ceil(span.bottom - slack), math.ceil(span.right - slack))  # fmt: skip


@given(spans(), tilings())
def test_every_pixel_of_a_span_is_in_a_tile_and_tiles_are_a_stride_apart(span, tiling):
    size, stride, _ = tiling
    tiles = tile_lattice(span, size, stride)
    top, left, bottom, right = pixels(span)
    starts = tiles.starts()
    rows, cols = sorted({r for r, _ in starts}), sorted({c for _, c in starts})
    assert len(starts) == len(set(starts)) == tiles.rows * tiles.cols
    for low, high, first in ((top, bottom, rows), (left, right, cols)):
        assert set(np.diff(first)) <= {stride}
        assert first[0] <= low
        assert first[-1] + size >= high
        if len(first) > 1:  # one tile fewer would not do
            assert size + (len(first) - 2) * stride < max(high - low, 1)
        margins = (low - first[0], first[-1] + size - max(high, low + 1))
        assert abs(margins[0] - margins[1]) <= 1  # centred


@given(spans(), tilings())
def test_token_lattices_of_neighbouring_tiles_coincide(span, tiling):
    size, stride, tokens = tiling
    tiles = tile_lattice(span, size, stride)
    lattice = token_lattice(tiles, tokens)
    edges = {lattice.left + i * lattice.cell for i in range(lattice.cols + 1)}
    for number in range(tiles.cols):
        own = {tiles.left + number * stride + i * Fraction(size, tokens) for i in range(tokens + 1)}
        assert own <= edges
    assert (
        lattice.left + lattice.cols * lattice.cell == tiles.left + size + (tiles.cols - 1) * stride
    )


def test_tiles_that_do_not_meet_on_tokens_are_refused():
    tiles = Lattice(0, 0, 64, 40, 1, 2)
    with pytest.raises(ValueError, match="do not meet on tokens"):
        token_lattice(tiles, 4)
    assert token_lattice(Lattice(0, 0, 65, 65, 1, 1), 4).cell == Fraction(65, 4)


@given(spans(), tilings())
def test_a_crop_holds_the_span_and_no_cell_too_many(span, tiling):
    size, stride, tokens = tiling
    lattice = token_lattice(tile_lattice(span, size, stride), tokens)
    rows, cols = crop_to(span, lattice)
    cell = float(lattice.cell)
    for low, high, origin, kept, count in (
        (span.top, span.bottom, lattice.top, rows, lattice.rows),
        (span.left, span.right, lattice.left, cols, lattice.cols),
    ):
        assert 0 <= kept.start < kept.stop <= count
        slack = 2e-6 * max(cell, 1)
        assert origin + kept.start * cell <= low + slack
        assert origin + kept.stop * cell >= high - slack
        if kept.stop - kept.start > 1:
            assert origin + (kept.start + 1) * cell > low - slack
            assert origin + (kept.stop - 1) * cell < high + slack


def test_a_span_on_cell_edges_up_to_rounding_is_cropped_to_those_cells():
    lattice = token_lattice(Lattice(0, 0, 32, 32, 2, 2), 8)
    rows, cols = crop_to(Span(8 + 1e-9, 4 - 1e-9, 16 - 1e-9, 12 + 1e-9), lattice)
    assert (rows, cols) == (slice(2, 4), slice(1, 3))
    tiles = tile_lattice(Span(8 - 1e-9, 4 + 1e-9, 40 + 1e-9, 36), 32, 32)
    assert (tiles.rows, tiles.cols, tiles.top, tiles.left) == (1, 1, 8, 4)


@given(spans())
def test_the_square_holds_the_span_and_is_the_smallest(span):
    tiles = square_lattice(span)
    top, left, bottom, right = pixels(span)
    assert (tiles.rows, tiles.cols) == (1, 1)
    assert tiles.size == max(bottom - top, right - left, 1)
    assert tiles.top <= top
    assert tiles.left <= left
    assert tiles.top + tiles.size >= bottom
    assert tiles.left + tiles.size >= right
    assert abs((top - tiles.top) - (tiles.top + tiles.size - bottom)) <= 1


@pytest.mark.parametrize("mode, side, limit, expected", [
    ("resize", 500, 1, ("resize", 1)), ("tile", 60, 99, ("tile", 1)), ("tile", 130, 1, ("tile", 9)),
    ("auto", 60, 99, ("resize", 1)), ("auto", 64, 99, ("resize", 1)), ("auto", 65, 99, ("tile", 4)),
    ("auto", 130, 8, ("resize", 1)), ("auto", 130, 9, ("tile", 9)),
])  # fmt: skip
def test_modes(mode, side, limit, expected):
    found, tiles = choose_lattice(Span(3, 5, 3 + side, 5 + side), mode, 64, 64, limit)
    assert (found, tiles.rows * tiles.cols) == expected


@given(st.integers(-300, 300), st.integers(1, 200), st.integers(1, 60))
def test_reflection_is_numpys(start, size, length):
    before, after = max(-start, 0), max(start + size - length, 0)
    padded = np.pad(np.arange(length), (before, after), mode="reflect")
    np.testing.assert_array_equal(reflected(start, size, length),
                                  padded[start + before : start + before + size])  # fmt: skip


@given(tilings(), st.integers(1, 5), st.sampled_from(["linear", "hann"]))
def test_normalised_weights_of_a_token_sum_to_one(tiling, count, kind):
    size, stride, tokens = tiling
    lattice = token_lattice(Lattice(0, 0, size, stride, 1, count), tokens)
    window, total = blend_window(tokens, kind), np.zeros(lattice.cols)
    assert (window > 0).all()
    np.testing.assert_allclose(window, window[::-1], atol=1e-12)
    for i in range(count):
        total[i * lattice.step : i * lattice.step + tokens] += window
    assert (total > 0).all()
    shares = np.zeros(lattice.cols)
    for i in range(count):
        at = slice(i * lattice.step, i * lattice.step + tokens)
        shares[at] += window / total[at]
    np.testing.assert_allclose(shares, 1)


@given(st.integers(1, 40).map(lambda n: 2 * n))
def test_half_overlapping_hann_windows_are_a_partition_of_unity(tokens):
    assume(tokens > 1)
    window = blend_window(tokens, "hann")
    np.testing.assert_allclose(window[: tokens // 2] + window[tokens // 2 :], 1)
