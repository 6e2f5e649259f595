"""The valid share of a ROI counts its own ground, not that of the tokens that it touches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from rsweep.core.grid import Grid
from rsweep.stages.prep.geometry import Lattice
from rsweep.stages.stitch.pool import coverage
from rsweep.stages.stitch.run import Inputs, RoiTiles, _valid_area

GRID = Grid("EPSG:32632", 480000.0, 5600000.0, 10.0, 12, 12)


def tiles_of(valid: np.ndarray[Any, Any], polygon: shapely.Geometry, lattice: Lattice) -> RoiTiles:
    roi = {
        "error": None,
        "lattice": vars(lattice),
        "grid": GRID.to_dict(),
        "steps": [0],
        "polygon": polygon.wkt,
    }
    shares = [(valid * 255).astype("uint8")]
    return RoiTiles(roi, 0, Inputs(np.zeros(len(valid)), shares, np.ones(len(valid)), {}, {}))


def test_missing_ground_outside_the_roi_costs_nothing() -> None:
    """A ROI of 12 px in a tile of 16 px of which only those 12 px were fetched."""
    valid = np.zeros((1, 1, 16, 16))
    valid[..., 2:14, 2:14] = 1
    polygon = shapely.box(480000, 5600000 - 120, 480000 + 120, 5600000)
    tiles = tiles_of(valid, polygon, Lattice(16, (-2,), (-2,)))
    weights = _valid_area(tiles, 2, slice(0, 2), slice(0, 2), "hann")
    np.testing.assert_allclose(weights, (6 / 8) ** 2)  # all of the ROI in each of four cells


def test_missing_ground_inside_the_roi_is_missing() -> None:
    valid = np.ones((1, 1, 16, 16))
    valid[..., :8, :] = 0
    polygon = shapely.box(480000, 5600000 - 120, 480000 + 120, 5600000)
    tiles = tiles_of(valid, polygon, Lattice(16, (-2,), (-2,)))
    weights = _valid_area(tiles, 2, slice(0, 2), slice(0, 2), "hann")
    np.testing.assert_allclose(weights, [[0, 0], [0.5625, 0.5625]])


@given(st.floats(0.1, 60), st.floats(0.1, 60), st.floats(-30, 30), st.floats(-30, 30))
def test_a_box_is_covered_as_any_polygon(width: float, height: float, x: float, y: float) -> None:
    box = shapely.box(x, y - height, x + width, y)
    found = coverage(box, -40.0, 40.0, 7.0, 20, 20)
    cells = [
        [
            shapely.box(-40 + 7 * c, 40 - 7 * (r + 1), -40 + 7 * (c + 1), 40 - 7 * r)
            for c in range(20)
        ]
        for r in range(20)
    ]
    expected = shapely.area(shapely.intersection(np.array(cells), box)) / 49
    assert found == pytest.approx(expected, abs=1e-9)
    triangle = shapely.Polygon([(x, y), (x + width, y), (x, y - height)])
    areas = shapely.area(shapely.intersection(np.array(cells), triangle)) / 49
    assert coverage(triangle, -40.0, 40.0, 7.0, 20, 20) == pytest.approx(areas, abs=1e-9)
