"""show: what a profile says of a ROI, in numbers, in half blocks and as a PNG."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from PIL import Image
from shapely import Point

from rsweep.cli import main
from rsweep.commands.half_blocks import fit, half_blocks
from rsweep.library.picture import colours, find_embedding
from rsweep.library.results import open_results

VALUES = np.arange(2 * 3 * 4, dtype="float32").reshape(2, 3, 4)


@pytest.fixture
def results(tmp_path: Path, monkeypatch) -> Path:
    """A pooled and a grid profile of two ROIs, one of which failed."""
    monkeypatch.chdir(tmp_path)
    for profile in ("pooled", "grid"):
        folder = tmp_path / "results/demo/profiles" / profile
        (folder / "grids").mkdir(parents=True)
        (folder / "meta.json").write_text("{}")
        frame = geopandas.GeoDataFrame(
            {
                "id": ["lost", "a"],
                "embedding": [[np.nan, np.nan], [3.0, -4.0]],
                "valid_share": [0.0, 0.5],
                "error": ["no scene", None],
                "grid": [None, "grids/a.tif" if profile == "grid" else None],
            },
            geometry=[Point(9, 50), Point(9, 51)],
            crs="EPSG:4326",
        )
        frame.to_parquet(folder / "embeddings.parquet")
    values = VALUES.copy()
    values[:, 0, 0] = np.nan
    bands = np.concatenate([values, np.ones((1, 3, 4), "float32")])
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(40, 0, 500000, 0, -40, 5600000)}
    with rasterio.open(
        folder / "grids/a.tif",
        "w",
        driver="GTiff",
        dtype="float32",
        count=3,
        height=3,
        width=4,
        nodata=np.nan,
        **place,
    ) as file:
        file.write(bands)
    return tmp_path / "results/demo"


def shown(capsys, *words: str) -> dict:
    assert main(["show", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_numbers_of_a_vector_are_those_of_the_file(results, capsys):
    found = shown(capsys, "pooled")  # the first ROI that has one; the only study with the profile
    assert found["vector"] == [3.0, -4.0]
    assert (found["roi"], found["kind"], found["norm"]) == ("a", "pooled", 5.0)
    assert (found["mean"], found["deviation"], found["valid_share"]) == (-0.5, 3.5, 0.5)


def test_numbers_of_a_grid_leave_missing_cells_out(results, capsys):
    found = shown(capsys, "results/demo:grid", "a")
    assert (found["rows"], found["columns"], found["dimensions"]) == (3, 4, 2)
    assert (found["cell_m"], found["crs"], found["missing_cells"]) == (40.0, "EPSG:32632", 1)
    there = np.delete(VALUES.reshape(2, -1), 0, axis=1)
    assert found["mean"] == pytest.approx(there.mean())
    assert found["norm"] == pytest.approx(np.linalg.norm(there, axis=0).mean())
    main(["show", "grid"])
    assert "3 x 4 cells of 40 m in EPSG:32632, 2 dimensions, 1 cells missing" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("profile", ["pooled", "grid"])
def test_a_png_is_written(results, capsys, tmp_path, profile):
    assert main(["show", profile, "a", "--png", "a.png"]) == 0
    assert "a.png" in capsys.readouterr().out
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 800
        assert len(image.convert("RGB").getcolors(10**6)) > 4
        assert json.loads(image.text["Description"])["roi"] == "a"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["grod"], "no study in results/ has this profile"),
        (["results/demo:grod"], "did you mean 'grid'"),
        (["grid", "b"], "has no ROI 'b'; it has lost, a"),
        (["grid", "lost"], "ROI lost has no embedding: no scene"),
        (["grid", "--png", "nowhere/a.png"], "nowhere/a.png"),
    ],
)
def test_what_cannot_be_shown_is_an_error(results, capsys, words, told):
    assert main(["show", *words]) == 1
    assert told in capsys.readouterr().err


def test_a_profile_of_two_studies_needs_the_study(results, capsys):
    other = results.parent / "other/profiles/grid"
    other.mkdir(parents=True)
    assert main(["show", "grid"]) == 1
    assert "results/demo:grid or results/other:grid" in capsys.readouterr().err


def test_colours_of_a_grid_follow_its_values_and_missing_cells_have_none(results):
    image = colours(find_embedding(open_results(results), "grid", "a"))
    assert image.shape == (3, 4, 4)
    assert image[..., 3].tolist() == [[0, 1, 1, 1], [1] * 4, [1] * 4]
    first = image[..., 0].ravel()[1:]  # the values rise along their one direction
    assert np.all(np.diff(first) >= 0)
    assert first[-1] == 1.0


def test_colours_of_a_vector_are_red_above_and_blue_below_zero(results):
    image = colours(find_embedding(open_results(results), "pooled", "a"))
    assert image.shape == (1, 2, 4)
    assert image[0, 0, 0] > image[0, 0, 2]
    assert image[0, 1, 2] > image[0, 1, 0]


def test_half_blocks_have_two_pixels_to_a_character():
    red, blue, nothing = (1, 0, 0, 1), (0, 0, 1, 1), (0, 0, 0, 0)
    text = half_blocks(np.array([[red, nothing], [blue, blue], [red, nothing]], float), 2, 2)
    assert text.plain == "▀▄\n▀ \n"
    upper, lower, last = (span.style for span in text.spans[:3])
    assert (upper.color.name, upper.bgcolor.name) == ("#ff0000", "#0000ff")
    assert (lower.color.name, lower.bgcolor) == ("#0000ff", None)
    assert last.color.name == "#ff0000"


def test_images_fit_their_room():
    small, large = np.ones((3, 4, 4)), np.ones((100, 50, 4))
    assert fit(small, 40, 40).shape == (24, 32, 4)  # 8 to a cell at the most
    assert fit(small, 9, 40).shape == (6, 8, 4)
    shrunk = fit(large, 20, 30)
    assert shrunk.shape == (25, 13, 4)
    assert np.all(shrunk == 1)  # what is beyond the edge has no part in the mean


def test_embeddings_of_others_are_shown_by_name_and_by_folder(results, capsys):
    folder = results / "given/theirs"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text("{}")
    frame = geopandas.GeoDataFrame(
        {"id": ["a"], "embedding": [[3.0, -4.0]], "valid_share": [1.0], "error": [""]},
        geometry=[Point(9, 51)],
        crs="EPSG:4326",
    )
    frame.to_parquet(folder / "embeddings.parquet")
    for named in ("theirs", "results/demo/given/theirs", "results/demo:theirs"):
        assert main(["show", named, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["vector"] == [3.0, -4.0]


def test_a_folder_of_a_profile_names_it(results, capsys):
    assert main(["show", "results/demo/profiles/pooled", "a"]) == 0
    assert "pooled, ROI a" in capsys.readouterr().out
