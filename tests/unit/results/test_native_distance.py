"""How far a grid is from the native one."""

from __future__ import annotations

import numpy as np
import pytest

from rsweep.results.native import Grid, grid_distance


def native(side: int = 6) -> Grid:
    values = np.random.default_rng(0).normal(3, 1, (4, side, side)).astype(np.float32)
    return Grid(values, (80.0, 0.0, 5000.0, 0.0, -80.0, 9000.0))


def test_the_same_grid_is_at_no_distance_and_the_mean_at_one():
    one = native()
    assert grid_distance(one, one) == 0
    flat = one.values.reshape(4, -1).mean(axis=1)[:, None, None] + np.zeros_like(one.values)
    assert grid_distance(Grid(flat, one.transform), one) == pytest.approx(1, rel=1e-5)


def test_cells_are_compared_where_they_lie():
    """A grid of finer cells that starts one cell earlier, of the same values on the ground."""
    one = native()
    fine = one.values.repeat(2, axis=1).repeat(2, axis=2)
    padded = np.pad(fine, ((0, 0), (1, 0), (1, 0)))
    assert grid_distance(Grid(padded, (40.0, 0.0, 4960.0, 0.0, -40.0, 9040.0)), one) == 0
    moved = Grid(one.values, (80.0, 0.0, 5080.0, 0.0, -80.0, 9000.0))
    assert grid_distance(moved, one) > 0.5


def test_missing_cells_are_left_out():
    one = native()
    other = one.values.copy()
    other[:, 0] = np.nan
    assert grid_distance(Grid(other, one.transform), one) == 0
    assert grid_distance(Grid(other * np.nan, one.transform), one) is None
    assert grid_distance(one, Grid(np.ones_like(other), one.transform)) is None
