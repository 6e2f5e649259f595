"""Provider `chips`: published images reach the network's input as they are, with their labels."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from chip_forms import COUNT, FORMS, IMAGES, LABELS, RGB, SIDE, SPLITS
from pyproj import Transformer
from rasterio.warp import transform_bounds

from rsweep.cli import main
from rsweep.core import digests
from rsweep.core.errors import SourceError
from rsweep.core.grid import Grid
from rsweep.core.knobs import Problem
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi, parse_row
from rsweep.core.roi_table import read_rois
from rsweep.core.shards import Shard
from rsweep.plan.evaluation import check_evaluate
from rsweep.plan.profiles import resolve
from rsweep.sources import chips
from rsweep.sources.chips import index
from rsweep.sources.chips.places import made_up_places
from rsweep.sources.chips.table import chip_table
from rsweep.sources.registry import check_options, parse_options
from rsweep.stages.fetch.used import used_scenes

sys.path.insert(0, str(Path(__file__).parents[2] / "standins"))
from eurosat_set import BANDS, CLASSES, TIF, image, write_eurosat

EUROSAT = {
    "bands": list(BANDS),
    "splits": {split: f"eurosat-{split}.txt" for split in ("train", "val", "test")},
}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    """Every test sees its own data sets and its own cache of digests."""
    monkeypatch.setattr(digests, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(digests, "_memory", {})
    index._index.cache_clear()


def options(**own) -> dict:
    return parse_options("chips", own)


def rois_of(found: dict, scale_m: float = 10) -> list[Roi]:
    rows = csv.DictReader(io.StringIO(chip_table(found, scale_m).text()))
    return [parse_row(dict(row)) for row in rows]


def framed(bench, found: dict, **own) -> dict[str, np.ndarray]:
    """ROI -> its frame [C, H, W] after fetch and composite."""
    own = {"provider": "chips", "chips": found, "bands": found["bands"], "context_m": None, **own}
    bench.run(rois_of(found), "fetch", **own)
    node, _ = bench.run(rois_of(found), "composite", **own)
    listed = bench.rois(node)
    assert not [roi["error"] for roi in listed if roi["error"]]
    order = [listed[0]["bands"].index(band) for band in found["bands"]]
    with bench.open(node) as file:
        return {roi["id"]: file[str(i)]["frames"][0][order] for i, roi in enumerate(listed)}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_images_labels_and_splits(form, bench, tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    found = options(bands=RGB, **FORMS[form](root))
    assert check_options("chips", found) == []
    frames = framed(bench, found)
    assert set(frames) == {f"c{i}" for i in range(COUNT)}
    for i in range(COUNT):
        np.testing.assert_array_equal(frames[f"c{i}"], IMAGES[i].transpose(2, 0, 1))
    told = {roi.id: (roi.properties["label"], roi.properties["split"]) for roi in rois_of(found)}
    assert told == {f"c{i}": (LABELS[i], SPLITS[i]) for i in range(COUNT)}


@pytest.mark.parametrize("composite", ["median", "mean", "mosaic"])
def test_values_pass_exactly_whatever_composite_and_type(composite, bench, tmp_path):
    """Zero and the largest value of a type among them, which are missing in a sensor's scenes."""
    values = {
        "int16": np.array([[-32768, -1], [0, 32767]]),
        "uint16": np.array([[0, 1], [65534, 65535]]),
        "float32": np.array([[-0.25, 0.0], [1e-7, 1e6]]),
        "float64": np.array([[np.nan, 0.0], [1 / 3, 2.0]]),
    }
    for dtype, raw in values.items():
        np.savez(tmp_path / f"{dtype}.npz", images=raw[None].astype(dtype))
        found = options(path=str(tmp_path / f"{dtype}.npz"), bands=["B4"])
        (frame,) = framed(bench, found, composite=composite).values()
        np.testing.assert_array_equal(frame[0], raw.astype(dtype).astype(np.float32))


def test_gain_offset_unit_and_nodata_are_the_users(bench, tmp_path):
    np.savez(tmp_path / "a.npz", images=np.array([[[0, 255], [10, 20]]], np.uint8))
    path = str(tmp_path / "a.npz")
    (frame,) = framed(
        bench, options(path=path, bands=["B4"], gain=4, offset=-8, nodata=255)
    ).values()
    np.testing.assert_array_equal(frame[0], [[-8, np.nan], [32, 72]])
    (frame,) = framed(bench, options(path=path, bands=["B4"], unit="reflectance")).values()
    np.testing.assert_array_equal(frame[0], [[0, 2_550_000], [100_000, 200_000]])
    np.savez(tmp_path / "s1.npz", images=np.array([[[1.0, 100.0], [0.01, 0.0]]]))
    radar = options(path=str(tmp_path / "s1.npz"), sensor="s1", bands=["VV"], unit="linear")
    (frame,) = framed(bench, radar, modality="s1").values()
    np.testing.assert_allclose(frame[0], [[0, 20], [-20, np.nan]], atol=1e-5)


def test_eurosat_as_it_is_unpacked(bench, tmp_path):
    write_eurosat(tmp_path / "euro", each=3, side=16)
    found = options(path=str(tmp_path / "euro"), **EUROSAT)
    assert check_options("chips", found) == []
    rois = {roi.id: roi for roi in rois_of(found)}
    assert len(rois) == 30
    for name in CLASSES:
        own = [rois[f"{name}_{n}"].properties for n in (1, 2, 3)]
        assert [each["label"] for each in own] == [name] * 3
        assert [each["split"] for each in own] == ["train", "train", "validation"]
    frames = framed(bench, found)
    np.testing.assert_array_equal(frames["River_2"], image("River", 2, 16))


def test_a_georeferenced_chip_lies_where_its_file_says_on_its_own_pixels(bench, tmp_path):
    write_eurosat(tmp_path / "euro", each=1, side=16)
    found = options(path=str(tmp_path / "euro"), bands=list(BANDS))
    node, _ = bench.run(rois_of(found), "fetch", provider="chips", chips=found, context_m=None)
    (told,) = [roi for roi in bench.rois(node) if roi["id"] == "Forest_1"]
    with rasterio.open(tmp_path / "euro" / TIF / "Forest/Forest_1.tif") as file:
        corner = file.transform
        west, south, east, north = transform_bounds(file.crs, 4326, *file.bounds)
    grid = Grid.from_dict(told["grid"])
    assert grid == Grid("EPSG:32632", corner.c, corner.f, 10.0, 16, 16)
    assert grid.x0 % 60  # on no lattice of anybody else
    (roi,) = [roi for roi in rois_of(found) if roi.id == "Forest_1"]
    assert roi.shape["lon"] == pytest.approx((west + east) / 2, abs=1e-6)
    assert roi.shape["lat"] == pytest.approx((south + north) / 2, abs=1e-6)
    assert roi.shape["buffer_m"] == 80


def test_a_georeference_in_degrees_gives_the_centre_alone(bench, tmp_path):
    write_geotiff(tmp_path / "d" / "a.tif", "EPSG:4326", Affine(1e-4, 0, 9.0, 0, -1e-4, 50.0))
    found = options(path=str(tmp_path / "d"), bands=["B4"])
    node, _ = bench.run(rois_of(found), "fetch", provider="chips", chips=found, context_m=None)
    grid = Grid.from_dict(bench.rois(node)[0]["grid"])
    assert (grid.crs, grid.scale_m, grid.height, grid.width) == ("EPSG:32632", 10, 8, 8)
    left, bottom, right, top = grid.bounds
    x, y = Transformer.from_crs(4326, 32632, always_xy=True).transform(9.0004, 49.9996)
    assert ((left + right) / 2, (bottom + top) / 2) == pytest.approx((x, y), abs=0.01)


def write_geotiff(path: Path, crs: str, transform: Affine) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=8,
        width=8,
        dtype="uint8",
        crs=crs,
        transform=transform,
    ) as file:
        file.write(np.full((1, 8, 8), 7, np.uint8))


def test_another_pixel_size_than_scale_m_is_refused_until_the_georeference_is_ignored(
    bench, tmp_path
):
    write_geotiff(tmp_path / "d" / "a.tif", "EPSG:32632", Affine(20, 0, 5e5, 0, -20, 5e6))
    found = options(path=str(tmp_path / "d"), bands=["B4"])
    own = {"provider": "chips", "context_m": None}
    node, _ = bench.run(rois_of(found), "fetch", chips=found, **own)
    assert "its pixels are 20 m" in bench.rois(node)[0]["error"]
    node, _ = bench.run(rois_of(found), "fetch", chips=found, scale_m=20, **own)
    assert bench.rois(node)[0]["error"] is None
    ignored = {**found, "georeference": "ignore"}
    node, _ = bench.run(rois_of(ignored), "fetch", chips=ignored, **own)
    assert bench.rois(node)[0]["grid"]["scale_m"] == 10


@pytest.mark.parametrize(("size", "side"), [(6, 12), (12, 12), (30, 12)])
def test_resized_input_is_torchs_antialiased_bilinear_of_the_whole_chip(
    size, side, bench, tmp_path
):
    found = options(bands=RGB, **FORMS["npz"](tmp_path))
    node, _ = bench.run(
        rois_of(found),
        "prep",
        provider="chips",
        chips=found,
        bands=RGB,
        context_m=None,
        input_prep="resize",
        image_size=size,
        patch_size=size,
    )
    with bench.open(node) as file:
        tiles = file[f"{size}/s2/pixels"][:, 0]
        real = file[f"{size}/real"][:]
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(IMAGES.transpose(0, 3, 1, 2)).float(),
        (size, size),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    np.testing.assert_allclose(tiles * 1500 + 2000, wanted, atol=2e-3)
    assert (real == 1).all()
    assert side == SIDE


def test_native_input_is_the_chip_with_a_reflection_up_to_whole_patches(bench, tmp_path):
    found = options(bands=RGB, **FORMS["npz"](tmp_path))
    for patch, side in ((4, 12), (8, 16)):
        node, _ = bench.run(
            rois_of(found),
            "prep",
            provider="chips",
            chips=found,
            bands=RGB,
            context_m=None,
            input_prep="native",
            patch_size=patch,
        )
        with bench.open(node) as file:
            tiles, real = file[f"{side}/s2/pixels"][:, 0], file[f"{side}/real"][:]
        margin = (side - SIDE) // 2
        wanted = np.pad(IMAGES, ((0, 0), (margin, margin), (margin, margin), (0, 0)), "reflect")
        np.testing.assert_allclose(tiles * 1500 + 2000, wanted.transpose(0, 3, 1, 2), atol=1e-3)
        assert real == pytest.approx((SIDE / side) ** 2, abs=0.01)


def used(found: dict, rois: list[Roi]) -> dict[str, dict[str, str]]:
    """Shard -> its chips and their digests, for two shards."""
    settings = {"provider": "chips", "collection": "s2", "sensor": "s2"}
    shards = [Shard("one", rois[:2]), Shard("two", rois[2:])]
    return used_scenes(Node("fetch", 3, settings), found, shards)


def test_the_key_holds_how_values_are_read_but_neither_labels_nor_where_they_lie(tmp_path):
    one = FORMS["table"](_made(tmp_path / "one"))
    other = FORMS["table"](_made(tmp_path / "other"))
    (tmp_path / "other" / "all.csv").write_text(
        (tmp_path / "one" / "all.csv").read_text().replace("forest", "wood")
    )
    told = chips.identity(options(bands=RGB, **one), "s2")
    rois = rois_of(options(bands=RGB, **one))
    assert chips.identity(options(bands=RGB, **other), "s2") == told
    assert used(options(bands=RGB, **other), rois) == used(options(bands=RGB, **one), rois)
    for changed in ({"gain": 2}, {"bands": ["B2", "B3", "B4"]}, {"nodata": 0}):
        assert chips.identity(options(**{"bands": RGB, **one, **changed}), "s2") != told


@pytest.mark.parametrize("form", ["table", "tar"])
def test_a_changed_chip_changes_the_shards_that_hold_it_alone(form, tmp_path):
    before = options(bands=RGB, **FORMS[form](_made(tmp_path / "one")))
    after = options(bands=RGB, **FORMS[form](_made(tmp_path / "other")))
    rois = sorted(rois_of(before), key=lambda roi: roi.id)  # c0 and c1 train, the others not
    changed = tmp_path / "other" / {"table": "c3.png", "tar": "test-000.tar"}[form]
    changed.write_bytes(changed.read_bytes() + b" ")
    index._index.cache_clear()
    one, other = used(before, rois), used(after, rois)
    assert one["one"] == other["one"]
    differ = {name for name in one["two"] if one["two"][name] != other["two"][name]}
    assert differ == {"table": {"c3"}, "tar": {"c3", "c4"}}[form]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def problems(**own) -> str:
    return "\n".join(map(str, check_options("chips", options(**own))))


def test_what_is_wrong_with_a_data_set_is_said_before_any_work(tmp_path):
    good = FORMS["table"](_made(tmp_path / "d"))
    assert "path" in problems()
    assert "not there" in problems(path=str(tmp_path / "none"))
    assert "did you mean 'B4'" in problems(**{**good, "bands": ["B04", "B3", "B2"]})
    assert "twice" in problems(**{**good, "bands": ["B4", "B4", "B2"]})
    assert "columns" in problems(**{**good, "columns": {"lable": "class"}})
    assert "no radar" in problems(**good, unit="linear")
    assert "'kind', which is not among" in problems(**{**good, "columns": {"label": "kind"}})
    (tmp_path / "d" / "c0.png").unlink()
    index._index.cache_clear()
    assert "lists 'c0.png', which is not a file" in problems(**good)
    (tmp_path / "empty").mkdir()
    assert "none of the 0 files" in problems(path=str(tmp_path / "empty"))


def test_a_split_that_lists_no_chip_or_lists_one_twice_is_refused(tmp_path):
    good = FORMS["folders"](_made(tmp_path / "d"))
    (tmp_path / "a.txt").write_text("c0.jpg\nc9.jpg\n")
    lists = {"train": str(tmp_path / "a.txt")}
    assert "1 of 2 names in the lists of splits are no chips" in problems(**good, splits=lists)
    (tmp_path / "a.txt").write_text("c0.jpg\n")
    lists["test"] = lists["train"]
    assert "c0 is listed in the splits test and train" in problems(**good, splits=lists)
    lists["test"] = str(tmp_path / "none.txt")
    assert "cannot be read" in problems(**good, splits=lists)


def test_an_image_that_is_broken_or_has_other_bands_fails_its_own_roi(bench, tmp_path):
    good = FORMS["folders"](_made(tmp_path / "d"))
    found = options(bands=RGB, **good)
    rois = rois_of(found)
    (tmp_path / "d/train/forest/c0.png").write_bytes(b"no image")
    index._index.cache_clear()
    own = {"provider": "chips", "bands": ["B4"], "context_m": None}
    node, _ = bench.run(rois, "fetch", chips=found, **own)
    errors = {roi["id"]: roi["error"] for roi in bench.rois(node)}
    assert "c0.png cannot be read as an image" in errors.pop("c0")
    assert set(errors.values()) == {None}
    two = {**found, "bands": ["B4", "B3"]}
    node, _ = bench.run(rois[1:2], "fetch", chips=two, **own)
    assert "3 bands, and `bands` names 2" in bench.rois(node)[0]["error"]


def test_a_roi_that_is_no_chip_has_a_reason(bench, tmp_path):
    found = options(bands=RGB, **FORMS["npz"](tmp_path))
    elsewhere = Roi("c99", {"type": "point", "lon": 1.0, "lat": 1.0, "buffer_m": 60.0})
    node, _ = bench.run(
        [elsewhere], "fetch", provider="chips", chips=found, bands=RGB, context_m=None
    )
    assert "is no chip of the data set" in bench.rois(node)[0]["error"]


def test_made_up_places_share_no_ground_and_stay_when_others_come_and_go():
    names = [f"chip{i}" for i in range(500)]
    places = made_up_places(names)
    lonlat = np.array([places[name] for name in names])
    assert len(np.unique(lonlat, axis=0)) == 500
    gaps = np.abs(lonlat[:, None] - lonlat[None]).max(axis=2)
    np.fill_diagonal(gaps, 9)
    assert gaps.min() > 0.5  # degrees, more than any chip is wide
    fewer = made_up_places(names[:-1])
    moved = [name for name in fewer if fewer[name] != places[name]]
    assert len(moved) <= 5


def test_spatial_folds_of_made_up_places_are_refused(tmp_path):
    found = options(bands=RGB, **FORMS["npz"](tmp_path))
    rois = rois_of(found)
    assert {roi.properties["place"] for roi in rois} == {"made-up"}
    told = "\n".join(map(str, check_evaluate({"label": "label", "folds": 2}, rois, "s.yaml")))
    assert "made up" in told
    assert "column, random, group" in told
    split = {"label": "label", "cv": "column", "column": "split"}
    assert check_evaluate(split, rois, "s.yaml") == []


def test_places_and_dates_of_a_table_become_the_rois(tmp_path):
    root = _made(tmp_path / "d")
    FORMS["table"](root)
    rows = ["file,label,longitude,latitude,date"]
    rows += [f"c{i}.png,x,{10 + i},{45 + i},2019-07-0{i + 1}T10:00:00" for i in range(COUNT)]
    (root / "all.csv").write_text("\n".join(rows))
    rois = rois_of(options(path=str(root), table="all.csv", bands=RGB))
    assert [roi.shape["lon"] for roi in rois] == [10, 11, 12, 13, 14]
    assert (rois[1].start, rois[1].end) == ("2019-07-02", "2019-07-03")
    assert "place" not in rois[0].properties


def test_the_scene_is_of_the_middle_of_the_window_and_names_its_file(bench, tmp_path):
    found = options(bands=RGB, **FORMS["parquet"](_made(tmp_path / "d")))
    node, _ = bench.run(
        rois_of(found),
        "fetch",
        provider="chips",
        chips=found,
        bands=RGB,
        context_m=None,
        temporal={"year": 2018},
    )
    (scene,) = bench.rois(node)[0]["scenes"]
    file = next((tmp_path / "d/data").glob(f"{SPLITS[int(scene['id'][1])]}*"))
    assert scene["time"] == "2018-07-02"
    assert scene["properties"]["sha256"] == digests.sha256_file(file)


@pytest.mark.parametrize(
    ("own", "knob"),
    [
        ({"context_m": 100}, "context_m"),
        ({"least_side_m": 100}, "least_side_m"),
        ({"model": "galileo", "weights": "random", "frames": 3}, "frames"),
        ({"composite": "least_cloudy"}, "composite"),
        ({"fetch_granularity": "composite"}, "fetch_granularity"),
    ],
)
def test_what_an_image_by_itself_cannot_give_is_an_error(own, knob, tmp_path):
    found = options(bands=RGB, **FORMS["npz"](tmp_path))
    base = {"model": "rcf", "provider": "chips", "chips": found, "temporal": {"year": 2018}}
    _, errors = resolve({**base, **own}, {})
    assert knob in dict(errors)


def test_images_of_another_sensor_than_the_model_reads_are_an_error(tmp_path):
    found = options(bands=RGB, **FORMS["npz"](tmp_path))
    with pytest.raises(SourceError, match="images are of s2, and the model is fed s1"):
        chips.identity(found, "s1")


STUDY = {
    "study": "t",
    "rois": "out/rois.csv",
    "temporal": {"year": 2018},
    "base": {"model": "rcf", "provider": "chips", "bands": RGB},
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = FORMS["folders"](_made(tmp_path / "d"))
    path = tmp_path / "study.yaml"
    base = {**STUDY["base"], "chips": {"bands": RGB, **found}}
    path.write_text(json.dumps({**STUDY, "base": base}))
    return path


def test_the_command_writes_the_table_once_and_keeps_edits(study, capsys):
    assert main(["validate", str(study)]) == 1
    assert f"`rsweep chips {study}` writes it" in capsys.readouterr().err
    assert main(["chips", str(study)]) == 0
    said = capsys.readouterr().out
    assert "5 chips" in said
    assert "forest 2, town 1, water 2" in said
    assert "test 2, train 2, validation 1" in said
    assert "places: of 5 chips not known" in said
    table = study.parent / "out/rois.csv"
    rois, wrong = read_rois(table)
    assert (len(rois), wrong) == (5, [])
    assert main(["chips", str(study)]) == 0
    assert main(["validate", str(study)]) == 0
    edited = table.read_text().replace("town", "village")
    table.write_text(edited)
    assert main(["chips", str(study)]) == 1
    assert table.read_text() == edited
    assert main(["chips", str(study), "--force"]) == 0
    assert "town" in table.read_text()


def test_the_command_says_what_is_wrong_with_the_study(study, capsys):
    other = json.loads(study.read_text())
    for base, message in (
        ({"provider": "local"}, "base.provider: is 'local'"),
        ({"provider": "chips", "chips": {"pth": "x"}}, "did you mean 'path'"),
        ({"provider": "chips", "chips": {}}, "path: is missing"),
        ({**other["base"], "scale_m": "wide"}, "base.scale_m"),
    ):
        study.write_text(json.dumps({**other, "base": base}))
        assert main(["chips", str(study)]) == 1
        assert message in capsys.readouterr().err
    study.write_text(json.dumps({**other, "rois": "rois.gpkg"}))
    assert main(["chips", str(study)]) == 1
    assert "the .csv that is to be written" in capsys.readouterr().err


def test_a_check_of_options_gives_problems_and_never_raises(tmp_path):
    found = check_options("chips", options(path=str(tmp_path)))
    assert all(isinstance(problem, Problem) for problem in found)
    assert found
