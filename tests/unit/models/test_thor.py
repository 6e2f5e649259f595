from __future__ import annotations

import pytest
import torch

from rsweep.models.protocol import TileBatch
from rsweep.models.thor.card import CARD
from rsweep.models.thor.channels import GROUPS, embedding_name, present
from rsweep.models.thor.network import ThorEmbedder, alibi_slopes, build
from rsweep.plan.profiles import resolve

S2 = list(CARD.modalities["s2"][0].bands)


def embedder(sensor="s2", bands=S2, patch=8, layer="last", final_norm=True, seed=0) -> ThorEmbedder:
    torch.manual_seed(seed)
    found = build(
        {
            "variant": "tiny",
            "patch_size": patch,
            "layer": layer,
            "final_norm": final_norm,
            "bands": {sensor: bands},
        }
    )
    found.network.eval()
    return found


def batch(gsd, bands=10, size=48, sensor="s2") -> TileBatch:
    b = len(gsd)
    pixels = torch.randn(b, 1, bands, size, size, generator=torch.Generator().manual_seed(1))
    whole = {sensor: torch.ones(b, 1, size, size, dtype=torch.bool)}
    day = {sensor: torch.zeros(b, 1, dtype=torch.int64)}
    return TileBatch(
        pixels={sensor: pixels},
        valid=whole,
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(b, 2, dtype=torch.float64),
        gsd=torch.tensor(gsd),
    )


def item(whole: TileBatch, index: int, sensor="s2") -> TileBatch:
    cut = slice(index, index + 1)
    one = batch([float(whole.gsd[index])], 1, 8, sensor)
    one.pixels = {sensor: whole.pixels[sensor][cut]}
    return one


def problems(**own):
    return dict(resolve({"model": "thor", **own}, {})[1])


def test_tiles_of_different_pixel_sizes_share_a_batch():
    tiles, model = batch([10.0, 7.3, 20.0]), embedder()

    together = model.embed(tiles).maps

    for index in range(3):
        alone = model.embed(item(tiles, index)).maps
        for name in ("10m", "20m"):
            torch.testing.assert_close(together[name][index], alone[name][0], rtol=1e-4, atol=1e-5)


def test_the_network_is_told_the_true_pixel_size():
    tiles, model = batch([10.0, 7.3]), embedder()
    tiles.pixels["s2"][1] = tiles.pixels["s2"][0]

    maps = model.embed(tiles).maps["10m"]

    assert (maps[0] - maps[1]).abs().max() > 1e-3


@pytest.mark.parametrize("patch", [4, 6, 8, 12, 18])
def test_any_patch_size_that_divides_the_coarsest_group(patch):
    size = 4 * patch
    maps = embedder(patch=patch).embed(batch([10.0], size=size)).maps
    assert {name: tuple(m.shape) for name, m in maps.items()} == {
        "10m": (1, 4, 4, 192),
        "20m": (1, 2, 2, 192),
    }


def test_layers_are_concatenated_in_the_order_asked_and_normed_alike():
    tiles = batch([10.0, 12.0])

    both = embedder(layer="last+3").embed(tiles).maps["20m"]
    last = embedder().embed(tiles).maps["20m"]
    third = embedder(layer="3").embed(tiles).maps["20m"]

    assert both.shape == (2, 3, 3, 2 * 192)
    torch.testing.assert_close(both, torch.cat([last, third], dim=3))


@torch.inference_mode()
def test_final_norm_can_be_left_out():
    tiles, model = batch([10.0]), embedder()
    raw = embedder(final_norm=False).embed(tiles).maps["10m"]
    torch.testing.assert_close(model.network.norm(raw), model.embed(tiles).maps["10m"])


def test_its_own_vector_is_the_mean_of_all_tokens():
    found = embedder(layer="3+last").embed(batch([10.0, 12.0]))
    tokens = torch.cat([tokens.flatten(1, 2) for tokens in found.maps.values()], dim=1)
    assert tokens.shape[1] == 6**2 + 3**2
    torch.testing.assert_close(found.vectors["model"], tokens.mean(dim=1))


def test_rows_of_a_map_run_from_the_top_of_the_tile():
    tiles = batch([10.0], bands=2)
    model = embedder(bands=["B4", "B8"])
    before = model.embed(tiles).maps["10m"]
    tiles.pixels["s2"][..., 40:48, 0:8] += 100.0  # bottom left
    change = (model.embed(tiles).maps["10m"] - before).abs().sum(-1)[0]
    assert divmod(int(change.argmax()), 6) == (5, 0)


def test_groups_follow_the_bands():
    only_20m = embedder(bands=["B5", "B11"]).embed(batch([10.0], bands=2)).maps
    assert {n: tuple(m.shape) for n, m in only_20m.items()} == {"20m": (1, 3, 3, 192)}

    radar = embedder("s1", ["VV"]).embed(batch([10.0], 1, 48, "s1")).maps
    assert {n: tuple(m.shape) for n, m in radar.items()} == {"s1-10m": (1, 6, 6, 192)}


def test_band_order_does_not_change_a_groups_tokens():
    tiles = batch([10.0], bands=2)
    maps = embedder(bands=["B2", "B8"]).embed(tiles).maps["10m"]
    tiles.pixels["s2"] = tiles.pixels["s2"].flip(2)
    swapped = embedder(bands=["B8", "B2"]).embed(tiles).maps["10m"]
    torch.testing.assert_close(maps, swapped, rtol=1e-4, atol=1e-5)


def test_the_card_announces_the_groups_that_the_network_gives():
    settings, errors = resolve({"model": "thor", "bands": "B4,B1,B5", "normalization": "unit"}, {})
    assert not errors
    assert [(g.name, g.patch_px) for g in CARD.groups(settings)] == [
        ("10m", 8),
        ("20m", 16),
        ("60m", 48),
    ]
    maps = embedder(bands=["B4", "B1", "B5"]).embed(batch([10.0], bands=3, size=96)).maps
    assert [(name, 96 // m.shape[1]) for name, m in maps.items()] == [
        ("10m", 8),
        ("20m", 16),
        ("60m", 48),
    ]


def test_sentinel_1_keeps_its_place_among_all_groups():
    ((group, names),) = present(["S1:IW-VH", "S1:EW-VV"])
    assert (group.index, names) == (3, ("S1:IW-VH", "S1:EW-VV"))
    assert {embedding_name(name) for name in names} == {"S1:VV", "S1:VH"}
    assert sum(len(group.channels) for group in GROUPS) == 46


def test_the_bias_falls_with_the_metres_between_patches_of_any_groups():
    network = embedder().network
    groups = [group for group, _ in present(["S2:Red", "S2:RE1", "S2:WaterVapor"])]
    bias = network.position_bias(groups, [12, 6, 2], 4)[0]  # patches of 40, 80 and 240 m
    first = [0, 144, 180]  # token of each group in the same corner
    metres = 240 * (bias / -network.encoder_slopes[:, None, None])[:, first][:, :, first]
    apart = torch.tensor([[0, 20, 100], [20, 0, 80], [100, 80, 0]]) * 2**0.5
    torch.testing.assert_close(metres, apart.expand_as(metres), rtol=0, atol=1.0)


def test_slopes_for_a_number_of_heads_that_is_no_power_of_two():
    assert alibi_slopes(3).tolist() == pytest.approx([0.0625, 0.00390625, 0.25])
    assert len(alibi_slopes(12)) == 12
    assert float(alibi_slopes(16)[-1]) == pytest.approx(2**-8)


@pytest.mark.parametrize("prefix", ["", "encoder.", "module.encoder.", "model.encoder."])
def test_a_published_state_dict_loads(prefix):
    model = embedder(seed=1)
    state = {prefix + key: tensor for key, tensor in model.network.state_dict().items()}
    state |= {"decoder_norm.weight": torch.ones(3), f"{prefix}ref_pos_embed.x": torch.ones(3)}

    other = embedder(seed=2)
    other.network.load_state_dict(other.rename(state))

    tiles = batch([10.0])
    torch.testing.assert_close(other.embed(tiles).maps, model.embed(tiles).maps)


def test_half_precision_keeps_to_the_result():
    tiles, model = batch([10.0]), embedder()
    exact = model.embed(tiles).maps["10m"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model.embed(tiles).maps["10m"]
    assert torch.nn.functional.cosine_similarity(exact, half.float(), dim=-1).min() > 0.99


def test_what_does_not_fit_is_refused_with_what_would():
    assert "nearest patch_size for 288: 8 or 9" in problems(patch_size=10)["image_size"]
    assert "nearest image_size: 96 or 112" in problems(image_size=100)["image_size"]
    assert not problems(image_size=296, bands="B4,B3,B2")  # no 20 m band, so 8 is enough
    assert not problems(modality="s1", image_size=296)  # the normalisation that fits is chosen
    assert "galileo_s1" in problems(modality="s1", normalization="thor")["normalization"]
    assert "unit" in problems(bands="B1,B2", normalization="thor")["normalization"]
    assert "no channel" in problems(bands="B10,B2", normalization="unit")["bands"]
