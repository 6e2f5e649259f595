"""Data sets that a package reads reach the study value for value.

Where a package is not installed, a module with the interface that is used stands in for it.
"""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path
from types import MappingProxyType, ModuleType, SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
import yaml

from rsweep.cli import main
from rsweep.core.errors import SourceError, StudyError
from rsweep.models.torchvision_shim import ensure_torchvision
from rsweep.plan.chips import table_of_study
from rsweep.sources.chips import identity
from rsweep.sources.chips.loader_option import check_loader
from rsweep.sources.chips.loaders import load
from rsweep.sources.registry import parse_options

sys.path.insert(0, str(Path(__file__).parents[2] / "standins"))
from eurosat_set import BANDS, CLASSES, TIF, image, write_eurosat


class EuroSAT:
    """torchgeo's class of this name, as far as it is used."""

    classes = CLASSES

    def __init__(self, root, split="train", bands=None):
        listed = (Path(root) / f"eurosat-{split}.txt").read_text().split()
        self.names = sorted(name.removesuffix(".jpg") for name in listed)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, row):
        kind, number = self.names[row].split("_")
        values = torch.from_numpy(image(kind, int(number)).astype(np.float32))
        return {"image": values, "label": torch.tensor(CLASSES.index(kind))}


@pytest.fixture
def torchgeo(monkeypatch):
    """Whichever there is: the package, or a module that stands in."""
    ensure_torchvision()
    try:
        importlib.import_module("torchgeo.datasets")
    except ImportError:
        package, module = ModuleType("torchgeo"), ModuleType("torchgeo.datasets")
        module.EuroSAT = EuroSAT
        monkeypatch.setitem(sys.modules, "torchgeo", package)
        monkeypatch.setitem(sys.modules, "torchgeo.datasets", module)


def study(folder: Path, **loader) -> Path:
    file = folder / "study.yaml"
    chips = {"path": str(folder / "chips"), "bands": list(BANDS), "loader": loader}
    file.write_text(
        yaml.safe_dump(
            {
                "study": "loaded",
                "rois": str(folder / "chips.csv"),
                "temporal": {"year": 2018},
                "base": {"provider": "chips", "scale_m": 10, "chips": chips, "model": "rcf"},
            }
        )
    )
    return file


def test_a_data_set_of_torchgeo_is_written_value_for_value(tmp_path, torchgeo, capsys):
    write_eurosat(tmp_path / "set")
    assert (tmp_path / "set" / TIF).is_dir()
    file = study(tmp_path, torchgeo="EuroSAT", root=str(tmp_path / "set"))
    assert main(["chips", str(file)]) == 0
    said = capsys.readouterr().out
    assert "60 chips" in said
    assert "test 10, train 40, validation 10" in said
    rows = list(csv.DictReader((tmp_path / "chips.csv").read_text().splitlines()))
    assert {row["label"] for row in rows} == set(CLASSES)
    with h5py.File(tmp_path / "chips" / "val.h5", locking=False) as held:
        assert held["image"].shape == (10, 13, 64, 64)
        labels = [label.decode() for label in held["label"][:]]
        first = held["image"][0]
    assert sorted(labels) == sorted(CLASSES)
    assert np.array_equal(first, image(labels[0], 3))
    assert main(["validate", str(file)]) == 0


def test_what_was_written_is_not_read_again(tmp_path, monkeypatch):
    (tmp_path / "chips").mkdir()
    monkeypatch.setitem(sys.modules, "torchgeo", None)
    load({"torchgeo": "EuroSAT", "root": "nowhere"}, tmp_path / "chips")


def test_a_data_set_of_the_hub(tmp_path, monkeypatch):
    rng, asked = np.random.default_rng(0), {}
    pictures = rng.integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)

    class Split(list):
        features = MappingProxyType({"label": SimpleNamespace(names=["field", "wood"])})

    def load_dataset(**arguments):
        asked.update(arguments)
        rows = [{"image": p, "label": n % 2} for n, p in enumerate(pictures)]
        return {"train": Split(rows[:4]), "test": Split(rows[4:])}

    module = ModuleType("datasets")
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    load({"datasets": "someone/some", "revision": "abc"}, tmp_path / "chips")
    assert asked == {"path": "someone/some", "revision": "abc"}
    with h5py.File(tmp_path / "chips" / "test.h5") as held:
        assert np.array_equal(held["image"][:], pictures[4:])
        assert held["label"][:].tolist() == [b"field", b"wood"]


def test_a_package_that_is_not_there_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SourceError, match=r"needs datasets.*rsweep\[recipes\]"):
        load({"datasets": "someone/some"}, tmp_path / "chips")
    assert not (tmp_path / "chips").exists()


def test_images_of_two_shapes_leave_nothing_behind(tmp_path, monkeypatch):
    module = ModuleType("datasets")
    split = [{"image": np.zeros((side, side, 3))} for side in (4, 5)]
    holder = type("Split", (list,), {"features": {}})(split)
    module.load_dataset = lambda **arguments: {"train": holder}
    monkeypatch.setitem(sys.modules, "datasets", module)
    with pytest.raises(SourceError, match="one shape"):
        load({"datasets": "someone/some"}, tmp_path / "chips")
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_is_not_there(tmp_path, torchgeo):
    with pytest.raises(SourceError, match="'NoSuchSet'"):
        load({"torchgeo": "NoSuchSet", "root": "x"}, tmp_path / "chips")


@pytest.mark.parametrize(
    ("loader", "wrong"),
    [
        ({"torchgeo": "EuroSAT"}, "`root`"),
        ({"torchgeo": "A", "datasets": "b"}, "names 2 packages"),
        ({"torchgeo": "A", "root": "b", "split": "c"}, "'split'"),
        ({"datasets": "b", "revision": "c"}, ""),
    ],
)
def test_what_a_loader_may_say(loader, wrong):
    assert wrong in check_loader(loader)
    assert bool(check_loader(loader)) == bool(wrong)


def test_a_study_says_what_is_wrong_with_its_loader(tmp_path):
    config = yaml.safe_load(study(tmp_path, torchgeo="EuroSAT").read_text())
    with pytest.raises(StudyError, match=r"chips\.loader.*root"):
        table_of_study(config, "study.yaml")


def test_a_loader_is_no_part_of_what_identifies_chips():
    with_one = parse_options("chips", {"path": "x", "loader": {"datasets": "a"}})
    assert identity(with_one, "s2") == identity(parse_options("chips", {"path": "x"}), "s2")
