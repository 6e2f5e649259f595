"""A large ROI's grid is merged and stored without copies of the whole of it."""

import tracemalloc

import numpy as np

from rsweep.stages.stitch import run
from rsweep.stages.stitch.assemble import merge_groups


def test_a_map_of_one_group_is_stored_with_one_copy():
    maps = np.random.default_rng(0).normal(0, 1, (90, 80, 200)).astype(np.float32)
    maps[3, 4] = np.nan
    valid = np.ones((90, 80))
    valid[5, 6] = valid[3, 4] = 0
    tracemalloc.start()
    merged = merge_groups([maps], "mean")
    stored = run._stored(merged, valid, valid.astype(np.float32), "float32")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.6 * maps.nbytes
    expected = np.where(valid[..., None] > 0, maps, np.nan).transpose(2, 0, 1)
    np.testing.assert_array_equal(stored.values, expected)
    assert stored.values.flags.c_contiguous
