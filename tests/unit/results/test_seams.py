"""Seams in closed form, and of tiles that a stage made."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tinystudy import run_study, write_study

from rsweep.core.store import Store
from rsweep.plan.study import load_study
from rsweep.results import seams
from rsweep.results.native import overlap_distances
from rsweep.results.ran import read_ran
from rsweep.results.seams import Change, change_of, owners, seam_of
from rsweep.results.table import sweep_rows
from rsweep.stages.prep.format import read_rois as prep_rois
from rsweep.stages.stitch.format import read_grid
from rsweep.stages.stitch.format import read_rois as stitch_rois

TILES = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])


def stairs(step: float, jump: float) -> np.ndarray:
    """A grid [2, 9, 9] whose first value grows by `step`, and by `jump` from tile to tile."""
    along = step * np.arange(9) + (jump - step) * TILES
    return np.stack([along[:, None] + along, np.zeros((9, 9))])


@pytest.mark.parametrize("jump", [0.5, 1.0, 4.0])
def test_a_seam_is_the_jump_between_tiles_over_the_step_inside(jump):
    assert change_of(stairs(0.5, jump), TILES, TILES).seam == pytest.approx(jump / 0.5)


def test_missing_cells_are_left_out_and_grids_are_added_up():
    values = stairs(0.5, 2.0)
    values[:, 2:4] = np.nan
    found = change_of(values, TILES, TILES)
    assert found.seam == pytest.approx(4)
    assert found.borders == 2 * 7 + 1 * 9
    both = found + change_of(stairs(0.5, 1.0), TILES, TILES)
    assert both.seam == pytest.approx((2.0 * 23 + 1.0 * 36) / 59 / 0.5)


def test_without_borders_or_change_there_is_no_seam():
    assert change_of(stairs(0.5, 2.0), np.zeros(9), np.zeros(9)).seam is None
    assert change_of(np.ones((2, 9, 9)), TILES, TILES).seam is None
    assert Change().seam is None


def test_a_cell_is_of_the_tile_in_which_it_lies_most_centrally():
    assert owners((0, 4), 4, slice(0, 8)).tolist() == [0] * 4 + [1] * 4
    assert owners((0, 2), 4, slice(1, 6)).tolist() == [0, 0, 1, 1, 1]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Tiles of four tokens a side, with and without overlap, and one tile."""
    folder = tmp_path_factory.mktemp("seams")
    grid = {"output": "grid", "patch_size": 8, "lattice": "roi"}
    path = write_study(
        folder,
        profiles={
            "apart": {**grid, "image_size": 16},
            "half": {**grid, "image_size": 16, "tile_overlap": 8},
            "one": {**grid, "image_size": 64},
            "pooled": {"image_size": 16},
        },
    )
    run_study(path)
    return load_study(path)


def test_a_study_tells_seams_where_tiles_are_several(ran):
    profiles = {profile.name: profile for profile in ran.profiles}
    found = {name: seam_of(ran, profile) for name, profile in profiles.items()}
    assert found["one"] is found["pooled"] is None
    assert found["apart"] > 0
    assert found["half"] > 0
    meta = json.loads((ran.folder / "profiles/apart/meta.json").read_text())
    assert meta["seam"] == found["apart"]
    rows = sweep_rows(ran, read_ran(ran), {"overlap_distance": overlap_distances(ran)})
    assert {row["profile"]: row.get("seam") for row in rows} == found
    (apart,) = [row for row in rows if "overlap_distance" in row]
    assert apart["profile"] == "apart"
    assert 0 < apart["overlap_distance"] < 1


def test_borders_are_where_prep_put_tiles(ran, monkeypatch):
    """Of tiles that do not overlap, by where prep's file says that each of them starts."""
    profile, seen = ran.profiles[0], []
    assert profile.name == "apart"
    monkeypatch.setattr(seams, "change_of", lambda *given: seen.append(given[1:]) or Change())
    seam_of(ran, profile)
    expected = []
    for shard in ran.shards:
        store = Store(ran.store)
        with (
            store.read(profile.node.inputs["tiles"], shard.name) as tiles,
            store.read(profile.node, shard.name) as file,
        ):
            rows = zip(prep_rois(tiles), stitch_rois(file), strict=True)
            for index, (tiled, row) in enumerate(rows):
                grid, (cell, _, x0, _, _, y0) = tiled["grid"], row["transform"]
                _, height, width = read_grid(file, index).values.shape
                x = (x0 + cell * (np.arange(width) + 0.5) - grid["x0"]) / grid["scale_m"]
                y = (grid["y0"] - y0 + cell * (np.arange(height) + 0.5)) / grid["scale_m"]
                lattice = tiled["lattice"]
                expected.append(
                    [
                        (np.asarray(lattice["tops"])[:, None] <= y).sum(axis=0) - 1,
                        (np.asarray(lattice["lefts"])[:, None] <= x).sum(axis=0) - 1,
                    ]
                )
    assert len(seen) == len(expected) == 3
    for own, told in zip(seen, expected, strict=True):
        assert all(np.array_equal(np.diff(a) != 0, np.diff(b) != 0) for a, b in zip(own, told))
        assert all(np.diff(a).any() for a in own)
