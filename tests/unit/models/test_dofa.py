from __future__ import annotations

import pytest
import torch

from rsweep.models.card import Variant
from rsweep.models.dofa.card import CARD
from rsweep.models.dofa.network import DofaEmbedder, build
from rsweep.models.protocol import TileBatch
from rsweep.plan.profiles import resolve

WIDTH = 64


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(CARD.variants, "base", Variant(WIDTH, 3, 4, 0.1))


def embedder(bands="B4,B3,B2", seed=0, modality="s2", **own) -> DofaEmbedder:
    raw = {"model": "dofa", "normalization": "unit", "modality": modality, "bands": bands, **own}
    settings, errors = resolve({"image_size": 64, **raw}, {})
    assert not errors
    torch.manual_seed(seed)
    names = settings["bands"]
    found = build(settings | {"bands": {modality: names}, "constants": CARD.constants(settings)})
    found.network.eval()
    return found


def batch(bands=3, size=64, b=2, sensor="s2") -> TileBatch:
    day = {sensor: torch.zeros(b, 1, dtype=torch.int64)}
    seed = torch.Generator().manual_seed(1)
    return TileBatch(
        pixels={sensor: torch.randn(b, 1, bands, size, size, generator=seed)},
        valid={sensor: torch.ones(b, 1, size, size, dtype=torch.bool)},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(b, 2, dtype=torch.float64),
        gsd=torch.linspace(8.0, 10.0, b),
    )


def problems(**own):
    return dict(resolve({"model": "dofa", **own}, {})[1])


def test_a_batch_gives_what_its_tiles_give_alone():
    tiles, model = batch(), embedder()
    together = model.embed(tiles)
    for index in range(2):
        one = batch(b=1)
        one.pixels["s2"] = tiles.pixels["s2"][index : index + 1]
        alone = model.embed(one)
        torch.testing.assert_close(together.maps["patches"][index], alone.maps["patches"][0])
        for name in ("cls", "model"):
            torch.testing.assert_close(together.vectors[name][index], alone.vectors[name][0])


@pytest.mark.parametrize("patch, size", [(16, 224), (16, 64), (8, 64), (4, 32), (32, 64), (7, 28)])
def test_any_patch_and_image_size(patch, size):
    model = embedder(patch_size=patch, image_size=size)
    out = model.embed(batch(size=size, b=1))
    side = size // patch
    assert out.maps["patches"].shape == (1, side, side, WIDTH)
    assert out.vectors["model"].shape == (1, WIDTH)


def test_a_resized_kernel_sees_what_the_native_one_sees():
    """Twice the pixels with twice the patch is nearly the same picture."""
    tiles = batch(b=1, size=112)
    tiles.pixels["s2"] = torch.nn.functional.avg_pool2d(tiles.pixels["s2"][:, 0], 9, 1, 4)[:, None]
    doubled = batch(b=1, size=224)
    doubled.pixels["s2"] = tiles.pixels["s2"].repeat_interleave(2, 3).repeat_interleave(2, 4)
    coarse = embedder(patch_size=8, image_size=112).embed(tiles).vectors["model"]
    fine = embedder(image_size=224).embed(doubled).vectors["model"]
    assert torch.nn.functional.cosine_similarity(coarse, fine).item() > 0.99


@torch.inference_mode()
def test_tokens_normed_like_the_pooled_vector():
    tiles = batch()
    normed, raw = embedder().embed(tiles), embedder(final_norm=False).embed(tiles)
    norm = embedder().network.fc_norm
    torch.testing.assert_close(norm(raw.maps["patches"]), normed.maps["patches"])
    torch.testing.assert_close(norm(raw.maps["patches"].mean((1, 2))), normed.vectors["model"])
    torch.testing.assert_close(raw.vectors["model"], normed.vectors["model"])
    torch.testing.assert_close(norm(raw.vectors["cls"]), normed.vectors["cls"])


def test_layers_are_concatenated_in_the_order_asked():
    tiles = batch()
    both = embedder(layer="last+1").embed(tiles)
    last, first = embedder().embed(tiles), embedder(layer="1").embed(tiles)
    assert both.maps["patches"].shape == (2, 4, 4, 2 * WIDTH)
    torch.testing.assert_close(
        both.maps["patches"], torch.cat([last.maps["patches"], first.maps["patches"]], dim=3)
    )
    torch.testing.assert_close(
        both.vectors["cls"], torch.cat([last.vectors["cls"], first.vectors["cls"]], dim=1)
    )


def test_bands_may_be_any_in_any_order():
    tiles = batch(bands=12)
    every = "B1,B2,B3,B4,B5,B6,B7,B8,B8A,B9,B11,B12"
    maps = embedder(every).embed(tiles).maps["patches"]
    assert maps.shape == (2, 4, 4, WIDTH)
    tiles.pixels["s2"] = tiles.pixels["s2"].flip(2)
    turned = embedder(",".join(reversed(every.split(",")))).embed(tiles).maps["patches"]
    torch.testing.assert_close(maps, turned, rtol=1e-4, atol=1e-5)  # a band is its wavelength

    radar = embedder("VV,VH", modality="s1").embed(batch(bands=2, sensor="s1"))
    assert radar.maps["patches"].shape == (2, 4, 4, WIDTH)


def test_wavelengths_reach_the_kernel_and_the_key():
    settings, _ = resolve({"model": "dofa", "bands": "B12,B4"}, {})
    assert CARD.constants(settings) == {"wavelengths_um": [2.190, 0.665]}
    red, infrared = (embedder(band).embed(batch(bands=1)).maps["patches"] for band in ("B4", "B12"))
    assert (red - infrared).abs().max() > 1e-4


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "encoder."])
def test_a_published_state_dict_loads_without_its_missing_norm(prefix):
    model = embedder(seed=1)
    state = {prefix + key: tensor for key, tensor in model.network.state_dict().items()}
    state = {key: tensor for key, tensor in state.items() if "fc_norm" not in key}
    for extra in ("mask_token", "norm.weight", "norm.bias", "projector.weight"):
        state[prefix + extra] = torch.full((WIDTH,), 7.0)

    other = embedder(seed=2)
    other.network.load_state_dict(other.rename(state))

    torch.testing.assert_close(other.embed(batch()).maps, model.embed(batch()).maps)


def test_what_does_not_fit_is_refused_with_what_would():
    assert "nearest: 96, 112" in problems(image_size=100)["image_size"]
    assert "4 or more" in problems(patch_size=2, image_size=64)["patch_size"]
    assert "unit" in problems(bands="B1,B2", normalization="dofa")["normalization"]
    assert "unit" in problems(modality="s1", normalization="dofa")["normalization"]
    assert not problems(modality="s1", normalization="unit")


def test_unit_normalization_maps_the_range_onto_0_to_1():
    for sensor, ends in (("s2", (0.0, 10000.0)), ("s1", (-30.0, 0.0))):
        rule = CARD.normalizations["unit"][sensor]
        for mean, std in rule.stats.values():
            assert [round((rule.gain * v - mean) / std, 6) for v in ends] == [0.0, 1.0]
