"""What only the service itself can confirm of the Earth Engine source.

    pytest -m online tests/online/test_earthengine_live.py

Needs `earthengine authenticate` and a project (`earthengine set_project`, or EE_PROJECT). These
have not been run where the rest was written: there is no network there.
"""

import os
from dataclasses import replace

import numpy as np
import pytest

from rsweep.core.errors import SourceError, TransientError
from rsweep.core.grid import roi_grid
from rsweep.core.roi import Roi
from rsweep.sources import earthengine
from rsweep.sources.earthengine import collections, pixels, reduce

pytestmark = pytest.mark.online

LJUBLJANA = Roi("ljubljana", {"type": "point", "lon": 14.5, "lat": 46.05, "buffer_m": 600})
GRID, _ = roi_grid(LJUBLJANA, 10.0, 0.0)
WINDOW = ("2022-06-01", "2022-07-01")
SR = "COPERNICUS/S2_SR_HARMONIZED"
RGB = ["B4", "B3", "B2"]
RULES = {"scl": {"layer": "scl", "classes": [2, 4, 5, 6, 7, 11]}}


def opened(name, bands, orbit="any"):
    options = {"project": os.environ.get("EE_PROJECT", ""), "attempts": 3, "deadline_s": 60.0}
    source = earthengine.open_source(options, name, bands, orbit)
    try:
        source.client.connect()
    except (SourceError, TransientError) as error:
        pytest.skip(f"Earth Engine cannot be reached from here: {error}")
    return source


@pytest.mark.parametrize("name", collections.COLLECTIONS)
def test_every_collection_can_be_listed_and_read(name):
    source = opened(name, list(collections.find(name).bands))
    scenes = source.scenes(GRID, *WINDOW)
    got = next(source.read(scenes[:1], GRID))
    assert got.bands.shape == (len(source.bands), GRID.height, GRID.width)
    assert set(got.quality) == set(source.quality_layers)
    values = scenes[0].gain * got.bands.astype("f4") + scenes[0].offset
    unit = source.collection.kind.unit
    low, high = {"dB": (-60, 40), "embedding": (-1, 1)}.get(unit, (-2100, 20000))
    there = np.isfinite(values) & (got.bands != source.collection.kind.nodata)
    assert ((values[there] >= low) & (values[there] <= high)).all()
    if unit.startswith("reflectance") and there.any():
        assert np.median(values[there]) > 20  # reflectance x 10000, not reflectance


def test_versions_are_pinned_and_checked():
    source = opened(SR, RGB)
    scenes = source.scenes(GRID, *WINDOW)
    assert all(isinstance(s.properties["version"], int) for s in scenes)
    assert source.check_pinned(scenes) == []
    changed = replace(scenes[0], properties={**scenes[0].properties, "version": 1})
    assert "changed" in source.check_pinned([changed])[0]


def test_two_readings_are_the_same_bytes_and_parts_are_the_whole(monkeypatch):
    source = opened(SR, RGB)
    scenes = source.scenes(GRID, *WINDOW)[:4]
    whole = [p.bands.tobytes() for p in source.read(scenes, GRID)]
    assert whole == [p.bands.tobytes() for p in source.read(scenes, GRID)]
    blocks = pixels.blocks
    monkeypatch.setattr(pixels, "blocks", lambda h, w, b: blocks(h, w, b, limit=w * b * 40))
    assert whole == [p.bands.tobytes() for p in source.read(scenes, GRID)]


@pytest.mark.parametrize("method", reduce.METHODS)
def test_a_composite_of_the_service_equals_one_made_here(method):
    source = opened(SR, RGB)
    scenes = source.scenes(GRID, *WINDOW)[:5]
    found = list(source.read(scenes, GRID))
    (frame,) = reduce.composite_frames(source, [scenes], GRID, method, RULES)
    stack = np.stack([p.bands for p in found]).astype("f4")
    clear = np.stack([np.isin(p.quality["scl"], RULES["scl"]["classes"]) for p in found])
    stack[(stack == 0) | ~clear[:, None]] = np.nan
    assert np.array_equal(frame.count, np.isfinite(stack).any(1).sum(0))
    if method != "mosaic":
        wanted = {"median": np.nanmedian, "mean": np.nanmean}[method](stack, axis=0)
        np.testing.assert_allclose(frame.values, wanted, rtol=1e-6)
