"""The design: folds from the ROI table alone, blocks whole, no ground on both sides."""

import numpy as np
import pytest
from pyproj import Transformer

from rsweep.core.errors import RsweepError
from rsweep.core.roi import Roi
from rsweep.evaluate.blocks import auto_size_km, blocks_of, label_range_km
from rsweep.evaluate.design import make_design, read_design, write_design
from rsweep.plan.evaluation import OPTIONS

DEFAULTS = {name: knob.default for name, knob in OPTIONS.items()}


def options(**own):
    return {**DEFAULTS, "label": "y", "repeats": 1, **own}


def points(lonlat, labels, buffer_m=100, **columns):
    return [
        Roi(
            f"r{i}",
            {"type": "point", "lon": float(lon), "lat": float(lat), "buffer_m": buffer_m},
            None,
            None,
            {"y": label, **{k: v[i] for k, v in columns.items()}},
        )
        for i, ((lon, lat), label) in enumerate(zip(lonlat, labels, strict=True))
    ]


def clusters(count=12, size=5, spread=0.02, seed=0):
    """Places in groups some 90 to 150 km apart."""
    rng = np.random.default_rng(seed)
    centres = np.stack([np.arange(count) * 1.3 + 8, 50 + (np.arange(count) % 2) * 1.3], axis=1)
    return np.repeat(centres, size, axis=0) + rng.normal(0, spread, (count * size, 2))


def lattice(gap_m, side=20):
    """Centres on a lattice in UTM zone 33, whose metres are those of the ROIs' squares."""
    x, y = np.meshgrid(np.arange(side) * gap_m + 450_000, np.arange(side) * gap_m + 5_090_000)
    to_lonlat = Transformer.from_crs(32633, 4326, always_xy=True)
    return np.column_stack(to_lonlat.transform(x.ravel(), y.ravel()))


@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize("folds", [2, 3, 5])
def test_blocks_stay_whole_and_every_roi_is_scored_once(numeric, folds):
    rng = np.random.default_rng(1)
    labels = rng.normal(size=60) if numeric else rng.choice(["a", "b", "c"], 60)
    design = make_design(points(clusters(), labels), options(folds=folds, block_km=20, repeats=3))
    blocks = np.asarray(design.blocks)
    for repeat in range(3):
        tests = [design.test(repeat, fold) for fold in design.fold_names(repeat)]
        assert len(tests) == folds
        assert sorted(np.concatenate(tests)) == list(range(60))
        for fold, test in enumerate(tests):
            train = design.train(repeat, fold)
            assert not set(blocks[train]) & set(blocks[test])
            assert len(train) + len(test) == 60
    assert design.folds[0] != design.folds[1] != design.folds[2]


def test_folds_have_like_sizes_and_like_shares_of_classes():
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "rare"], 400, p=[0.5, 0.4, 0.1])
    lonlat = rng.uniform(0, 3, (400, 2)) + 40
    for cv in ("spatial", "random"):
        design = make_design(points(lonlat, labels), options(cv=cv, block_km=20))
        for fold in design.fold_names(0):
            own = labels[design.test(0, fold)]
            assert 70 <= len(own) <= 90
            assert 5 <= (own == "rare").sum() <= 11


@pytest.mark.parametrize("gap_m, buffer_m", [(1000, 1000), (500, 1000), (2000, 1000), (1000, 400)])
def test_no_ground_on_both_sides(gap_m, buffer_m):
    labels = np.random.default_rng(0).normal(size=400)
    lonlat = lattice(gap_m)
    design = make_design(points(lonlat, labels, buffer_m), options(block_km=5 * gap_m / 1000))
    to_utm = Transformer.from_crs(4326, 32633, always_xy=True)
    metres = np.column_stack(to_utm.transform(*lonlat.T))
    for fold in design.fold_names(0):
        train, test = design.train(0, fold), design.test(0, fold)
        apart = np.abs(metres[test][:, None] - metres[train][None]).max(axis=2)
        assert apart.min() >= 2 * buffer_m - 1
        assert len(train) > 100
    assert design.sharing() == 0


def test_buffer_keeps_more_away():
    labels = np.random.default_rng(0).normal(size=400)
    lonlat = lattice(1000)
    design = make_design(points(lonlat, labels, 100), options(block_km=5, buffer_m=2500))
    to_utm = Transformer.from_crs(4326, 32633, always_xy=True)
    metres = np.column_stack(to_utm.transform(*lonlat.T))
    train, test = design.train(0, 0), design.test(0, 0)
    assert np.abs(metres[test][:, None] - metres[train][None]).max(axis=2).min() >= 2700 - 2


def test_random_folds_count_what_they_share():
    labels = np.random.default_rng(0).normal(size=400)
    design = make_design(points(lattice(1000), labels, 1000), options(cv="random"))
    assert design.sharing() > 0.9
    assert len(design.train(0, 0)) == 320


def test_column_and_group():
    labels = ["a", "b"] * 30
    farms = [f"farm {i // 10}" for i in range(60)]
    design = make_design(points(clusters(), labels, farm=farms), options(cv="group", column="farm"))
    assert len(design.fold_names(0)) == 6
    assert {len(design.test(0, fold)) for fold in range(6)} == {10}
    parts = (["train"] * 4 + ["validation"] * 3 + ["test"] * 3) * 6
    design = make_design(
        points(clusters(), labels, part=parts), options(cv="column", column="part")
    )
    assert set(design.test(0, 0)) == {i for i in range(60) if parts[i] == "test"}
    assert set(design.train(0, 0)) <= {i for i in range(60) if parts[i] != "test"}
    assert set(design.validation) == {f"r{i}" for i in range(60) if parts[i] == "validation"}
    own = [str(i % 4) for i in range(60)]
    design = make_design(points(clusters(), labels, fold=own), options(cv="column", column="fold"))
    assert list(design.folds[0]) == [int(v) for v in own]


def test_labels_that_are_missing_and_classes_called_none():
    labels = ["none", "null", "", None, "nan", "a"] * 10
    design = make_design(points(clusters(), labels), options(cv="random"))
    assert design.classes == ["a", "none", "null"]
    assert design.labelled.sum() == 30


@pytest.mark.parametrize("name", ["profile", "key", "valid_share", "id", "error", "model"])
def test_a_label_may_be_called_what_a_result_column_is(name):
    labels = ["a", "b"] * 30
    rois = points(clusters(), [None] * 60, **{name: labels})
    design = make_design(rois, options(label=name, cv="random"))
    assert list(design.labels) == labels


def test_a_place_without_a_map_is_left_out():
    rois = points([*clusters(), (0.0, 89.0)], ["a", "b"] * 30 + ["a"])
    design = make_design(rois, options(block_km=20))
    assert design.labels[-1] is None
    assert design.folds[0][-1] == -1


def test_file_is_what_was_written(tmp_path):
    design = make_design(points(clusters(), ["a", "b"] * 30), options(repeats=2))
    write_design(design, tmp_path / "design.json")
    again = read_design(tmp_path / "design.json")
    assert again.digest == design.digest
    assert np.array_equal(again.train(1, 0), design.train(1, 0))


def test_other_labels_or_places_are_another_design():
    rois = points(clusters(), ["a", "b"] * 30)
    digests = {
        make_design(points(clusters(), labels), options()).digest
        for labels in (["a", "b"] * 30, ["b", "a"] * 30)
    }
    assert len(digests) == 2
    assert make_design(rois, options()).digest == make_design(rois, options()).digest


def test_too_few_blocks_say_what_would_help():
    with pytest.raises(RsweepError, match=r"evaluate.folds is 5.*3 blocks.*smaller block_km"):
        make_design(points(clusters(3, 20), ["a", "b"] * 30), options(block_km=30))


def test_groups_of_places_are_held_out_whole():
    lonlat = clusters(count=20, size=5)
    blocks = blocks_of(lonlat, 40.0)
    groups = np.repeat(np.arange(20), 5)
    cut = sum(len(set(blocks[groups == g])) > 1 for g in range(20))
    assert cut <= 2


def test_blocks_hold_across_the_antimeridian():
    lonlat = np.array([[179.99, 0], [-179.99, 0], [180.0, 0.001], [0, 0], [0.01, 0], [0.02, 0]])
    blocks = blocks_of(lonlat, 50.0)
    assert len(set(blocks[:3])) == len(set(blocks[3:])) == 1


@pytest.mark.parametrize("lat", [0, 45, 70])
def test_blocks_are_as_wide_as_stated(lat):
    lonlat = np.stack([np.linspace(10, 20, 2000), np.full(2000, lat)], axis=1)
    blocks = blocks_of(lonlat, 25.0)
    width = np.radians(10) * 6371 * np.cos(np.radians(lat))
    assert len(set(blocks)) == pytest.approx(width / 25, abs=2.5)


def test_range_of_labels():
    """Labels constant within squares of 0.4 degrees (44 km) are alike up to about that."""
    lonlat = np.random.default_rng(0).uniform(0, 8, (1500, 2))
    cell = np.floor(lonlat / 0.4).astype(int)
    classes = np.random.default_rng(1).integers(0, 4, (20, 20))[cell[:, 0], cell[:, 1]]
    assert 20 < label_range_km(lonlat, classes.astype(str)) < 80
    noise = np.random.default_rng(2).integers(0, 4, 1500).astype(str)
    assert label_range_km(lonlat, noise) < 30  # one of the first bins


def test_automatic_blocks_are_many_enough():
    lonlat = np.random.default_rng(0).uniform(0, 1, (200, 2))
    labels = (lonlat[:, 0] > 0.5).astype(str)
    size, reach = auto_size_km(lonlat, labels, 5)
    assert size < reach
    assert len(set(blocks_of(lonlat, size))) >= 20


def test_a_published_split_is_taken_as_it_is_with_buffer_none():
    """ROIs 1 km apart and 2 km wide: every scored one shares ground with one to train on."""
    lonlat, split = lattice(1000, side=6), ["train", "test"] * 18
    rois = points(lonlat, ["a", "b"] * 18, 1000, split=split)
    column = {"cv": "column", "column": "split"}
    apart = make_design(rois, options(**column))
    whole = make_design(rois, options(**column, buffer_m="none"))
    assert len(apart.train(0, 0)) == 0
    assert list(whole.train(0, 0)) == list(range(0, 36, 2))
    assert (apart.sharing(), whole.sharing()) == (0, 1)
    assert apart.digest != whole.digest
