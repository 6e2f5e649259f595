"""Tiles see real surroundings, and what share of their input was real is said."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from stagebench import FakeSource, scenes

from rsweep.core.roi import Roi
from rsweep.sources.protocol import Pixels

PLACES = [
    Roi(f"r{i}", {"type": "point", "lon": 8.7 + 0.02 * i, "lat": 50.5, "buffer_m": size})
    for i, size in enumerate((90.0, 140.0, 350.0))
]
CLEAR = {
    "cloud_mask": "none",
    "image_size": 32,
    "patch_size": 8,
    "features": 8,
    "synthetic": {"cloudiness": 0},
}


def vectors(bench, node):
    with bench.open(node) as file:
        return file["embedding"][()]


@pytest.mark.parametrize("output", ["pooled", "grid"])
def test_by_default_every_pixel_is_real_and_more_context_moves_nothing(bench, output):
    enough, _ = bench.run(PLACES, context_m=None, output=output, **CLEAR)
    more, _ = bench.run(PLACES, context_m=900, output=output, **CLEAR)
    assert [roi["real_share"] for roi in bench.rois(enough)] == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(vectors(bench, enough), vectors(bench, more), rtol=1e-5)


def test_what_is_mirrored_is_said_per_tile_token_and_roi(bench, caplog):
    roi = Roi("r", {"type": "point", "lon": 8.7, "lat": 50.5, "buffer_m": 90.0})
    with caplog.at_level(logging.WARNING, "rsweep"):
        node, _ = bench.run([roi], context_m=0, output="grid", **CLEAR)
    grid = bench.rois(node)[0]["grid"]
    expected = grid["height"] * grid["width"] / 32**2  # the fetched square inside the one tile
    assert expected < 0.6
    tiles = node.inputs["tiles"]
    with bench.open(tiles) as file:
        np.testing.assert_allclose(file["32/real"][()], [expected], rtol=1e-5)
    with bench.open(node) as file:
        np.testing.assert_allclose(file["0/real_share"][()], expected, rtol=1e-5)
    assert bench.rois(node)[0]["real_share"] == pytest.approx(expected)
    assert bench.rois(node)[0]["valid_share"] == pytest.approx(1)
    assert ("r first: less than half" in caplog.text) == (expected < 0.5)


def half_missing(scene, grid) -> Pixels:
    values = np.full((12, grid.height, grid.width), 2000, np.uint16)
    values[:, :, : grid.width // 2] = 0
    return Pixels(values)


def test_missing_pixels_are_not_real(bench):
    bench.use(FakeSource(scenes("06-05"), half_missing))
    node, _ = bench.run(PLACES[:1], **CLEAR)
    with bench.open(node.inputs["tiles"]) as file:
        seen = file["32/s2/valid"][()].mean() / 255
        assert file["32/real"][()] == pytest.approx(seen, abs=1e-3)
    assert 0.3 < seen < 0.7
    assert bench.rois(node)[0]["real_share"] == pytest.approx(seen, abs=1e-3)
