"""The recipe of torchgeo-bench, on generated chips in EuroSAT's layout with generated weights.

The numbers that stand in for the published ones are computed here with torch, timm and
scikit-learn, in the way of its code: chips resized, then z-scored or divided; an input
convolution of three bands repeated over 13; five neighbours, and logistic regression whose C
validation chooses, of features as they are.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from recipebench import copy_recipe, prepare, read_study, republish, run
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from rsweep.models.timm.network import create
from rsweep.plan.published import read_published
from rsweep.recipes.obtain import obtain
from rsweep.recipes.recipe import read_recipe

sys.path.insert(0, str(Path(__file__).parents[2] / "standins"))
from eurosat_set import BANDS, CLASSES, image, write_eurosat

EACH = 10
KEPT = ("moco18_zscore_64", "moco18_native_64")
GRID = np.logspace(-6, 4, 40)
"""Of C, as published; the small study tries a few of them, and few profiles."""
FEW = GRID[2:14:5]
PARTS = ("train", "val", "test")


def weights_of(config):
    """Name of each file of weights that a study reads -> its network, and bands of its own."""
    named = {
        Path(each["weights"]).name: each["model"].partition(":")[2]
        for each in config["profiles"].values()
    }
    return {name: (arch, 13 if "_all_" in name else 3) for name, arch in named.items()}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The recipe with a few of its profiles and its data; and its networks."""
    folder = copy_recipe("torchgeo_bench", tmp_path_factory.mktemp("bench"))
    write_eurosat(folder / "data/eurosat", each=EACH)
    (folder / "data/splits").mkdir()
    for part in PARTS:
        listed = folder / f"data/eurosat/eurosat-{part}.txt"
        listed.rename(folder / f"data/splits/eurosat-spatial-{part}.txt")
    told = yaml.safe_load((folder / "recipe.yaml").read_text())
    told["data"] = [{**each, "sha256": "", "sha256_starts": ""} for each in told["data"]]
    (folder / "recipe.yaml").write_text(yaml.safe_dump(told))
    return folder, write_weights(folder)


def write_weights(folder):
    """Files of random weights under the published names; of profiles not run, no weights."""
    config = yaml.safe_load((folder / "knn.yaml").read_text())
    (folder / "data/weights").mkdir()
    read = weights_of({"profiles": {name: config["profiles"][name] for name in KEPT}})
    networks = {}
    for number, (name, (arch, bands)) in enumerate(weights_of(config).items()):
        path = folder / "data/weights" / name
        path.write_text(name)  # each another file
        if name in read:
            torch.manual_seed(number)
            networks[name] = create(arch, bands=bands).eval()
            torch.save(networks[name].state_dict(), path)
    return networks


@pytest.fixture
def inside(recipe, monkeypatch):
    folder, networks = recipe
    monkeypatch.chdir(folder.parents[1])
    obtain(read_recipe(folder), offline=True)
    prepare(folder)
    return folder, networks


def names(folder, part):
    lines = (folder / f"data/splits/eurosat-spatial-{part}.txt").read_text().split()
    return [line.removesuffix(".jpg") for line in lines]


def inputs(chips, settings, constants):
    """Chips of a part, resized as they are and then normalised [N, C, s, s]."""
    at = [BANDS.index(band) for band in settings["bands"]]
    raw = np.stack([image(n.rsplit("_", 1)[0], int(n.rsplit("_", 1)[1]))[at] for n in chips])
    side = settings["image_size"]
    sized = torch.nn.functional.interpolate(
        torch.from_numpy(raw.astype(np.float32)), (side, side), mode="bilinear", align_corners=False
    )
    pairs = torch.tensor([constants["s2"][band] for band in settings["bands"]])[:, :, None, None]
    return (sized - pairs[:, 0]) / pairs[:, 1]


def features(pixels, settings, networks):
    """The pooled output of the network, its first convolution fitted to the bands."""
    own = networks[Path(settings["weights"]).name]
    network = create(settings["model"].partition(":")[2], bands=pixels.shape[1]).eval()
    state = own.state_dict()
    if own.conv1.in_channels != pixels.shape[1]:
        state["conv1.weight"] = repeated(state["conv1.weight"], pixels.shape[1])
    network.load_state_dict(state)
    with torch.inference_mode():
        return network(pixels).numpy()


def repeated(kernel, bands):
    """timm's rule: red, green and blue over and over, and in all as bright as three bands."""
    return kernel[:, [band % 3 for band in range(bands)]] * 3 / bands


def fitted(c, seen, labels):
    return LogisticRegression(C=c, tol=1e-6, max_iter=4000).fit(seen.astype(np.float64), labels)


def accuracies(folder, networks, settings, constants):
    """Accuracy on the test part of both probes."""
    x, y = {}, {}
    for part in PARTS:
        chips = names(folder, part)
        x[part] = features(inputs(chips, settings, constants), settings, networks)
        y[part] = np.array([name.rsplit("_", 1)[0] for name in chips])
    scores = [fitted(c, x["train"], y["train"]).score(x["val"], y["val"]) for c in FEW]
    both = [np.concatenate([parts["train"], parts["val"]]) for parts in (x, y)]
    linear = fitted(FEW[np.argmax(scores)], *both).score(x["test"], y["test"])
    nearest = KNeighborsClassifier(5).fit(x["train"], y["train"]).score(x["test"], y["test"])
    return {"knn_accuracy": nearest, "linear_accuracy": linear}


def write_small(folder, kind):
    """small.yaml and small.csv: a few profiles and their numbers."""
    config = yaml.safe_load((folder / f"{kind}.yaml").read_text())
    config["profiles"] = {name: config["profiles"][name] for name in KEPT}
    if kind == "linear":
        config["evaluate"]["strength"] = [float(1 / c) for c in FEW]
    told = {**config, "study": "small", "published": "recipes/torchgeo_bench/small.csv"}
    (folder / "small.yaml").write_text(yaml.safe_dump(told))
    with (folder / f"{kind}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "small.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["profile"] in KEPT)
    return config


def own_numbers(folder, networks, kind):
    """Put what torch, timm and scikit-learn give in place of the published numbers."""
    config = write_small(folder, kind)
    found = {}
    for name, own in config["profiles"].items():
        settings = {**config["base"], **own}
        constants = config["base"]["constants"][settings["normalization"]]
        found[name] = accuracies(folder, networks, settings, constants)
    republish(
        folder / "small.csv",
        lambda row: found[row["profile"]][row["measure"]],
        lambda row: 1e-6,
    )


def failed(folder, **other):
    rows = run(read_study(folder, "small.yaml", **other))
    return {row["what"] for row in rows if row["status"] == "fail"}


@pytest.mark.parametrize("kind", ["knn", "linear"])
def test_numbers_come_out_and_those_of_other_settings_do_not(inside, kind):
    folder, networks = inside
    own_numbers(folder, networks, kind)
    rows = run(read_study(folder, "small.yaml"))
    assert [row["status"] for row in rows] == ["pass"] * 2, rows
    assert len({row["published"] for row in rows}) == 2
    if kind == "linear":
        return
    config = yaml.safe_load((folder / "small.yaml").read_text())
    scores, divided = (config["base"]["constants"][name] for name in ("zscore", "native"))
    assert failed(folder, base={"constants": {"zscore": divided, "native": scores}})
    larger = {name: {**own, "image_size": 96} for name, own in config["profiles"].items()}
    assert failed(folder, profiles=larger)
    table = folder / "data/chips.csv"
    before = table.read_text()
    table.write_text(turned(before))
    assert failed(folder)
    table.write_text(before)


def turned(table):
    """A ROI table with the parts to train on and to score turned round."""
    words = {"train": "test", "test": "train"}
    lines = [line.rpartition(",") for line in table.splitlines()]
    return "\n".join(f"{rest},{words.get(word, word)}" for rest, _, word in lines) + "\n"


@pytest.mark.parametrize("kind, count", [("knn", 30), ("linear", 18)])
def test_the_studies_name_every_published_profile_and_only_those(inside, kind, count):
    folder, _ = inside
    study = read_study(folder, f"{kind}.yaml")
    rows = read_published(folder / f"{kind}.csv")
    assert len(rows) == count
    assert {name for row in rows for name in row.profiles} == {p.name for p in study.profiles}
    assert set(CLASSES) == {roi.properties["label"] for roi in study.rois}
    chips = [
        row.value * 5400 for row in rows
    ]  # accuracies of 5,400 chips are whole numbers of them
    assert np.allclose(chips, np.round(chips), atol=0.01)
    if kind == "linear":
        config = yaml.safe_load((folder / "linear.yaml").read_text())
        assert np.allclose(config["evaluate"]["strength"], np.sort(1 / GRID), rtol=1e-7)
