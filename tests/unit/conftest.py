"""Fixtures of the unit tests."""

import pytest
from stagebench import Bench


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    """A store in a folder, with stages to run in it."""
    return Bench(tmp_path, monkeypatch)
