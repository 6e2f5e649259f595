"""Grids of neighbouring ROIs mosaic by default: for every way in which tiles are cut."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsweep.core.errors import RoiError
from rsweep.core.grid import roi_grid
from rsweep.core.roi import Roi
from rsweep.models.registry import find_card
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve
from rsweep.stages.prep.cut import cut
from rsweep.stages.prep.geometry import crop_to, roi_span, token_lattice
from rsweep.stages.prep.spec import prep_settings
from rsweep.stages.prep.tiling import settle

WINDOW = {"start": "2022-06-01", "end": "2022-09-01"}
THOR = {"model": "thor", "variant": "tiny", "weights": "random"}
WAYS = {
    "one tile": {"model": "rcf"},
    "tiles": {"model": "rcf", "image_size": 32, "patch_size": 8},
    "overlap": {"model": "rcf", "image_size": 32, "patch_size": 8, "tile_overlap": 8},
    "resized tiles": {"model": "rcf", "image_size": 48, "tile_size": 32, "patch_size": 12},
    "parts of pixels": {"model": "rcf", "image_size": 64, "tile_size": 40, "patch_size": 16},
    "native": {"model": "rcf", "input_prep": "native", "patch_size": 8},
    "coarser": {"model": "rcf", "scale_m": 20, "image_size": 32, "patch_size": 8},
    "few surroundings": {"model": "rcf", "context_m": 60, "image_size": 32, "patch_size": 8},
    "groups": {**THOR, "image_size": 96, "patch_size": 8},
    "fine patches": {**THOR, "image_size": 96, "patch_size": 4, "tile_overlap": 16},
    "pixels": {"model": "anysat", "weights": "random"},
}


def profile(own: dict[str, Any]) -> dict[str, Any]:
    found, errors = resolve({"temporal": WINDOW, "output": "grid", **own}, {})
    assert not errors, errors
    (settled,) = settle([found])
    assert settled["lattice"] == "shared"
    return settled


def rois():
    """Squares in one zone, some of them astride the equator."""
    return st.builds(
        lambda lon, lat, half: Roi(
            "r", {"type": "point", "lon": lon, "lat": lat, "buffer_m": half}
        ),
        st.floats(8.6, 8.7),
        st.sampled_from([50.5, 0.0004, -33.2]).flatmap(lambda lat: st.floats(lat, lat + 0.01)),
        st.floats(20, 900),
    )


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None, max_examples=60)
@given(rois())
def test_cells_lie_on_multiples_of_their_size_and_cover_the_roi(way, roi):
    """So two grids of a zone agree on where a cell is wherever both have it."""
    own = profile(WAYS[way])
    prep = next(n for n in build_nodes(own).upstream() if n.stage == "prep")
    around = (own["scale_m"], own["context_m"], own["least_side_m"])
    grid, polygon = roi_grid(roi, *around)
    mode, tiles = cut(prep_settings(prep), grid, polygon.wkt)
    assert mode == ("native" if way == "native" else "tile")
    for group in find_card(own["model"]).groups(own):
        pixels = tiles.size if mode == "native" else own["image_size"]
        tokens = token_lattice(tiles, pixels // group.patch_px)
        cell = tokens.cell * Fraction(own["scale_m"])
        rows, cols = crop_to(roi_span(grid, polygon.wkt), tokens)
        left = Fraction(grid.x0) + tokens.left * Fraction(own["scale_m"])
        top = Fraction(grid.y0) - tokens.top * Fraction(own["scale_m"])
        assert left % cell == 0
        assert top % cell == 0
        west, south, east, north = polygon.bounds
        slack = 1e-3
        assert left + cols.start * cell <= west + slack
        assert left + cols.stop * cell >= east - slack
        assert top - rows.start * cell >= north - slack
        assert top - rows.stop * cell <= south + slack


@pytest.mark.parametrize("way", [w for w in WAYS if w != "few surroundings"])
@settings(deadline=None, max_examples=60)
@given(rois())
def test_tiles_lie_on_pixels_that_are_read(way, roi):
    """What a study reads around a ROI is enough wherever its tiles start."""
    own = profile(WAYS[way])
    prep = next(n for n in build_nodes(own).upstream() if n.stage == "prep")
    grid, polygon = roi_grid(roi, own["scale_m"], own["context_m"], own["least_side_m"])
    _, tiles = cut(prep_settings(prep), grid, polygon.wkt)
    assert tiles.tops[0] >= 0
    assert tiles.lefts[0] >= 0
    assert tiles.tops[-1] + tiles.size <= grid.height
    assert tiles.lefts[-1] + tiles.size <= grid.width


@settings(deadline=None)
@given(rois())
def test_auto_resizes_a_roi_no_larger_than_a_tile_wherever_it_lies(roi):
    own = profile({"model": "rcf", "input_prep": "auto"})
    prep = next(n for n in build_nodes(own).upstream() if n.stage == "prep")
    grid, polygon = roi_grid(roi, own["scale_m"], own["context_m"], own["least_side_m"])
    mode, _ = cut(prep_settings(prep), grid, polygon.wkt)
    span = roi_span(grid, polygon.wkt)
    ends = ((span.top, span.bottom), (span.left, span.right))
    side = max(math.ceil(high - 1e-6) - math.floor(low + 1e-6) for low, high in ends)
    assert mode == ("resize" if side <= 64 else "tile")


def test_a_native_input_may_be_a_patch_larger_for_its_lattice():
    own = profile({"model": "rcf", "input_prep": "native", "patch_size": 8, "native_max_px": 32})
    prep = next(n for n in build_nodes(own).upstream() if n.stage == "prep")
    roi = Roi("r", {"type": "point", "lon": 8.7, "lat": 50.5, "buffer_m": 160})
    grid, polygon = roi_grid(roi, own["scale_m"], own["context_m"], own["least_side_m"])
    with pytest.raises(RoiError, match="more than native_max_px 32; raise that limit"):
        cut(prep_settings(prep), grid, polygon.wkt)
