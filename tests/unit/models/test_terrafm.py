from __future__ import annotations

import pytest
import torch

from rsweep.models.card import Variant
from rsweep.models.protocol import TileBatch
from rsweep.models.terrafm.card import CARD
from rsweep.models.terrafm.network import TerraFm, TerraFmEmbedder, build
from rsweep.plan.profiles import resolve
from rsweep.stages.bands import sensor_bands

WIDTH = 64
BANDS = {"s2": 12, "s2_l1c": 12, "s1": 2, "s1_rtc": 2}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(CARD.variants, "base", Variant(WIDTH, 3, 4, 0.1))


def embedder(modality="s2", seed=0, **own) -> TerraFmEmbedder:
    raw = {"model": "terrafm", "modality": modality, "image_size": 48, **own}
    settings, errors = resolve(raw, {})
    assert not errors
    torch.manual_seed(seed)
    found = build(settings | {"bands": sensor_bands(settings, CARD)})
    found.network.eval()
    return found


def batch(sensor="s2", size=48, b=2) -> TileBatch:
    day = {sensor: torch.zeros(b, 1, dtype=torch.int64)}
    seed = torch.Generator().manual_seed(1)
    return TileBatch(
        pixels={sensor: torch.randn(b, 1, BANDS[sensor], size, size, generator=seed)},
        valid={sensor: torch.ones(b, 1, size, size, dtype=torch.bool)},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(b, 2, dtype=torch.float64),
        gsd=torch.linspace(8.0, 10.0, b),
    )


def test_a_batch_gives_what_its_tiles_give_alone():
    tiles, model = batch(), embedder()
    together = model.embed(tiles)
    for index in range(2):
        one = batch(b=1)
        one.pixels["s2"] = tiles.pixels["s2"][index : index + 1]
        alone = model.embed(one)
        torch.testing.assert_close(together.maps["patches"][index], alone.maps["patches"][0])
        torch.testing.assert_close(together.vectors["cls"][index], alone.vectors["cls"][0])


@pytest.mark.parametrize(
    "sensor, branch", [("s2", "s2_l2a"), ("s2_l1c", "s2_l1c"), ("s1", "s1"), ("s1_rtc", "s1")]
)
def test_each_sensor_takes_the_patch_embedding_that_was_trained_on_it(sensor, branch):
    whole = TerraFm(WIDTH, 3, 4, ["s1", "s2_l1c", "s2_l2a"])
    model = embedder(sensor)
    model.network.load_state_dict(model.rename(whole.state_dict()))
    tiles = batch(sensor)
    (expected,) = whole(tiles.pixels[sensor][:, 0], branch, [3])
    torch.testing.assert_close(model.embed(tiles).vectors["cls"], whole.norm(expected)[:, 0])


def test_images_of_any_multiple_of_the_patch():
    for size in (16, 64, 224, 240):
        out = embedder(image_size=size).embed(batch(size=size, b=1))
        side = size // 16
        assert out.maps["patches"].shape == (1, side, side, WIDTH)
    _, errors = resolve({"model": "terrafm", "image_size": 100}, {})
    assert "nearest: 96, 112" in dict(errors)["image_size"]


@torch.inference_mode()
def test_layers_are_concatenated_and_normed_unless_told_not_to():
    tiles = batch()
    both = embedder(layer="last+1").embed(tiles)
    last, first = embedder().embed(tiles), embedder(layer="1").embed(tiles)
    for kind in ("maps", "vectors"):
        joined, parts = getattr(both, kind), (getattr(last, kind), getattr(first, kind))
        for name, found in joined.items():
            torch.testing.assert_close(found, torch.cat([p[name] for p in parts], dim=-1))
    raw = embedder(final_norm=False).embed(tiles).vectors["cls"]
    torch.testing.assert_close(embedder().network.norm(raw), last.vectors["cls"])


def test_a_published_state_dict_loads_with_pretraining_keys_beside_it():
    model, other = embedder(seed=1), embedder(seed=2)
    state = dict(model.network.state_dict())
    state["patch_embed.conv2d_s1.weight"] = torch.zeros(3 * WIDTH, 2, 16, 16)
    state["head.mlp.0.weight"] = torch.zeros(3)
    other.network.load_state_dict(other.rename(state))
    torch.testing.assert_close(other.embed(batch()).maps, model.embed(batch()).maps)


def test_radar_is_standardised_and_reflectance_0_to_1():
    names = {"s2": "unit", "s2_l1c": "unit", "s1_rtc": "terramesh", "s1": "terramesh"}
    for modality, name in names.items():
        settings, _ = resolve({"model": "terrafm", "modality": modality}, {})
        assert settings["normalization"] == name
    assert "B10" not in CARD.modalities["s2_l1c"][0].bands
