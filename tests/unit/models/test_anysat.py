"""AnySat: batches of unlike tiles, missing data, layers, features, checks and checkpoints' keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from rsweep.models.anysat import parts
from rsweep.models.anysat.card import CARD, RATIO_WEIGHTS
from rsweep.models.anysat.network import AnySatEmbedder, build
from rsweep.models.anysat.positions import distance_buckets
from rsweep.models.protocol import TileBatch, TokenMaps

SIDE = 8
BANDS = {s.sensor: list(s.bands) for s in CARD.modalities["s1+s2"]}


def settings(modality: str = "s2", **own: Any) -> dict[str, Any]:
    sensors = [given.sensor for given in CARD.modalities[modality]]
    return {
        "modality": modality,
        "scale_m": 10.0,
        "image_size": SIDE,
        "patch_m": 20,
        "features": "patch",
        "layer": "last",
        "bands": {sensor: BANDS[sensor] for sensor in sensors},
        **own,
    }


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """One set of random weights for all: making them takes longer than using them."""
    torch.manual_seed(0)
    network = build(settings()).network
    for name, parameter in network.named_parameters():
        if name.endswith("pad_parameter"):
            parameter.data.fill_(0.3)
    return network.state_dict()


@pytest.fixture
def embedder(weights: dict[str, torch.Tensor]) -> Any:
    def make(modality: str = "s2", **own: Any) -> AnySatEmbedder:
        with torch.device("meta"):
            network = build(settings(modality, **own))
        network.network.load_state_dict(weights, assign=True)
        return network

    return make


def tiles(sensors: tuple[str, ...] = ("s2",)) -> TileBatch:
    """Two tiles with their own dates and missing pixels."""
    torch.manual_seed(1)
    valid = {sensor: torch.rand(2, 3, SIDE, SIDE) < 0.8 for sensor in sensors}
    for sensor in sensors:
        valid[sensor][0, 1] = False
    days = torch.tensor([[5, 100, 300], [0, 180, 364]])
    zeros = torch.zeros_like(days)
    return TileBatch(
        pixels={s: torch.randn(2, 3, len(BANDS[s]), SIDE, SIDE) for s in sensors},
        valid=valid,
        day_of_year=dict.fromkeys(sensors, days),
        month=dict.fromkeys(sensors, zeros),
        year=dict.fromkeys(sensors, zeros),
        lonlat=torch.zeros(2, 2),
        gsd=torch.tensor([10.0, 10.0]),
    )


def one(batch: TileBatch, index: int) -> TileBatch:
    part = slice(index, index + 1)
    fields = {}
    for name, value in vars(batch).items():
        fields[name] = (
            {k: v[part] for k, v in value.items()} if isinstance(value, dict) else value[part]
        )
    return TileBatch(**fields)


def same(a: TokenMaps, b: TokenMaps) -> bool:
    pairs = [(a.maps[n], b.maps[n]) for n in a.maps] + [(a.vectors["model"], b.vectors["model"])]
    return all(torch.allclose(x, y, atol=2e-5) for x, y in pairs)


@pytest.mark.parametrize("modality", ["s2", "s1", "s1+s2"])
def test_a_batch_of_unlike_tiles_equals_its_tiles_alone(embedder: Any, modality: str) -> None:
    network = embedder(modality)
    batch = tiles(tuple(settings(modality)["bands"]))

    together = network.embed(batch)

    assert together.maps["patch"].shape == (2, 4, 4, 768)
    assert together.vectors["model"].shape == (2, 768)
    for i in range(2):
        kept = TokenMaps(
            {"patch": together.maps["patch"][i : i + 1]},
            {"model": together.vectors["model"][i : i + 1]},
        )
        assert same(kept, network.embed(one(batch, i)))


def test_dates_are_read(embedder: Any) -> None:
    network, batch = embedder(), tiles()
    later = {"s2": (batch.day_of_year["s2"] + 60) % 365}

    assert not same(network.embed(replace(batch, day_of_year=later)), network.embed(batch))


def test_what_missing_pixels_hold_does_not_matter(embedder: Any) -> None:
    network, batch = embedder(), tiles()
    missing = ~batch.valid["s2"][:, :, None]
    garbage = torch.where(missing, 1e6, batch.pixels["s2"])

    assert same(network.embed(replace(batch, pixels={"s2": garbage})), network.embed(batch))


def test_that_pixels_are_missing_matters(embedder: Any) -> None:
    network, batch = embedder(), tiles()
    everything = {"s2": torch.ones_like(batch.valid["s2"])}

    assert not same(network.embed(replace(batch, valid=everything)), network.embed(batch))


def test_frames_that_a_neighbour_has_more_of_change_nothing(embedder: Any) -> None:
    network, batch = embedder(), tiles()
    longer = replace(
        batch,
        pixels={"s2": torch.cat([batch.pixels["s2"], torch.zeros(2, 2, 10, SIDE, SIDE)], 1)},
        valid={"s2": torch.cat([batch.valid["s2"], torch.zeros(2, 2, SIDE, SIDE) > 0], 1)},
        day_of_year={"s2": torch.cat([batch.day_of_year["s2"], torch.full((2, 2), 364)], 1)},
    )

    assert same(network.embed(longer), network.embed(batch))


def test_a_tile_never_seen_gives_numbers_and_spoils_no_other(embedder: Any) -> None:
    network, batch = embedder(), tiles()
    before = network.embed(one(batch, 1)).maps["patch"]
    batch.valid["s2"][0] = False

    maps = network.embed(batch).maps["patch"]

    assert maps.isfinite().all()
    assert torch.allclose(maps[1:], before, atol=2e-5)


def test_dense_puts_the_pixels_own_token_beside_the_patchs(embedder: Any) -> None:
    batch = tiles()
    patch = embedder().embed(batch).maps["patch"]

    dense = embedder(features="dense").embed(batch).maps["dense"]

    assert dense.shape == (2, SIDE, SIDE, 1536)
    spread = patch.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.allclose(dense[..., :768], spread, atol=1e-6)
    assert not torch.allclose(dense[:, 0, 0, 768:], dense[:, 0, 1, 768:])


def test_several_layers_come_side_by_side_from_one_pass(embedder: Any) -> None:
    batch = tiles(("s2", "s1"))
    both = embedder("s1+s2", layer="3+last").embed(batch)

    alone = [embedder("s1+s2", layer=layer).embed(batch) for layer in ("3", "7")]

    assert torch.allclose(both.maps["patch"], torch.cat([a.maps["patch"] for a in alone], 3))
    assert both.vectors["model"].shape == (2, 1536)


def test_pixels_in_parts_are_the_pixels_at_once(embedder: Any, monkeypatch: Any) -> None:
    network, batch = embedder(), tiles()
    at_once = network.embed(batch)

    monkeypatch.setattr(parts, "MAX_ROWS", 7)

    assert same(network.embed(batch), at_once)


def test_the_ratio_of_radar_is_the_difference_in_decibel() -> None:
    stats = CARD.normalizations["dataset"]["s1"].stats
    vv, vh = -8.0, -15.5
    z_vv, z_vh = ((x - m) / s for x, (m, s) in zip((vv, vh), stats.values(), strict=True))

    ratio = RATIO_WEIGHTS[0] * z_vv - RATIO_WEIGHTS[1] * z_vh

    assert ratio == pytest.approx((vv - vh - 6.4167) / 3.3874, abs=1e-4)
    assert "s1_ratio_weights" in CARD.constants(settings("s1+s2"))
    assert CARD.constants(settings("s2")) == {}


def test_distances_fall_into_buckets_and_the_class_token_into_its_own() -> None:
    buckets = distance_buckets(16, torch.device("cpu"))

    assert buckets[0].unique().tolist() == [7]
    assert buckets[1, 1:17].tolist() == [3, 4, 5, 5, *[6] * 12]


@pytest.mark.parametrize(
    "own,knob,text",
    [
        ({"scale_m": 20.0}, "scale_m", "is 20; anysat takes every pixel to be 10 m"),
        ({"patch_m": 25}, "patch_m", "is 25, which is not a multiple of the pixel in metres (10)"),
        ({"patch_m": 30}, "image_size", "is 8, which is not a multiple of patch_m / 10 m (3)"),
    ],
)
def test_what_the_network_cannot_take_is_refused(own: Any, knob: str, text: str) -> None:
    ((name, message),) = CARD.check(settings(**own))

    assert name == knob
    assert message.startswith(text)


def test_groups_follow_features_and_patch() -> None:
    assert [(g.name, g.patch_px) for g in CARD.groups(settings(patch_m=40))] == [("patch", 4)]
    assert [(g.name, g.patch_px) for g in CARD.groups(settings(features="dense"))] == [("dense", 1)]
    assert CARD.check(settings()) == []


def test_keys_of_a_wrapped_checkpoint_are_found(embedder: Any) -> None:
    network = embedder()
    own = network.network.state_dict()
    published = {f"module.model.{key}": tensor for key, tensor in own.items()}
    published["module.model.head.weight"] = torch.zeros(1)

    assert len(own) == 418
    assert network.rename(published).keys() == own.keys()
