"""Grids of neighbouring ROIs join as they are, unless a study asks for a lattice of each ROI."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio.merge import merge
from tinystudy import run_study, write_study

from rsweep.plan.study import load_study

ROIS = "id,lon,lat,buffer_m\na,8.7,50.5,190\nb,8.7047,50.5,150\nc,8.7031,50.4973,210\n"
"""Squares that overlap or nearly touch, at no round coordinates of UTM."""
WAYS = {
    "one_tile": {"image_size": 64, "patch_size": 16},
    "tiles": {"image_size": 32, "patch_size": 8, "tile_overlap": 8},
    "resized_tiles": {"image_size": 48, "tile_size": 32, "patch_size": 12},
    "native": {"input_prep": "native", "patch_size": 8},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Profile -> the grids of three neighbours."""
    folder = tmp_path_factory.mktemp("mosaic")
    write_study(folder)
    (folder / "rois.csv").write_text(ROIS)
    config = json.loads((folder / "study.yaml").read_text())
    config["base"] = {"model": "rcf", "features": 8, "output": "grid"}
    config["profiles"] = {
        f"{name}{end}": {**own, **lattice}
        for name, own in WAYS.items()
        for end, lattice in {"-roi": {"lattice": "roi"}, "": {}}.items()
    }
    config["profiles"]["resize"] = {"input_prep": "resize", "image_size": 32, "patch_size": 8}
    (folder / "study.yaml").write_text(json.dumps(config))
    run_study(folder / "study.yaml")
    study = load_study(folder / "study.yaml")
    return {
        p.name: sorted((study.folder / "profiles" / p.name / "grids").glob("*.tif"))
        for p in study.profiles
    }


def phases(paths):
    """Where the lattices of grids start, as a part of a cell."""
    found = []
    for path in paths:
        with rasterio.open(path) as file:
            cell, _, left, _, _, top = file.transform[:6]
            found.append(((left / cell) % 1, (top / cell) % 1))
    return np.round(found, 9) % 1


@pytest.mark.parametrize("way", WAYS)
def test_neighbours_join_without_resampling(files, way):
    paths = files[way]
    assert len(paths) == 3
    assert (phases(paths) == 0).all()
    joined, transform = merge(paths, method="first")
    left, top, cell = transform.c, transform.f, transform.a
    taken = np.zeros(joined.shape[1:], bool)
    for path in paths:  # in the order in which they were joined
        with rasterio.open(path) as file:
            assert file.res == (cell, cell)
            values, (_, height, width) = file.read(), file.read().shape
            row, col = (top - file.transform.f) / cell, (file.transform.c - left) / cell
        assert row == round(row)
        assert col == round(col)
        at = np.s_[int(row) : int(row) + height, int(col) : int(col) + width]
        own = np.isfinite(values[0]) & ~taken[at]
        assert own.any()
        np.testing.assert_array_equal(joined[:-1, *at][:, own], values[:-1][:, own])
        taken[at] |= np.isfinite(values[0])


def test_a_lattice_of_each_roi_joins_with_no_other(files):
    assert any((phases(files[f"{way}-roi"]) != 0).any() for way in WAYS)


def test_files_say_which_lattice_they_have(files):
    for name, paths in files.items():
        shared = name in WAYS
        for path in paths:
            with rasterio.open(path) as file:
                assert file.tags()["lattice"] == ("shared" if shared else "roi"), name
