from __future__ import annotations

import pytest
import torch

from rsweep.models.card import Variant
from rsweep.models.prithvi.card import BANDS, CARD
from rsweep.models.prithvi.network import PrithviEmbedder, build, positions
from rsweep.models.protocol import TileBatch
from rsweep.models.vit import sincos
from rsweep.plan.profiles import resolve

WIDTH = 64


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for variant in CARD.variants:
        monkeypatch.setitem(CARD.variants, variant, Variant(WIDTH, 3, 4, 0.1))


def embedder(seed=0, **own) -> PrithviEmbedder:
    settings, errors = resolve({"model": "prithvi", **own}, {})
    assert not errors
    torch.manual_seed(seed)
    bands = {settings["modality"]: list(BANDS[settings["modality"]])}
    found = build(settings | {"bands": bands, "constants": CARD.constants(settings)})
    found.network.eval()
    return found


def batch(size=64, b=3, frames=2, sensor="s2") -> TileBatch:
    """Tiles of different places and dates."""
    seed = torch.Generator().manual_seed(1)
    lonlat = torch.tensor([[8.5, 50.4], [-71.3, -12.0], [150.2, 64.9]], dtype=torch.float64)
    steps = torch.arange(b * frames).reshape(b, frames)
    return TileBatch(
        pixels={sensor: torch.randn(b, frames, 6, size, size, generator=seed)},
        valid={sensor: torch.ones(b, frames, size, size, dtype=torch.bool)},
        day_of_year={sensor: 37 * steps},
        month={sensor: 1 + steps},
        year={sensor: 2017 + steps},
        lonlat=lonlat[:b],
        gsd=torch.full((b,), 30.0),
    )


def tile(tiles: TileBatch, index: int) -> TileBatch:
    def one(values):
        return {name: tensor[index : index + 1] for name, tensor in values.items()}

    return TileBatch(
        pixels=one(tiles.pixels),
        valid=one(tiles.valid),
        day_of_year=one(tiles.day_of_year),
        month=one(tiles.month),
        year=one(tiles.year),
        lonlat=tiles.lonlat[index : index + 1],
        gsd=tiles.gsd[index : index + 1],
    )


def problems(**own):
    return dict(resolve({"model": "prithvi", **own}, {})[1])


def largest_change(one: torch.Tensor, other: torch.Tensor) -> float:
    return (one - other).abs().max().item()


def test_a_batch_of_unlike_tiles_gives_what_they_give_alone():
    tiles, model = batch(), embedder()
    together = model.embed(tiles)
    for index in range(3):
        alone = model.embed(tile(tiles, index))
        torch.testing.assert_close(together.maps["patches"][index], alone.maps["patches"][0])
        torch.testing.assert_close(together.vectors["cls"][index], alone.vectors["cls"][0])


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "variant, size", [("100m_tl", 64), ("600m_tl", 42), ("300m", 224), ("300m_tl", 16)]
)
def test_shapes_are_those_of_the_card(variant, size, frames):
    own = {"variant": variant, "image_size": size}
    (group,) = CARD.groups(resolve({"model": "prithvi", **own}, {})[0])
    out = embedder(**own).embed(batch(size=size, frames=frames))
    side = size // group.patch_px
    assert out.maps[group.name].shape == (3, side, side, WIDTH)
    assert set(out.vectors) == set(CARD.vectors)
    assert out.vectors["cls"].shape == (3, WIDTH)


@pytest.mark.parametrize("what", ["year", "day_of_year", "lonlat"])
def test_a_tl_variant_is_told_when_and_where(what):
    tiles, other = batch(), batch()
    if what == "lonlat":
        other.lonlat = other.lonlat.flip(1)
    else:
        getattr(other, what)["s2"] = getattr(other, what)["s2"] + 1
    told, untold = embedder(), embedder(variant="300m")
    assert largest_change(*(told.embed(t).maps["patches"] for t in (tiles, other))) > 1e-4
    assert largest_change(*(untold.embed(t).maps["patches"] for t in (tiles, other))) == 0


@torch.inference_mode()
def test_dates_and_places_are_encoded_as_upstream_counts_them():
    """Year and day from 1; latitude before longitude; each in half of a token, scaled."""
    tiles, model = tile(batch(), 1), embedder()
    seen = []
    encoders = (model.network.temporal_embed_enc, model.network.location_embed_enc)
    for part in encoders:
        part.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    model.embed(tiles)
    (dates, times), (places, _) = seen
    assert dates.tolist() == [[[2019, 75], [2020, 112]]]
    assert places.tolist() == [[-12.0, -71.3]]
    halves = [sincos(torch.tensor(value), WIDTH // 2) for value in (2019.0, 75.0)]
    torch.testing.assert_close(times[0, 0], 0.1 * torch.cat(halves))


def test_frames_are_told_apart_by_their_order_too():
    tiles, model = batch(), embedder(variant="300m")
    turned = batch()
    turned.pixels["s2"] = tiles.pixels["s2"].flip(1)
    assert largest_change(*(model.embed(t).maps["patches"] for t in (tiles, turned))) > 1e-5


def test_positions_encode_column_row_and_frame():
    found = positions(3, 4, 5, 14, WIDTH, torch.device("cpu"))
    assert found.shape == (3, 4, 5, WIDTH)
    columns, rows, times = found.split([24, 24, 16], dim=3)
    assert (columns == columns[:1, :1]).all()
    assert (rows == rows[:1, :, :1]).all()
    assert (times == times[:, :1, :1]).all()
    torch.testing.assert_close(times[:, 0, 0], sincos(torch.arange(3), 16))
    torch.testing.assert_close(columns[0, 0, [0, -1]], sincos(torch.tensor([0, 13]), 24))


def test_positions_of_the_trained_size_are_whole_numbers():
    found = positions(1, 14, 14, 14, WIDTH, torch.device("cpu"))
    torch.testing.assert_close(found[0, 3, :, :24], sincos(torch.arange(14), 24))
    torch.testing.assert_close(found[0, :, 7, 24:48], sincos(torch.arange(14), 24))


def test_layers_are_concatenated_in_the_order_asked():
    tiles = batch()
    both = embedder(layer="last+1").embed(tiles)
    last, first = embedder().embed(tiles), embedder(layer="1").embed(tiles)
    for found, one, other in (
        (both.maps["patches"], last.maps["patches"], first.maps["patches"]),
        (both.vectors["cls"], last.vectors["cls"], first.vectors["cls"]),
    ):
        torch.testing.assert_close(found, torch.cat([one, other], dim=-1))
    numbered = embedder(layer=CARD.layers({"variant": "100m_tl"})[-1]).embed(tiles)
    torch.testing.assert_close(numbered.maps, last.maps)


@torch.inference_mode()
def test_the_final_norm_is_applied_before_the_mean_over_frames():
    one_frame = batch(frames=1)
    normed, raw = embedder().embed(one_frame), embedder(final_norm=False).embed(one_frame)
    norm = embedder().network.norm
    torch.testing.assert_close(norm(raw.maps["patches"]), normed.maps["patches"])
    torch.testing.assert_close(norm(raw.vectors["cls"]), normed.vectors["cls"])


@torch.inference_mode()
def test_half_precision_keeps_dates_and_places():
    """In bfloat16 the years 2017 to 2024 would be one number."""
    network = embedder().network
    encoders = network.temporal_embed_enc, network.location_embed_enc
    pairs = torch.tensor([[2019.0, 75.0], [-12.0, -71.3]])
    exact = [encode(pairs) for encode in encoders]
    where = positions(4, 5, 6, 14, WIDTH, torch.device("cpu"))
    with torch.autocast("cpu", torch.bfloat16):
        for encode, expected in zip(encoders, exact, strict=True):
            torch.testing.assert_close(encode(pairs), expected, rtol=0, atol=0)
        again = positions(4, 5, 6, 14, WIDTH, torch.device("cpu"))
    torch.testing.assert_close(again, where, rtol=0, atol=0)


@pytest.mark.parametrize("prefix", ["encoder.", "module.encoder.", "model.encoder.", ""])
def test_a_published_checkpoint_loads_without_its_decoder(prefix):
    model = embedder(seed=1)
    state = {prefix + key: tensor for key, tensor in model.network.state_dict().items()}
    state[prefix + "pos_embed"] = torch.zeros(1, 785, WIDTH)
    outer = prefix.removesuffix("encoder.")
    for key in ("decoder_embed.weight", "decoder_blocks.0.norm1.weight", "mask_token"):
        state[f"{outer}decoder.{key}"] = torch.full((WIDTH,), 7.0)

    other = embedder(seed=2)
    other.network.load_state_dict(other.rename(state))

    torch.testing.assert_close(other.embed(batch()).maps, model.embed(batch()).maps)


def test_keys_are_the_published_ones():
    keys = set(embedder().network.state_dict())
    assert {
        "cls_token",
        "patch_embed.proj.weight",
        "patch_embed.proj.bias",
        "temporal_embed_enc.scale",
        "location_embed_enc.scale",
        "blocks.2.attn.qkv.weight",
        "norm.bias",
    } <= keys
    plain = set(embedder(variant="300m").network.state_dict())
    assert keys - plain == {"temporal_embed_enc.scale", "location_embed_enc.scale"}


def test_harmonized_landsat_and_sentinel_are_read_alike():
    tiles = batch(sensor="hls")
    found = embedder(modality="hls", provider="earthengine").embed(tiles)
    same = embedder().embed(batch())
    torch.testing.assert_close(found.maps, same.maps)
    for constants in CARD.normalizations.values():
        stats = [list(constants[sensor].stats.values()) for sensor in BANDS]
        assert stats[0] == stats[1]


def test_what_does_not_fit_is_refused_with_what_would():
    assert "nearest: 96, 112" in problems(image_size=100)["image_size"]
    assert (
        "600m_tl (14); nearest: 84, 98" in problems(image_size=96, variant="600m_tl")["image_size"]
    )
    assert "1 to 4" in problems(frames=5)["frames"]
    assert "reads B2,B3,B4,B8A,B11,B12" in problems(bands="B4,B3,B2")["bands"]
    assert "not a knob" in problems(patch_size=16)["patch_size"]
    assert not problems(image_size=224, variant="600m_tl", frames=4)
