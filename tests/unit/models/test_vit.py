from __future__ import annotations

import torch

from rsweep.models.vit import dino_positions


def test_positions_of_other_grids_are_sampled_at_upstreams_factor():
    table = torch.randn(1, 1 + 37 * 37, 4)
    assert dino_positions(table, 37, 37) is table
    found = dino_positions(table, 5, 9)
    assert found.shape == (1, 1 + 45, 4)
    torch.testing.assert_close(found[:, 0], table[:, 0])
    # A ramp over rows tells where it is sampled, to the filter's 0.06; 37 / 16 would be 0.19 off.
    table[:, 1:] = torch.arange(37.0).repeat_interleave(37)[:, None]
    rows = dino_positions(table, 16, 16)[0, 1:, 0].reshape(16, 16)[:, 0]
    expected = (torch.arange(16) + 0.5) * 37 / 16.1 - 0.5
    torch.testing.assert_close(rows[2:14], expected[2:14], rtol=0, atol=0.06)
