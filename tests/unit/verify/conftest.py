"""A tiny study that ran, with its lock, in a folder that a test may damage."""

import shutil
from pathlib import Path

import pytest
from tinystudy import run_study, write_study


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    run_study(write_study(folder))
    return folder


@pytest.fixture
def ran(made, tmp_path, monkeypatch) -> Path:
    """A copy of the study in another place; the working directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
