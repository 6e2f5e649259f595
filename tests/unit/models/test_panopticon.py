from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from rsweep.models.card import Variant
from rsweep.models.panopticon.card import CARD, channel_id
from rsweep.models.panopticon.network import ChannelFusion, PanopticonEmbedder, build
from rsweep.models.protocol import TileBatch
from rsweep.models.vit import sincos
from rsweep.plan.profiles import resolve
from rsweep.stages.bands import sensor_bands

WIDTH = 96


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(CARD.variants, "base", Variant(WIDTH, 3, 4, 0.1))


def embedder(modality="s2", seed=0, **own) -> PanopticonEmbedder:
    raw = {"model": "panopticon", "modality": modality, "image_size": 42, **own}
    settings, errors = resolve(raw, {})
    errors = [e for e in errors if e[0] not in ("provider", "collection")]
    assert not errors
    torch.manual_seed(seed)
    own = {"bands": sensor_bands(settings, CARD), "constants": CARD.constants(settings)}
    found = build(settings | own)
    found.network.eval()
    with torch.no_grad():  # a scale of 1e-5 would hide what the blocks do
        for block in found.network.blocks:
            block.ls1.gamma.fill_(0.5)
            block.ls2.gamma.fill_(0.5)
    return found


def batch(size=42, b=2, **bands: int) -> TileBatch:
    bands = bands or {"s2": 12}
    seed = torch.Generator().manual_seed(1)
    day = {sensor: torch.zeros(b, 1, dtype=torch.int64) for sensor in bands}
    return TileBatch(
        pixels={s: torch.randn(b, 1, n, size, size, generator=seed) for s, n in bands.items()},
        valid={s: torch.ones(b, 1, size, size, dtype=torch.bool) for s in bands},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(b, 2, dtype=torch.float64),
        gsd=torch.linspace(8.0, 10.0, b),
    )


def item(tiles: TileBatch, index: int) -> TileBatch:
    one = batch(b=1, **{s: pixels.shape[2] for s, pixels in tiles.pixels.items()})
    one.pixels = {s: pixels[index : index + 1] for s, pixels in tiles.pixels.items()}
    one.valid = {s: valid[index : index + 1] for s, valid in tiles.valid.items()}
    return one


def constants(**own):
    settings, _ = resolve({"model": "panopticon", **own}, {})
    return CARD.constants(settings)["channel_ids"]


def test_a_batch_gives_what_its_tiles_give_alone():
    tiles, model = batch(s2=12, s1=2), embedder("s1+s2")
    tiles.valid["s1"][1] = False  # radar is masked in the second tile alone
    together = model.embed(tiles)
    for index in range(2):
        alone = model.embed(item(tiles, index))
        torch.testing.assert_close(together.maps["patches"][index], alone.maps["patches"][0])
        torch.testing.assert_close(together.vectors["cls"][index], alone.vectors["cls"][0])


def test_a_sensor_that_saw_nothing_is_as_if_it_were_not_there():
    tiles = batch(s2=12, s1=2)
    tiles.valid["s1"][:] = False
    masked = embedder("s1+s2").embed(tiles).maps["patches"]
    torch.testing.assert_close(masked, embedder("s2").embed(tiles).maps["patches"])
    tiles.valid["s2"][:] = False
    assert embedder("s1+s2").embed(tiles).maps["patches"].isfinite().all()


def test_bands_may_be_any_in_any_order():
    tiles = batch(s2=4)
    maps = embedder(bands="B12,B8,B2,B1").embed(tiles).maps["patches"]
    tiles.pixels["s2"] = tiles.pixels["s2"].flip(2)
    turned = embedder(bands="B1,B2,B8,B12").embed(tiles).maps["patches"]
    torch.testing.assert_close(maps, turned, rtol=1e-4, atol=1e-5)  # a channel is its number
    other = embedder(bands="B1,B2,B3,B4").embed(tiles).maps["patches"]
    assert (turned - other).abs().max() > 1e-3


def test_channels_are_wavelengths_or_polarisations_of_an_orbit():
    assert constants(bands="B12,B4") == {"s2": [2202.4, 664.63]}
    assert constants(modality="s1") == {"s1": [-1.0, -2.0]}
    assert constants(modality="s1", orbit="ascending") == {"s1": [-5.0, -6.0]}
    assert constants(modality="s1", bands="VH", orbit="descending") == {"s1": [-10.0]}
    assert constants(modality="s1+s2", bands="B4,VH") == {"s2": [664.63], "s1": [-2.0]}
    assert channel_id("landsat_l1", "B10", "any") == 10895
    assert channel_id("modis", "b05", "any") == 1240


def test_channel_codes_floor_wavelengths_and_join_what_radar_sent_received_and_where_it_flew():
    codes = embedder().network.patch_embed.chnfus.chnemb
    width, third = 3 * WIDTH, WIDTH
    found = codes(torch.tensor([664.99, 0.0, -3.0, -12.0]))
    torch.testing.assert_close(found[0], sincos(torch.tensor(664.0), width))
    torch.testing.assert_close(found[1], sincos(torch.tensor(0.0), width))
    sent, received, orbit = codes.embed_transmit, codes.embed_receive, codes.embed_orbit
    hh = [sent[1], received[1], orbit.mean(0)]  # no orbit: the mean of the two
    hv_descending = [sent[1], received[0], orbit[1]]
    torch.testing.assert_close(found[2].split(third), tuple(hh))
    torch.testing.assert_close(found[3].split(third), tuple(hv_descending))


@torch.inference_mode()
def test_fusion_is_attention_of_the_query_over_projected_channels():
    torch.manual_seed(0)
    width, heads, channels, patches = 96, 16, 5, 7
    fusion = ChannelFusion(width)
    tokens = torch.randn(2, channels, patches, width)
    ids = torch.tensor([[490.0, 560, 664, -1, -6], [443.0, 865, 2200, -9, -10]])
    masked = torch.tensor([[False, True, False, False, False], [True, False, False, True, False]])
    known = (tokens + fusion.chnemb(ids)[:, :, None]).transpose(1, 2)

    def split(x):
        return x.unflatten(-1, (heads, -1)).transpose(-2, -3)

    query = split(fusion.query.expand(2, patches, 1, -1))
    keys, values = split(fusion.xattn.inproj_k(known)), split(fusion.xattn.inproj_v(known))
    kept = ~masked[:, None, None, None]
    plain = functional.scaled_dot_product_attention(query, keys, values, attn_mask=kept)
    expected = plain.transpose(-2, -3).flatten(-2)[:, :, 0]
    torch.testing.assert_close(fusion(tokens, ids, masked), expected, rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize("prefix", ["", "teacher.backbone."])
def test_a_published_state_dict_loads(prefix):
    model, other = embedder(seed=1), embedder(seed=2)
    state = {prefix + key: tensor for key, tensor in model.network.state_dict().items()}
    state["dino_head.mlp.0.weight"] = torch.zeros(3)
    other.network.load_state_dict(other.rename(state))
    torch.testing.assert_close(other.embed(batch()).maps, model.embed(batch()).maps)


def test_what_has_no_published_constants_is_standardised_by_tile():
    names = dict.fromkeys(("s2", "s2_l1c", "landsat", "landsat_l1", "hls", "s1_rtc"), "dataset")
    names |= dict.fromkeys(("modis", "modis_toa", "s1+modis"), "tile_zscore")
    for modality, name in names.items():
        settings, _ = resolve({"model": "panopticon", "modality": modality}, {})
        assert settings["normalization"] == name
    settings, _ = resolve({"model": "panopticon", "modality": "landsat", "bands": "B1,B2"}, {})
    assert settings["normalization"] == "tile_zscore"
    _, errors = resolve({"model": "panopticon", "image_size": 100}, {})
    assert "nearest: 98, 112" in dict(errors)["image_size"]
