"""Published annual maps of TESSERA, read from GeoTIFFs, in a sweep like any model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import rsweep

DOCS = (Path(__file__).parents[3] / "docs/layouts.md").read_text()
LEFT, TOP, SIDE = 478_000, 5_595_000, 200
PLACE = {"id": "a", "lon": 8.7, "lat": 50.5, "buffer_m": 200}


def documented(kind: str) -> str:
    """The block of a kind (yaml, python) in the section of the docs."""
    section = DOCS.split("## Embeddings that are there already")[1]
    found = re.search(rf"```{kind}\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """A tile of 2022 and one of 2023, whose dimension d at a pixel is d + row + the year's part."""
    (tmp_path / "layout.yaml").write_text(documented("yaml"))
    for year in (2022, 2023):
        values = (
            np.arange(128)[:, None, None] + np.arange(SIDE)[None, :, None] + (year - 2022) * 1e3
        )
        values = np.broadcast_to(values, (128, SIDE, SIDE)).astype("float32")
        with rasterio.open(
            tmp_path / f"tessera_{year}_tile.tif",
            "w",
            driver="GTiff",
            count=128,
            height=SIDE,
            width=SIDE,
            dtype="float32",
            crs="EPSG:32632",
            nodata=np.nan,
            transform=from_origin(LEFT, TOP, 10, 10),
        ) as file:
            file.write(values)
    return tmp_path


def embed(tiles: Path, **settings):
    return rsweep.embed(
        PLACE,
        model="tessera_annual",
        provider="local",
        local={"path": str(tiles)},
        store=tiles / "store",
        **settings,
    )


def test_a_year_of_it_is_the_mean_of_its_pixels(tiles):
    found = embed(tiles, start="2022-01-01", end="2023-01-01").vectors[0]
    assert found.shape == (128,)
    np.testing.assert_allclose(np.diff(found), 1, atol=1e-4)
    later = embed(tiles, start="2023-03-01", end="2023-10-01").vectors[0]
    np.testing.assert_allclose(later - found, 1000, atol=1e-2)


def test_tokens_are_means_over_patches(tiles):
    fine, coarse = (
        embed(tiles, start="2022-01-01", end="2023-01-01", output="grid", patch_size=patch)["a"]
        for patch in (1, 4)
    )
    assert float(abs(coarse.x[1] - coarse.x[0])) == 4 * float(abs(fine.x[1] - fine.x[0])) == 40


def test_the_documented_values_of_eight_bit_codes():
    space: dict = {}
    exec(documented("python"), space)
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(3, 5, 128)).astype("float32")
    scales = np.abs(truth).max(axis=-1) / 127
    codes = np.rint(truth / scales[..., None]).astype("int8")
    scales[0, 0] = 0
    found = space["values"](codes, scales)
    assert found.shape == (128, 3, 5)
    assert np.isnan(found[:, 0, 0]).all()
    error = np.abs(found.transpose(1, 2, 0) - truth)[1:] / scales[1:, :, None]
    assert error.max() <= 0.5 + 1e-3


def test_a_window_without_a_tile_says_so(tiles):
    found = embed(tiles, start="2010-01-01", end="2011-01-01")
    assert "from 2010-01-01 to 2011-01-01" in found["error"].iloc[0]
