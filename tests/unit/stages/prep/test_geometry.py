"""Tiles and tokens: everything covered, lattices that coincide, crops that are exact."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rsweep.stages.prep.geometry import (
    Lattice,
    Origin,
    Span,
    Tiling,
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
    return Span(
        top, left, top + draw(st.floats(0.01, longest)), left + draw(st.floats(0.01, longest))
    )


@st.composite
def tilings(draw) -> tuple[int, int, int]:
    """(size in pixels, stride, tokens per side) such that the stride is whole tokens."""
    tokens, size = draw(st.integers(1, 12)), draw(st.integers(4, 96))
    steps = [k for k in range(1, tokens + 1) if (k * size) % tokens == 0]
    return size, draw(st.sampled_from(steps)) * size // tokens, tokens


def tiled(span: Span, size: int, stride: int, tokens: int) -> Lattice:
    """The tiles of a span on a grid without end."""
    return tile_lattice(span, Tiling(size, stride, Fraction(size, tokens).numerator), 2000, 2000)


def pixels(span: Span) -> tuple[int, int, int, int]:
    slack = 1e-6
    return (
        math.floor(span.top + slack),
        math.floor(span.left + slack),
        math.ceil(span.bottom - slack),
        math.ceil(span.right - slack),
    )


@st.composite
def places(draw) -> tuple[Span, int, int]:
    """A span inside a grid, and the grid's height and width."""
    span = draw(spans())
    top, left, bottom, right = pixels(span)
    height = max(bottom, top + 1) + draw(st.integers(0, 120))
    width = max(right, left + 1) + draw(st.integers(0, 120))
    assume(top >= 0 and left >= 0)
    return span, height, width


@given(places(), tilings(), st.sampled_from([1, 2, 3, 6]))
def test_every_pixel_of_a_span_is_in_a_tile_and_no_tile_is_in_vain(place, tiling, align):
    (span, height, width), (size, stride, tokens) = place, tiling
    snap = Fraction(size, tokens).numerator
    tiles = tile_lattice(span, Tiling(size, stride, snap, align), height, width)
    top, left, bottom, right = pixels(span)
    for low, high, starts in ((top, bottom, tiles.tops), (left, right, tiles.lefts)):
        steps = np.diff(starts)
        assert starts[0] % align == 0
        assert set(steps[:-1]) <= {stride}
        assert all(0 < step <= stride and step % snap == 0 for step in steps)
        assert starts[0] <= low
        assert starts[-1] + size >= high
        beyond = low - starts[0] + starts[-1] + size - max(high, low + 1)
        if len(starts) > 1:
            assert beyond < snap + align  # but for that, tiles stay inside
            assert size + starts[-2] < high  # and one fewer would not do


@given(
    places(),
    tilings(),
    st.sampled_from([1, 2, 3, 6]),
    st.integers(-500, 500),
    st.integers(-500, 500),
)
def test_tiles_of_a_shared_lattice_start_on_it_and_cover_as_much(place, tiling, align, top, left):
    (span, height, width), (size, stride, tokens) = place, tiling
    snap = Fraction(size, tokens).numerator
    step = math.lcm(align, snap)
    tiles = tile_lattice(span, Tiling(size, stride, snap, step, Origin(top, left)), height, width)
    low, first, high, last = pixels(span)
    for a, b, zero, starts in ((low, high, top, tiles.tops), (first, last, left, tiles.lefts)):
        assert (starts[0] + zero) % step == 0
        assert all((start - starts[0]) % snap == 0 for start in starts)
        assert starts[0] <= a
        assert starts[-1] + size >= b
    assert tile_lattice(span, Tiling(size, stride, snap, align), height, width) == tile_lattice(
        span, Tiling(size, stride, snap, align, Origin(7 * align, -3 * align)), height, width
    )


@given(places(), tilings(), st.sampled_from([1, 2, 3, 6]))
def test_tiles_lie_on_pixels_that_exist_where_there_are_enough(place, tiling, align):
    """With the surroundings that a study of such tiles reads, none of a tile is filled in."""
    (span, _, _), (size, stride, tokens) = place, tiling
    snap = Fraction(size, tokens).numerator
    context, least = (snap + 3 * align) // 2, size + 2 * align
    top, left, bottom, right = pixels(span)
    side = max(bottom - top, right - left, 1)
    half = max(side / 2 + context, least / 2)
    origin = [
        math.floor(((a + b) / 2 - half) / align) * align for a, b in ((top, bottom), (left, right))
    ]
    shape = [
        math.ceil((a + b) / 2 + half) - o
        for (a, b), o in zip(((top, bottom), (left, right)), origin, strict=True)
    ]
    here = Span(
        span.top - origin[0], span.left - origin[1], span.bottom - origin[0], span.right - origin[1]
    )
    tiles = tile_lattice(here, Tiling(size, stride, snap, align), *shape)
    for starts, length in ((tiles.tops, shape[0]), (tiles.lefts, shape[1])):
        assert starts[0] >= 0
        assert starts[-1] + size <= length


@given(places(), tilings(), st.sampled_from([1, 2, 3, 6]), st.integers(0, 99))
def test_tiles_of_a_shared_lattice_lie_on_pixels_that_exist(place, tiling, align, number):
    """With the surroundings that such a study reads, wherever a grid starts on the lattice."""
    (span, _, _), (size, stride, tokens) = place, tiling
    snap = Fraction(size, tokens).numerator
    step = math.lcm(align, snap)
    context, least = (snap + 3 * step) // 2, size + 2 * step
    top, left, bottom, right = pixels(span)
    half = max(max(bottom - top, right - left, 1) / 2 + context, least / 2)
    for low, high, a, b in (
        (top, bottom, span.top, span.bottom),
        (left, right, span.left, span.right),
    ):
        first = math.floor(((low + high) / 2 - half) / align) * align
        length = math.ceil((low + high) / 2 + half) - first
        here, zero = Span(a - first, 0, b - first, 1), number * align
        tiles = tile_lattice(here, Tiling(size, stride, snap, step, Origin(zero)), length, 999)
        assert tiles.tops[0] >= 0
        assert tiles.tops[-1] + size <= length


def test_the_last_tile_starts_inwards_on_whole_tokens():
    tiling = Tiling(224, 224, 32, 2)
    tiles = tile_lattice(Span(21.5, 20, 320, 244), tiling, 340, 300)
    assert tiles.tops == (10, 106)  # 299 px: two tiles 96 px apart, 21 px beyond
    assert tiles.lefts == (20,)
    assert tile_lattice(Span(3, 3, 63, 63), tiling, 226, 100).tops == (0,)
    assert tile_lattice(Span(3, 3, 63, 63), tiling, 226, 100).lefts == (-80,)  # all 100 are seen


@given(spans(), tilings())
def test_token_lattices_of_neighbouring_tiles_coincide(span, tiling):
    size, stride, tokens = tiling
    tiles = tiled(span, size, stride, tokens)
    lattice = token_lattice(tiles, tokens)
    edges = {lattice.left + i * lattice.cell for i in range(lattice.cols + 1)}
    for start, first in zip(tiles.lefts, lattice.tile_cols, strict=True):
        own = {start + i * Fraction(size, tokens) for i in range(tokens + 1)}
        assert own <= edges
        assert lattice.left + first * lattice.cell == start
    assert lattice.left + lattice.cols * lattice.cell == tiles.lefts[-1] + size


def test_tiles_that_do_not_meet_on_tokens_are_refused():
    with pytest.raises(ValueError, match="do not meet on tokens"):
        token_lattice(Lattice(64, (0,), (0, 40)), 4)
    assert token_lattice(Lattice(65, (0,), (0,)), 4).cell == Fraction(65, 4)


@given(spans(), tilings())
def test_a_crop_holds_the_span_and_no_cell_too_many(span, tiling):
    size, stride, tokens = tiling
    lattice = token_lattice(tiled(span, size, stride, tokens), tokens)
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
    lattice = token_lattice(Lattice(32, (0, 32), (0, 32)), 8)
    rows, cols = crop_to(Span(8 + 1e-9, 4 - 1e-9, 16 - 1e-9, 12 + 1e-9), lattice)
    assert (rows, cols) == (slice(2, 4), slice(1, 3))
    tiles = tile_lattice(Span(8 - 1e-9, 4 + 1e-9, 40 + 1e-9, 36), Tiling(32, 32), 90, 90)
    assert (tiles.tops, tiles.lefts) == ((8,), (4,))


@given(spans())
def test_the_square_holds_the_span_and_is_the_smallest(span):
    tiles = square_lattice(span)
    top, left, bottom, right = pixels(span)
    assert tiles.count == 1
    ((first_row, first_col),) = tiles.starts()
    assert tiles.size == max(bottom - top, right - left, 1)
    assert first_row <= top
    assert first_col <= left
    assert first_row + tiles.size >= bottom
    assert first_col + tiles.size >= right
    assert abs((top - first_row) - (first_row + tiles.size - bottom)) <= 1


@pytest.mark.parametrize(
    "mode, side, limit, expected",
    [
        ("resize", 500, 1, ("resize", 1)),
        ("tile", 60, 99, ("tile", 1)),
        ("tile", 130, 1, ("tile", 9)),
        ("auto", 60, 99, ("resize", 1)),
        ("auto", 64, 99, ("resize", 1)),
        ("auto", 65, 99, ("tile", 4)),
        ("auto", 130, 8, ("resize", 1)),
        ("auto", 130, 9, ("tile", 9)),
    ],
)
def test_modes(mode, side, limit, expected):
    span = Span(3, 5, 3 + side, 5 + side)
    found, tiles = choose_lattice(span, mode, Tiling(64, 64), 999, 999, limit)
    assert (found, tiles.count) == expected


@given(st.integers(-300, 300), st.integers(1, 200), st.integers(1, 60))
def test_reflection_is_numpys(start, size, length):
    before, after = max(-start, 0), max(start + size - length, 0)
    padded = np.pad(np.arange(length), (before, after), mode="reflect")
    np.testing.assert_array_equal(
        reflected(start, size, length), padded[start + before : start + before + size]
    )


@given(tilings(), st.integers(1, 5), st.sampled_from(["linear", "hann"]))
def test_normalised_weights_of_a_token_sum_to_one(tiling, count, kind):
    size, stride, tokens = tiling
    tiles = Lattice(size, (0,), range(0, count * stride, stride))
    lattice = token_lattice(tiles, tokens)
    window, total = blend_window(tokens, kind), np.zeros(lattice.cols)
    assert (window > 0).all()
    np.testing.assert_allclose(window, window[::-1], atol=1e-12)
    for first in lattice.tile_cols:
        total[first : first + tokens] += window
    assert (total > 0).all()
    shares = np.zeros(lattice.cols)
    for first in lattice.tile_cols:
        at = slice(first, first + tokens)
        shares[at] += window / total[at]
    np.testing.assert_allclose(shares, 1)


@given(st.integers(1, 40).map(lambda n: 2 * n))
def test_half_overlapping_hann_windows_are_a_partition_of_unity(tokens):
    assume(tokens > 1)
    window = blend_window(tokens, "hann")
    np.testing.assert_allclose(window[: tokens // 2] + window[tokens // 2 :], 1)
