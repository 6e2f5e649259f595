"""The annual embedding passes through untouched, or averaged over patches."""

from __future__ import annotations

import pytest
import torch

from rsweep.models.alphaearth.card import CARD
from rsweep.models.alphaearth.network import build
from rsweep.models.protocol import TileBatch
from rsweep.plan.profiles import resolve


def batch(pixels: torch.Tensor) -> TileBatch:
    none: dict[str, torch.Tensor] = {}
    return TileBatch(
        {"alphaearth": pixels}, none, none, none, none, torch.zeros(2, 2), torch.ones(2)
    )


@pytest.mark.parametrize("patch", [1, 4])
def test_tokens_are_the_mean_of_their_pixels(patch: int) -> None:
    pixels = torch.randn(2, 1, 64, 8, 8)
    found = build({"patch_size": patch}).embed(batch(pixels)).maps["pixels"]
    cells = pixels[:, 0].reshape(2, 64, 8 // patch, patch, 8 // patch, patch).mean(dim=(3, 5))
    torch.testing.assert_close(found, cells.permute(0, 2, 3, 1))


def test_it_is_read_as_it_is() -> None:
    constants = CARD.normalizations["as_is"]["alphaearth"]
    assert set(constants.stats.values()) == {(0.0, 1.0)}
    assert constants.clip is None


def test_only_earth_engine_and_folders_have_it() -> None:
    assert not resolve({"model": "alphaearth", "provider": "earthengine"}, {})[1]
    (_, message), *_ = resolve({"model": "alphaearth", "provider": "synthetic"}, {})[1]
    assert "alphaearth" in message
