"""Galileo: batches of unlike tiles, missing data, layers, checks and checkpoints' keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from rsweep.models.galileo.card import CARD
from rsweep.models.galileo.network import GalileoEmbedder, build
from rsweep.models.galileo.tokens import Observed, mean_of_all
from rsweep.models.masks import fill_missing
from rsweep.models.protocol import TileBatch, TokenMaps

PATCH = 4
BANDS = {"s2": ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"], "s1": ["VV", "VH"]}


def settings(modality: str = "s2", **own: Any) -> dict[str, Any]:
    sensors = [given.sensor for given in CARD.modalities[modality]]
    return {
        "variant": "nano",
        "patch_size": PATCH,
        "image_size": 16,
        "layer": "last",
        "final_norm": True,
        "bands": {sensor: BANDS[sensor] for sensor in sensors},
        **own,
    }


def embedder(modality: str = "s2", **own: Any) -> GalileoEmbedder:
    torch.manual_seed(0)
    return build(settings(modality, **own))


def tiles(sensors: tuple[str, ...] = ("s2",)) -> TileBatch:
    """Three tiles with their own months, resolution and missing pixels."""
    torch.manual_seed(1)
    shape = (3, 2, 16, 16)
    valid = {sensor: torch.rand(shape) < 0.9 for sensor in sensors}
    for sensor in sensors:
        valid[sensor][0, 1] = False  # a frame
        valid[sensor][1, :, :PATCH, :PATCH] = False  # a patch
    months = torch.tensor([[0, 3], [5, 6], [10, 11]])
    zeros = torch.zeros_like(months)
    return TileBatch(
        pixels={s: torch.randn(3, 2, len(BANDS[s]), 16, 16) for s in sensors},
        valid=valid,
        day_of_year=dict.fromkeys(sensors, zeros),
        month=dict.fromkeys(sensors, months),
        year=dict.fromkeys(sensors, zeros),
        lonlat=torch.zeros(3, 2),
        gsd=torch.tensor([10.0, 20.0, 12.5]),
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
    return torch.allclose(a.maps["patch"], b.maps["patch"], atol=2e-5, equal_nan=True) and (
        torch.allclose(a.vectors["model"], b.vectors["model"], atol=2e-5, equal_nan=True)
    )


@pytest.mark.parametrize("modality", ["s2", "s1", "s1+s2"])
def test_a_batch_of_unlike_tiles_equals_its_tiles_alone(modality: str) -> None:
    network = embedder(modality)
    batch = tiles(tuple(settings(modality)["bands"]))

    together = network.embed(batch)

    assert together.maps["patch"].shape == (3, 4, 4, 128)
    for index in range(3):
        alone = network.embed(one(batch, index))
        kept = TokenMaps(
            {"patch": together.maps["patch"][index : index + 1]},
            {"model": together.vectors["model"][index : index + 1]},
        )
        assert same(kept, alone)


@pytest.mark.parametrize("field", ["gsd", "month"])
def test_resolution_and_months_are_read(field: str) -> None:
    network, batch = embedder(), tiles()
    other = {"gsd": batch.gsd * 2, "month": {"s2": (batch.month["s2"] + 1) % 12}}[field]

    changed = network.embed(replace(batch, **{field: other}))

    assert not same(changed, network.embed(batch))


def test_what_missing_pixels_hold_does_not_matter() -> None:
    network, batch = embedder(), tiles()
    missing = ~batch.valid["s2"][:, :, None]
    garbage = torch.where(missing, 1e6, batch.pixels["s2"])

    assert same(network.embed(replace(batch, pixels={"s2": garbage})), network.embed(batch))


def test_that_pixels_are_missing_matters() -> None:
    network, batch = embedder(), tiles()
    everything = {"s2": torch.ones_like(batch.valid["s2"])}

    assert not same(network.embed(replace(batch, valid=everything)), network.embed(batch))


def test_a_patch_never_seen_is_nan_and_the_only_one() -> None:
    maps = embedder().embed(tiles())

    unseen = maps.maps["patch"].isnan().all(3)

    assert unseen[1, 0, 0]
    assert unseen.sum() == 1
    assert not maps.vectors["model"].isnan().any()


def test_a_tile_never_seen_is_nan_and_spoils_no_other() -> None:
    network, batch = embedder(), tiles()
    batch.valid["s2"][2] = False

    maps = network.embed(batch)

    assert maps.maps["patch"][2].isnan().all()
    assert not maps.vectors["model"][:2].isnan().any()


def test_frames_that_a_neighbour_has_more_of_change_nothing() -> None:
    network, batch = embedder(), tiles()
    longer = TileBatch(
        pixels={"s2": torch.cat([batch.pixels["s2"], torch.zeros(3, 2, 10, 16, 16)], 1)},
        valid={"s2": torch.cat([batch.valid["s2"], torch.zeros(3, 2, 16, 16) > 0], 1)},
        day_of_year={},
        month={"s2": torch.cat([batch.month["s2"], torch.full((3, 2), 11)], 1)},
        year={},
        lonlat=batch.lonlat,
        gsd=batch.gsd,
    )

    assert same(network.embed(longer), network.embed(batch))


def test_a_frame_without_sentinel_2_has_the_month_of_the_radar() -> None:
    network, batch = embedder("s1+s2"), tiles(("s2", "s1"))
    batch.valid["s1"][:] = True
    radar = {**batch.month, "s1": (batch.month["s1"] + 1) % 12}

    before = network.embed(batch).maps["patch"]
    after = network.embed(replace(batch, month=radar)).maps["patch"]

    assert not torch.allclose(before[0], after[0], atol=1e-4)  # its second frame is radar's alone
    assert torch.allclose(before[2], after[2], atol=2e-5)


def test_missing_pixels_take_the_mean_of_their_patch() -> None:
    pixels = torch.tensor([[[[[1.0, 3.0], [9.0, 9.0]]]]])
    valid = torch.tensor([[[[True, True], [False, False]]]])

    filled, share = fill_missing(pixels, valid, 2)

    assert filled.flatten().tolist() == [1, 3, 2, 2]
    assert share.item() == 0.5


def test_what_has_neither_place_nor_time_can_be_all_there_is() -> None:
    network = embedder().network
    location = torch.randn(2, 1, 3)

    def mean(rows: slice) -> torch.Tensor:
        values = location[rows]
        seen = Observed(values, torch.ones(len(values), 1, 1, 1, dtype=torch.bool))
        months = torch.zeros(len(values), 3, dtype=torch.int64)
        gsd = torch.full((len(values),), 10.0)
        return mean_of_all(network({"location": seen}, months, gsd, PATCH, (4,), True))

    both = mean(slice(0, 2))
    assert both.shape == (2, 128)
    assert (both[0] - both[1]).abs().max() > 1e-3
    torch.testing.assert_close(both[1:], mean(slice(1, 2)), rtol=1e-4, atol=1e-5)


def test_several_layers_come_side_by_side_from_one_pass() -> None:
    batch = tiles()
    both = embedder(layer="2+-1").embed(batch).maps["patch"]

    alone = [embedder(layer=layer).embed(batch).maps["patch"] for layer in ("2", "4")]

    assert torch.allclose(both, torch.cat(alone, 3), atol=1e-6, equal_nan=True)


def test_the_final_norm_can_be_left_out() -> None:
    batch = tiles()

    assert not same(embedder(final_norm=False).embed(batch), embedder().embed(batch))


def test_an_image_that_is_no_multiple_of_the_patch_is_refused_with_the_nearest() -> None:
    assert CARD.check(settings(image_size=30, patch_size=8)) == [
        ("image_size", "is 30, which is not a multiple of patch_size (8); nearest: 24, 32")
    ]
    assert CARD.check(settings()) == []


def test_the_default_normalisation_maps_two_deviations_below_the_mean_to_zero() -> None:
    mean, std = CARD.normalizations["galileo"]["s2"].stats["B2"]

    assert (1395.34087 - 2 * 917.70414 - mean) / std == pytest.approx(0, abs=1e-6)
    assert (1395.34087 + 2 * 917.70414 - mean) / std == pytest.approx(1, abs=1e-6)
    assert CARD.normalizations["galileo"]["s2"].center["B2"] == pytest.approx(1395.34087)


def test_tables_of_time_are_not_learned() -> None:
    learned = dict(embedder().network.named_parameters())

    assert not learned.keys() & {"pos_embed", "month_embed.weight"}


def test_keys_of_a_wrapped_checkpoint_are_found() -> None:
    network = embedder()
    own = network.network.state_dict()
    published = {f"module.{key.replace('blocks.', 'blocks.backbone.')}": own[key] for key in own}
    published["module.decoder_embed.weight"] = torch.zeros(1)

    assert network.rename(published).keys() == own.keys()


def test_level_1c_is_fed_as_it_was_trained_on() -> None:
    batch = tiles()
    renamed = {
        name: {"s2_l1c": value["s2"]} if isinstance(value, dict) and value else value
        for name, value in vars(batch).items()
    }

    other = embedder(bands={"s2_l1c": BANDS["s2"]}).embed(TileBatch(**renamed))

    assert same(other, embedder().embed(batch))
    constants = CARD.normalizations["galileo"]
    assert constants["s2_l1c"].stats == constants["s2"].stats
