"""Labelled cells: shares in closed form, any raster, one lattice, neighbours on one side."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from labelworld import X0, Y0, asked, square, write_raster
from rasterio.warp import Resampling, calculate_default_transform, reproject
from shapely.geometry import Polygon, box

from rsweep.core.errors import RsweepError
from rsweep.core.grid import roi_polygon
from rsweep.evaluate.cells import draw_cells, whole_cells
from rsweep.evaluate.design import make_design, read_design, write_design
from rsweep.evaluate.evaluation import evaluate, evaluate_profile, evaluation_key, read_predictions
from rsweep.evaluate.tokens import cell_features
from rsweep.results.given_tables import read_vectors

WHOLE = square("all", 0, 0, 600)


def blocks(values, side):
    """[rows, cols, side * side] of the blocks of a raster."""
    rows, cols = (size // side for size in values.shape)
    return values.reshape(rows, side, cols, side).swapaxes(1, 2).reshape(rows, cols, -1)


def by_place(cells, labels):
    return dict(zip(map(tuple, cells.centres), labels, strict=True))


@pytest.mark.parametrize("purity", [0.5, 0.8, 1.0])
def test_majority_of_the_pixels_in_a_cell(tmp_path, purity):
    rng = np.random.default_rng(0)
    quarters = rng.choice([1, 2, 3], (20, 20), p=[0.8, 0.1, 0.1])
    values = np.kron(quarters, np.ones((3, 3))).astype(np.uint8)
    values[rng.random(values.shape) < 0.02] = 0
    values[12:24, 12:24] = 0
    path = write_raster(tmp_path / "l.tif", values, nodata=0)
    cells, labels, task = draw_cells([WHOLE], asked(path, label_purity=purity))
    expected, mixed, unknown = {}, 0, 0
    for row, across in enumerate(blocks(values, 6)):
        for col, pixels in enumerate(across):
            counts = np.bincount(pixels, minlength=4)[1:] / 36
            if counts.sum() < purity - 1e-9:
                unknown += 1
            elif counts.max() < purity - 1e-9 or (counts == counts.max()).sum() > 1:
                mixed += 1
            else:
                at = (X0 + 60 * col + 30.0, Y0 - 60 * row - 30.0)
                expected[at] = str(counts.argmax() + 1)
    assert task == "classification"
    assert by_place(cells, labels) == expected
    assert cells.counts == {
        "seen": 100,
        "unknown": unknown,
        "mixed": mixed,
        "beyond": 0,
        "kept": len(expected),
    }
    assert mixed or unknown


def test_ignored_values_are_no_label(tmp_path):
    values = np.full((60, 60), 7, np.uint8)
    values[:, :30] = 9
    path = write_raster(tmp_path / "l.tif", values)
    cells, labels, _ = draw_cells([WHOLE], asked(path, label_ignore=[9.0], label_names={"7": "up"}))
    assert set(labels) == {"up"}
    assert {x for x, _ in cells.centres} == {X0 + 330.0, X0 + 390, X0 + 450, X0 + 510, X0 + 570}
    assert cells.counts["unknown"] == 50


@pytest.mark.parametrize("task", ["auto", "regression"])
def test_means_of_numbers(tmp_path, task):
    values = np.random.default_rng(0).normal(size=(60, 60)).astype(np.float32)
    values[:6, :6] = np.nan
    values[6, 0] = np.nan
    path = write_raster(tmp_path / "l.tif", values, nodata=float("nan"))
    cells, labels, found = draw_cells([WHOLE], asked(path, task=task))
    assert found == "regression"
    assert cells.counts == {"seen": 100, "unknown": 1, "mixed": 0, "beyond": 0, "kept": 99}
    held = by_place(cells, labels)
    for row, across in enumerate(blocks(values, 6)):
        for col, pixels in enumerate(across):
            if (row, col) != (0, 0):
                own = float(held[X0 + 60 * col + 30, Y0 - 60 * row - 30])
                assert own == pytest.approx(np.nanmean(pixels), abs=1e-6)


def test_pixels_larger_than_cells(tmp_path):
    values = np.arange(1, 26, dtype=np.uint8).reshape(5, 5)
    path = write_raster(tmp_path / "l.tif", values, pixel_m=120)
    cells, labels, _ = draw_cells([WHOLE], asked(path, label_cell_m=60.0))
    assert cells.counts["kept"] == 100
    for (x, y), label in by_place(cells, labels).items():
        assert int(label) == values[int((Y0 - y) // 120), int((x - X0) // 120)]


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:3035"])
def test_a_raster_in_another_coordinate_system_labels_the_same_ground(tmp_path, crs):
    """A fine copy in another system: where a cell is of one class there, it is so here."""
    rng = np.random.default_rng(0)
    values = np.kron(rng.choice([1, 2], (10, 10)), np.ones((6, 6))).astype(np.uint8)
    path = write_raster(tmp_path / "utm.tif", values)
    bounds = (X0, Y0 - 600, X0 + 600, Y0)
    affine, width, height = calculate_default_transform("EPSG:32633", crs, 300, 300, *bounds)
    there = np.zeros((height, width), np.uint8)
    reproject(
        values,
        there,
        src_transform=rasterio.Affine(10, 0, X0, 0, -10, Y0),
        src_crs="EPSG:32633",
        dst_transform=affine,
        dst_crs=crs,
        resampling=Resampling.nearest,
    )
    other = tmp_path / "other.tif"
    with rasterio.open(
        other,
        "w",
        driver="GTiff",
        crs=crs,
        count=1,
        dtype="uint8",
        height=height,
        width=width,
        transform=affine,
        nodata=0,
    ) as file:
        file.write(there, 1)
    same = by_place(*draw_cells([WHOLE], asked(path))[:2])
    found = by_place(*draw_cells([WHOLE], asked(other))[:2])
    assert len(same) == 100
    assert len(found) >= 95  # the rims of the copy lack slivers
    assert all(same[place] == label for place, label in found.items())


def test_cells_are_whole_and_neighbours_share_their_lattice():
    triangle = Polygon([(0, 0), (601, 0), (0, 601)])
    found = whole_cells(triangle, 60)
    assert len(found) == sum(range(10))  # nine in the longest row
    half = 30 - 2e-3
    assert all(triangle.covers(box(x - half, y - half, x + half, y + half)) for x, y in found)
    near = whole_cells(box(*(np.array(roi_polygon(square("b", 617, 40, 400))[1].bounds))), 60)
    assert ((near - (X0 + 30, Y0 - 30)) / 60 % 1 < 1e-6).all()


def test_draws_are_bounded_seeded_and_of_the_roi_alone(tmp_path):
    path = write_raster(tmp_path / "l.tif", np.full((120, 120), 3, np.uint8))
    first, second = square("a", 0, 0, 600), square("b", 600, 600, 600)
    few = asked(path, label_cells=7)
    both, _, _ = draw_cells([first, second], few)
    assert both.rois == ["a"] * 7 + ["b"] * 7
    assert both.counts["beyond"] == 2 * 93
    alone, _, _ = draw_cells([second], few)
    assert alone.centres == both.centres[7:]
    assert draw_cells([second], {**few, "label_seed": 1})[0].centres != alone.centres


def test_a_raster_elsewhere_says_so(tmp_path):
    path = write_raster(tmp_path / "l.tif", np.ones((10, 10), np.uint8))
    with pytest.raises(RsweepError, match=r"labels none of 100 cells.*100 without a label"):
        draw_cells([square("far", 60_000, 0, 600)], asked(path))


def grid_world(tmp_path, side=5, gap=600):
    """ROIs of 480 m, `gap` apart, over a raster whose class is that of its 240 m quarter."""
    rng = np.random.default_rng(3)
    pixels = gap * side // 10
    quarters = rng.choice([1, 2], (pixels // 24, pixels // 24))
    values = np.kron(quarters, np.ones((24, 24))).astype(np.uint8)
    path = write_raster(tmp_path / "l.tif", values)
    rois = [
        square(f"r{r}{c}", gap * c, gap * r, 480, farm=str(c))
        for r in range(side)
        for c in range(side)
    ]
    return path, rois


@pytest.mark.parametrize("cv", ["spatial", "random", "group"])
def test_cells_of_a_roi_are_on_one_side(tmp_path, cv):
    path, rois = grid_world(tmp_path)
    own = {"column": "farm"} if cv == "group" else {"block_km": 0.6}
    design = make_design(rois, asked(path, cv=cv, folds=3, label_cells=20, **own))
    assert len(design.ids) == len(set(design.ids)) > 300
    place, folds = np.asarray(design.rois), np.asarray(design.folds[0])
    for roi in set(design.rois):
        assert len(set(folds[place == roi])) == 1
        assert len(set(np.asarray(design.blocks)[place == roi])) == 1
    for fold in design.fold_names(0):
        assert not set(place[design.train(0, fold)]) & set(place[design.test(0, fold)])


def test_rois_that_share_ground_are_not_on_both_sides(tmp_path):
    """Two tables of one place in two groups: no cell of the one answers for the other."""
    path, rois = grid_world(tmp_path)
    twins = [
        dataclasses.replace(roi, id=f"twin {roi.id}", properties={"farm": f"twin {i}"})
        for i, roi in enumerate(rois)
    ]
    design = make_design([*rois, *twins], asked(path, cv="group", column="farm", folds=2))
    place = np.array([name.removeprefix("twin ") for name in design.rois])
    for fold in design.fold_names(0):
        assert not set(place[design.train(0, fold)]) & set(place[design.test(0, fold)])


def test_blocks_that_are_too_few_say_that_a_roi_is_one(tmp_path):
    path, _ = grid_world(tmp_path)
    with pytest.raises(RsweepError, match="cells of one ROI are in one block"):
        make_design([square("one", 0, 0, 2000)], asked(path, block_km=0.1))


def write_profile(folder, rois, vectors, token_m, valid=None):
    """A profile's results: tokens of `token_m` whose vector is `vectors(x, y)` at their centre."""
    import pyarrow as pa

    names, means, files = [], [], []
    (folder / "grids").mkdir(parents=True)
    for roi in rois:
        left, bottom, right, top = roi_polygon(roi)[1].bounds
        cols = int(np.ceil((right - left) / token_m - 1e-6))
        rows = int(np.ceil((top - bottom) / token_m - 1e-6))
        x, y = np.meshgrid(
            left + token_m * (np.arange(cols) + 0.5), top - token_m * (np.arange(rows) + 0.5)
        )
        grid = np.stack(vectors(x, y)).astype(np.float32)
        shares = np.ones((1, rows, cols), np.float32) if valid is None else valid(x, y)[None]
        held = np.concatenate([grid, shares.astype(np.float32)])
        path = folder / "grids" / f"{roi.id}.tif"
        affine = rasterio.Affine(token_m, 0, left, 0, -token_m, top)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            crs="EPSG:32633",
            count=len(held),
            dtype="float32",
            height=rows,
            width=cols,
            nodata=float("nan"),
            transform=affine,
        ) as file:
            file.write(held)
            file.descriptions = [*(f"dim_{i}" for i in range(len(grid))), "valid_share"]
        names.append(roi.id)
        means.append(grid.mean(axis=(1, 2)).tolist())
        files.append(f"grids/{path.name}")
    pq.write_table(
        pa.table(
            {"id": names, "embedding": means, "valid_share": [1.0] * len(names), "grid": files}
        ),
        folder / "embeddings.parquet",
    )


def test_a_cell_has_the_vector_of_the_token_that_holds_it(tmp_path):
    path, rois = grid_world(tmp_path)
    design = make_design(rois, asked(path, folds=2, block_km=0.6))
    write_profile(tmp_path / "p", rois, lambda x, y: (x, y), 80.0)
    found = cell_features(tmp_path / "p", design.cells)
    # float32 holds northings to half a metre
    assert np.abs(found - np.asarray(design.cells.centres)).max() <= 40.5
    assert np.abs(found - np.asarray(design.cells.centres)).max() > 5


def test_a_token_without_enough_valid_ground_says_nothing(tmp_path):
    path, rois = grid_world(tmp_path)
    design = make_design(rois, asked(path, folds=2, block_km=0.6))
    middle = X0 + 1500
    write_profile(
        tmp_path / "p",
        rois,
        lambda x, y: (x, y),
        60.0,
        valid=lambda x, y: np.where(x < middle, 0.4, 0.6),
    )
    found = cell_features(tmp_path / "p", design.cells)
    x = np.asarray(design.cells.centres)[:, 0]
    assert (np.isnan(found).all(axis=1) == (x < middle)).all()


def test_a_pooled_profile_says_of_every_cell_what_it_says_of_the_roi(tmp_path):
    path, rois = grid_world(tmp_path)
    design = make_design(rois, asked(path, folds=2, block_km=0.6))
    write_profile(tmp_path / "p", rois, lambda x, y: (x, y), 60.0)
    table = pq.read_table(tmp_path / "p" / "embeddings.parquet")
    pq.write_table(table.drop_columns("grid"), tmp_path / "p" / "embeddings.parquet")
    found = cell_features(tmp_path / "p", design.cells)
    means = dict(zip(table["id"].to_pylist(), table["embedding"].to_pylist(), strict=True))
    assert np.array_equal(found, np.array([means[r] for r in design.cells.rois], np.float32))
    given = read_vectors(tmp_path / "p" / "embeddings.parquet", design.rois)
    assert np.array_equal(given, found)


def test_finer_tokens_tell_more_where_labels_are_finer_than_a_roi(tmp_path):
    """Profiles of other token sizes answer for the same cells, and the finer one answers better."""
    path, rois = grid_world(tmp_path)
    options = asked(path, folds=5, block_km=0.6, probes=["knn"], repeats=1)
    design = make_design(rois, options)
    with rasterio.open(path) as file:
        values = file.read(1)

    def seen(x, y):
        """What a token of 240 m or less that starts with a quarter would see."""
        cover = values[((Y0 - y) // 10).astype(int) % len(values), ((x - X0) // 10).astype(int)]
        return cover, np.zeros_like(cover)

    write_profile(tmp_path / "fine", rois, seen, 60.0)
    write_profile(tmp_path / "coarse", rois, seen, 480.0)
    fine, coarse = (evaluate_profile(tmp_path / n, design, options) for n in ("fine", "coarse"))
    assert fine.rois == coarse.rois == len(design.ids)
    assert fine.scores["knn"]["balanced_accuracy"] == 1.0
    assert 0.3 < coarse.scores["knn"]["balanced_accuracy"] < 0.9


def test_files_are_what_was_written(tmp_path):
    path, rois = grid_world(tmp_path)
    options = asked(path, folds=3, block_km=0.6, probes=["knn"])
    design = make_design(rois, options)
    write_design(design, tmp_path / "design.json")
    read = read_design(tmp_path / "design.json")
    assert read.digest == design.digest
    assert read.cells.counts == design.cells.counts
    write_profile(tmp_path / "p", rois, lambda x, y: (x, y), 60.0)
    evaluate_profile(tmp_path / "p", design, options)
    _, held = evaluate(cell_features(tmp_path / "p", design.cells), design, options)
    found = read_predictions(tmp_path / "p", read)
    assert np.array_equal(found["knn", 0], held["knn", 0])
    told = pq.read_table(tmp_path / "p" / "predictions.parquet")
    assert told.column_names[:3] == ["roi", "x", "y"]
    assert [told["x"][0].as_py(), told["y"][0].as_py()] == list(design.cells.centres[0])
    assert set(told["roi"].to_pylist()) == set(design.cells.rois)


def test_the_rasters_content_is_in_the_key(tmp_path):
    path, rois = grid_world(tmp_path)
    options = asked(path, folds=3, block_km=0.6)
    design = make_design(rois, options)
    features = np.zeros((len(design.ids), 2), np.float32)
    before = evaluation_key(features, design, options)
    with rasterio.open(path, "r+") as file:
        file.update_tags(edited="a pixel that no cell shows")
    again = make_design(rois, options)
    assert list(again.labels) == list(design.labels)
    assert evaluation_key(features, again, options) != before
