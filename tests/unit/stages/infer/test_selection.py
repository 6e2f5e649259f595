"""Rows of a file are selected as one piece where they are one, and are the same rows."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsweep.stages.infer.run import selection

VALUES = np.arange(60).reshape(20, 3)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    with h5py.File(tmp_path_factory.mktemp("selection") / "a.h5", "w") as file:
        yield file.create_dataset("a", data=VALUES, chunks=(1, 3))


@given(rows=st.sets(st.integers(0, 19), min_size=1))
def test_the_same_rows(dataset, rows):
    chosen = np.array(sorted(rows))
    np.testing.assert_array_equal(dataset[selection(chosen)], VALUES[chosen])


def test_one_piece():
    assert selection(np.arange(3, 7)) == slice(3, 7)
    assert not isinstance(selection(np.array([3, 5])), slice)
