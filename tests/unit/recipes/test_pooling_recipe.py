"""The recipe of poolings, on generated embeddings in the layout of the published ones.

The numbers that stand in for the published ones are computed here with numpy and scikit-learn, in
the way of the paper's repository.
"""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from recipebench import copy_recipe, prepare, read_study, republish, run
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from rsweep.plan.published import read_published
from rsweep.recipes.obtain import obtain
from rsweep.recipes.recipe import read_recipe

SETS = {
    "aef": ("eurosat-aef", "uint8"),
    "tessera": ("eurosat-tessera", "float32"),
    "olmoearth_nano": ("eurosat-olmoearth-nano", "float32"),
}
CLASSES = ("AnnualCrop", "Forest", "SeaLake")
EACH, SIDE, DIMS = 14, 8, 4
TESTED = 15
"""Chips that are scored."""


def pooled(values, how):
    """A chip's pixels [D, h, w] as one vector, by plain numpy."""
    flat = values.reshape(len(values), -1).T.astype(np.float64)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    bell = np.exp(-(x**2 + y**2) / (2 * (SIDE / 4) ** 2)).ravel()
    cubes = (flat**3).mean(axis=0)
    return {
        "mean": flat.mean(axis=0),
        "max": flat.max(axis=0),
        "gem": np.cbrt(cubes),
        "centre": bell @ flat / bell.sum(),
        "mean_std": np.hstack([flat.mean(axis=0), flat.std(axis=0)]),
        "mean_max": np.hstack([flat.mean(axis=0), flat.max(axis=0)]),
        "percentiles": np.percentile(flat, (10, 25, 50, 75, 90), axis=0).ravel(),
        "stats": np.hstack(
            [flat.min(axis=0), flat.max(axis=0), flat.mean(axis=0), flat.std(axis=0)]
        ),
    }[how]


def write_chips(data):
    """Chips of every set as the archives have them; set -> chip -> pixels."""
    rng = np.random.default_rng(7)
    found = {name: {} for name in SETS}
    for number, (label, i) in enumerate((c, i) for c in CLASSES for i in range(1, EACH + 1)):
        for name, (folder, dtype) in SETS.items():
            level, spread = CLASSES.index(label), 1 + CLASSES.index(label)
            values = rng.normal(0.8 * level, spread, (DIMS, SIDE, SIDE)) + rng.normal(0, 1)
            values = np.clip(127 + 20 * values, 0, 255) if dtype == "uint8" else values
            path = data / folder / folder / label / f"{label}_{i}.tif"  # a folder in the archive
            path.parent.mkdir(parents=True, exist_ok=True)
            place = from_origin(500_000 + 640 * number, 5_500_000, 10, 10)
            with rasterio.open(
                path,
                "w",
                driver="GTiff",
                count=DIMS,
                height=SIDE,
                width=SIDE,
                dtype=dtype,
                crs="EPSG:32632",
                transform=place,
            ) as file:
                file.write(values.astype(dtype))
            found[name][f"{label}/{label}_{i}"] = values.astype(dtype)
    return found


def write_splits(folder):
    """Lists of chips as torchgeo has them; split -> (chips to train on, chips to score)."""
    folder.mkdir(parents=True)
    names = [f"{label}_{i}" for label in CLASSES for i in range(1, EACH + 1)]
    found = {}
    for split, prefix in (("random", "eurosat"), ("spatial", "eurosat-spatial")):
        order = np.random.default_rng(len(prefix)).permutation(len(names))
        parts = {"train": order[:22], "val": order[22:27], "test": order[-TESTED:]}
        for side, rows in parts.items():
            lines = "\n".join(f"{names[i]}.jpg" for i in rows)
            (folder / f"{prefix}-{side}.txt").write_text(lines)
        found[split] = [
            [f"{names[i].rsplit('_', 1)[0]}/{names[i]}" for i in parts[side]]
            for side in ("train", "test")
        ]
    return found


def accuracy(chips, how, sides, measure):
    """The published probes: accuracy on the test chips."""
    train, test = ([pooled(chips[name], how) for name in side] for side in sides)
    train, test = np.float32(train), np.float32(test)
    labels, truth = ([name.split("/")[0] for name in side] for side in sides)
    if measure == "linear_accuracy":
        scale = StandardScaler().fit(train)
        model = LogisticRegression(C=1.0, max_iter=1000).fit(scale.transform(train), labels)
        return accuracy_score(truth, model.predict(scale.transform(test)))
    model = KNeighborsClassifier(5, metric="cosine", algorithm="brute").fit(train, labels)
    return accuracy_score(truth, model.predict(test))


def tolerance(row):
    """None of neighbours; a chip of the linear probe, whose solvers stop at 1e-3 and at 1e-4."""
    return 1e-6 if row["measure"].startswith("knn") else 1.01 / TESTED


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """The recipe with its data, and the numbers that other code gives for each row."""
    monkeypatch.chdir(tmp_path)
    folder = copy_recipe("pooling", tmp_path)
    chips = write_chips(folder / "data")
    sides = write_splits(folder / "data/splits")
    obtain(read_recipe(folder), offline=True)
    prepare(folder)

    def number(split):
        def of_row(row):
            names = [name.strip() for name in row["profile"].split(";")]
            sets = [next((s, n[len(s) + 1 :]) for s in SETS if n.startswith(s)) for n in names]
            return np.mean(
                [accuracy(chips[s], how, sides[split], row["measure"]) for s, how in sets]
            )

        return of_row

    for split in ("spatial", "random"):
        republish(folder / f"{split}.csv", number(split), tolerance)
    return folder


def test_every_number_comes_out_and_another_setting_does_not(recipe):
    for split in ("spatial", "random"):
        rows = run(read_study(recipe, f"{split}.yaml"))
        assert len(rows) == 64
        failed = [row for row in rows if row["status"] != "pass"]
        assert not failed, split
        assert len({row["regenerated"] for row in rows}) > 5  # which tells settings apart
    other = {"study": "other", "published": "recipes/pooling/spatial.csv"}
    for wrong in (
        {"rois": "recipes/pooling/data/random.csv"},
        {"evaluate": {"knn_scaled": True}},
        {"evaluate": {"k": 1}},
    ):
        rows = run(read_study(recipe, "spatial.yaml", **other, **wrong))
        assert "fail" in {row["status"] for row in rows}, wrong


def test_the_published_numbers_are_a_table_whose_averages_agree():
    from recipebench import RECIPES

    for split in ("spatial", "random"):
        rows = {each.what: each for each in read_published(RECIPES / f"pooling/{split}.csv")}
        for what, row in rows.items():
            if what.startswith("average, "):
                own = [
                    rows[f"{name}, {what.removeprefix('average, ')}"]
                    for name in ("AEF", "OE", "Tess")
                ]
                assert [each.profiles[0] for each in own] == list(row.profiles)
                mean = sum(each.value for each in own) / 3
                assert row.value == pytest.approx(mean, abs=0.0011)  # numbers of one digit
        assert rows["AEF, Mean, linear"].value == {"spatial": 0.811, "random": 0.953}[split]
