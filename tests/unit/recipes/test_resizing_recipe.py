"""The recipe of resizing, on generated chips in EuroSAT's layout with generated weights.

The numbers that stand in for the published ones are computed here with torch, timm and
scikit-learn, in the way of the paper's repository.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from recipebench import copy_recipe, prepare, read_study, republish, run
from sklearn.neighbors import KNeighborsClassifier

from rsweep.models.timm.network import create
from rsweep.plan.published import read_published
from rsweep.recipes.obtain import obtain
from rsweep.recipes.recipe import read_recipe

sys.path.insert(0, str(Path(__file__).parents[2] / "standins"))
from eurosat_set import BANDS, CLASSES, image, write_eurosat

EACH = 8
WEIGHTS = {
    "resnet50_sentinel2_rgb_moco-2b57ba8b.pth": 3,
    "resnet50_sentinel2_rgb_seco-018bf397.pth": 3,
    "resnet50_sentinel2_all_moco-df8b932e.pth": 13,
}
KEPT = {
    "rgb": ("moco_divide_64", "moco_standardization_64", "moco_minmax_96", "rcf_divide_64"),
    "msi": ("moco_standardization_64", "rcf_divide_64"),
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The recipe with its data in a folder that studies start from, and its networks."""
    root = tmp_path_factory.mktemp("resizing")
    folder = copy_recipe("resizing", root)
    write_eurosat(folder / "data/eurosat", each=EACH)
    (folder / "data/splits").mkdir()
    for path in (folder / "data/eurosat").glob("*.txt"):
        path.rename(folder / "data/splits" / path.name)
    (folder / "data/weights").mkdir()
    networks = {}
    for number, (name, bands) in enumerate(WEIGHTS.items()):
        torch.manual_seed(number)
        networks[name] = create("resnet50", bands=bands).eval()
        torch.save(networks[name].state_dict(), folder / "data/weights" / name)
    told = yaml.safe_load((folder / "recipe.yaml").read_text())
    told["data"] = [{**each, "sha256": ""} for each in told["data"]]  # of invented files
    (folder / "recipe.yaml").write_text(yaml.safe_dump(told))
    return folder, networks


@pytest.fixture
def inside(recipe, monkeypatch):
    folder, networks = recipe
    monkeypatch.chdir(folder.parents[1])
    obtain(read_recipe(folder), offline=True)
    prepare(folder)
    return folder, networks


def split(folder, name):
    lines = (folder / f"data/splits/eurosat-{name}.txt").read_text().split()
    return [line.removesuffix(".jpg") for line in lines]


def inputs(names, settings, constants):
    """Chips as the authors' loader gives them: bands, constants, then resized [N, C, s, s]."""
    at = [BANDS.index(band) for band in settings["bands"]]
    chips = np.stack([image(n.rsplit("_", 1)[0], int(n.rsplit("_", 1)[1]))[at] for n in names])
    pairs = np.array([constants["s2"][band] for band in settings["bands"]])[:, :, None, None]
    scaled = torch.from_numpy(((chips - pairs[:, 0]) / pairs[:, 1]).astype(np.float32))
    size = settings["image_size"]
    return torch.nn.functional.interpolate(scaled, (size, size), mode="bilinear")


def features(pixels, settings, networks):
    with torch.inference_mode():
        if settings["model"] != "rcf":
            network = networks[Path(settings["weights"]).name]
            return network.global_pool(network.forward_features(pixels)).numpy()
        filters = torch.randn(256, pixels.shape[1], 3, 3, generator=torch.Generator())
        found = torch.nn.functional.conv2d(pixels, filters)
        halves = [torch.relu(found - 1), torch.relu(-(found - 1))]
        return torch.cat([half.mean(dim=(2, 3)) for half in halves], dim=1).numpy()


def accuracy(folder, networks, settings, constants):
    parts = [split(folder, name) for name in ("train", "test")]
    train, test = (features(inputs(p, settings, constants), settings, networks) for p in parts)
    labels, truth = ([name.rsplit("_", 1)[0] for name in part] for part in parts)
    return KNeighborsClassifier(5).fit(train, labels).score(test, truth)


def write_small(folder, kind, **base):
    """small.yaml and small.csv: a few of a study's profiles, with other settings of its base."""
    config = yaml.safe_load((folder / f"{kind}.yaml").read_text())
    config["profiles"] = {name: config["profiles"][name] for name in KEPT[kind]}
    config["base"] |= base
    told = {**config, "study": "small", "published": "recipes/resizing/small.csv"}
    (folder / "small.yaml").write_text(yaml.safe_dump(told))
    with (folder / f"{kind}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if row["profile"] in KEPT[kind] and not row["minus"]]
    with (folder / "small.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    return config


def turned(table):
    """A ROI table with the parts to train on and to score turned round."""
    words = {"train": "test", "test": "train"}
    lines = [line.rpartition(",") for line in table.splitlines()]
    return "\n".join(f"{rest},{words.get(word, word)}" for rest, _, word in lines) + "\n"


def statuses(folder):
    return {row["status"] for row in run(read_study(folder, "small.yaml"))}


def own_numbers(folder, networks, kind):
    """small.yaml, with what torch, timm and scikit-learn give as its published numbers."""
    config = write_small(folder, kind)
    constants = config["base"]["constants"]

    def number(row):
        settings = {**config["base"], **config["profiles"][row["profile"]]}
        return accuracy(folder, networks, settings, constants[settings["normalization"]])

    republish(folder / "small.csv", number, lambda row: 1e-6)
    return constants


def test_numbers_of_all_bands_come_out(inside):
    folder, networks = inside
    own_numbers(folder, networks, "msi")
    rows = run(read_study(folder, "small.yaml"))
    assert [row["status"] for row in rows] == ["pass"] * len(KEPT["msi"])


def test_numbers_of_three_bands_come_out_and_those_of_other_settings_do_not(inside):
    folder, networks = inside
    constants = own_numbers(folder, networks, "rgb")
    numbers = (folder / "small.csv").read_text()
    rows = run(read_study(folder, "small.yaml"))
    assert [row["status"] for row in rows] == ["pass"] * len(KEPT["rgb"])
    assert len({row["published"] for row in rows}) > 1
    table = folder / "data/chips.csv"
    before = table.read_text()
    table.write_text(turned(before))
    assert "fail" in statuses(folder)
    table.write_text(before)
    other = {
        name: {"s2": {b: [m + 2 * s, s / 5] for b, (m, s) in stated["s2"].items()}}
        for name, stated in constants.items()
    }
    write_small(folder, "rgb", constants=other)
    (folder / "small.csv").write_text(numbers)
    assert "fail" in statuses(folder)


def test_the_studies_name_every_published_profile_and_only_those(inside):
    folder, _ = inside
    for kind, count in (("rgb", 90), ("msi", 69)):
        study = read_study(folder, f"{kind}.yaml")
        rows = read_published(folder / f"{kind}.csv")
        assert len(rows) == count
        named = {name for row in rows for name in (*row.profiles, *row.minus)}
        assert named == {profile.name for profile in study.profiles}
    assert set(CLASSES) == {roi.properties["label"] for roi in study.rois}
