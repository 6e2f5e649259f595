from __future__ import annotations

import pytest
import torch

from rsweep.models.card import Variant
from rsweep.models.protocol import TileBatch
from rsweep.models.scalemae.card import CARD
from rsweep.models.scalemae.network import ScaleMaeEmbedder, build, positions
from rsweep.plan.profiles import resolve

WIDTH = 64


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(CARD.variants, "large", Variant(WIDTH, 3, 4, 0.1))


def embedder(layer="last", final_norm=True, seed=0) -> ScaleMaeEmbedder:
    torch.manual_seed(seed)
    bands = {"s2": ["B4", "B3", "B2"]}
    found = build({"variant": "large", "layer": layer, "final_norm": final_norm, "bands": bands})
    found.network.eval()
    return found


def batch(gsd, size=48) -> TileBatch:
    b = len(gsd)
    day = {"s2": torch.zeros(b, 1, dtype=torch.int64)}
    seed = torch.Generator().manual_seed(1)
    return TileBatch(
        pixels={"s2": torch.randn(b, 1, 3, size, size, generator=seed)},
        valid={"s2": torch.ones(b, 1, size, size, dtype=torch.bool)},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(b, 2, dtype=torch.float64),
        gsd=torch.tensor(gsd),
    )


def problems(**own):
    return dict(resolve({"model": "scalemae", **own}, {})[1])


def test_tiles_of_different_pixel_sizes_share_a_batch():
    tiles, model = batch([10.0, 1.0, 18.3]), embedder()
    together = model.embed(tiles)
    for index, gsd in enumerate(tiles.gsd.tolist()):
        one = batch([gsd])
        one.pixels["s2"] = tiles.pixels["s2"][index : index + 1]
        alone = model.embed(one)
        torch.testing.assert_close(together.maps["patches"][index], alone.maps["patches"][0])
        torch.testing.assert_close(together.vectors["cls"][index], alone.vectors["cls"][0])


def test_the_network_is_told_the_pixel_size():
    tiles = batch([10.0, 1.0])
    tiles.pixels["s2"][1] = tiles.pixels["s2"][0]
    maps = embedder().embed(tiles).maps["patches"]
    assert (maps[0] - maps[1]).abs().max() > 1e-3


def test_positions_scale_with_the_pixel_size():
    coarse = positions(2, 3, torch.tensor([2.0]), WIDTH)
    fine = positions(3, 5, torch.tensor([1.0]), WIDTH)
    assert coarse.shape == (1, 7, WIDTH)
    assert not coarse[:, 0].any()
    # column 1 and row 1 at 2 m are column 2 and row 2 at 1 m
    torch.testing.assert_close(coarse[0, 1 + 3 + 1], fine[0, 1 + 2 * 5 + 2])


@pytest.mark.parametrize("size", [16, 32, 80])
def test_any_multiple_of_the_patch(size):
    out = embedder().embed(batch([10.0], size))
    assert out.maps["patches"].shape == (1, size // 16, size // 16, WIDTH)
    assert out.vectors["cls"].shape == (1, WIDTH)


@torch.inference_mode()
def test_layers_are_concatenated_in_the_order_asked_and_normed_alike():
    tiles = batch([10.0, 5.0])
    both = embedder("last+1").embed(tiles)
    last, first = embedder().embed(tiles), embedder("1").embed(tiles)
    torch.testing.assert_close(
        both.maps["patches"], torch.cat([last.maps["patches"], first.maps["patches"]], dim=3)
    )
    raw = embedder(final_norm=False).embed(tiles).maps["patches"]
    torch.testing.assert_close(embedder().network.norm(raw), last.maps["patches"])


@pytest.mark.parametrize("prefix", ["", "model.", "module.model."])
def test_a_published_state_dict_loads(prefix):
    model = embedder(seed=1)
    state = {prefix + key: tensor for key, tensor in model.network.state_dict().items()}
    state[prefix + "pos_embed"] = torch.zeros(1, 197, WIDTH)

    other = embedder(seed=2)
    other.network.load_state_dict(other.rename(state))

    tiles = batch([10.0])
    torch.testing.assert_close(other.embed(tiles).maps, model.embed(tiles).maps)


def test_what_does_not_fit_is_refused_with_what_would():
    assert "nearest: 208, 224" in problems(image_size=220)["image_size"]
    assert "16" in problems(patch_size=8)["patch_size"]
    assert "B4,B3,B2" in problems(bands="B2,B3,B4")["bands"]
    assert not problems(image_size=320)
