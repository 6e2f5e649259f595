"""What a result says of the program that made it."""

from __future__ import annotations

import subprocess

import pytest

from rsweep.results import versions as module


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    package = tmp_path / "src/rsweep"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(module.rsweep, "__file__", str(package / "__init__.py"))
    head = ["git", "-C", str(tmp_path), "rev-parse", "HEAD"]
    return package, subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_is_said_and_whether_files_were_modified(checkout):
    package, head = checkout
    assert module._commit() == {"commit": head, "modified": "no"}
    (package.parents[1] / "results").mkdir()
    (package.parents[1] / "results/x").write_text("not the program")
    assert module._commit()["modified"] == "no"
    (package / "__init__.py").write_text("changed = True\n")
    assert module._commit() == {"commit": head, "modified": "yes"}


def test_without_a_history_it_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(module.rsweep, "__file__", str(tmp_path / "rsweep/__init__.py"))
    monkeypatch.setattr(module, "_installed_commit", lambda: None)
    monkeypatch.setattr(module, "_git", lambda *_: None)
    assert module._commit() == {"commit": "unknown", "modified": "unknown"}


def test_every_package_that_touches_a_number_has_a_version():
    found = module.versions()
    for name in ("torch", "numpy", "pillow", "scikit-learn", "rasterio", "gdal", "proj", "h5py"):
        assert found[name][0].isdigit(), name
