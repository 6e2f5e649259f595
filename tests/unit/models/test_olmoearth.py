"""OlmoEarth: unlike tiles, missing bands, pixels and frames, dates, versions, checkpoints' keys."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import pytest
import torch

from rsweep.models.olmoearth.card import CARD, bands, version
from rsweep.models.olmoearth.encoder import Encoder, days_since_2000
from rsweep.models.olmoearth.network import OlmoEarthEmbedder, build
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve, sensor_bands

SIDE = 16
NANO = ("v1_nano", "v1_1_nano", "v1_2_nano")
each_version = pytest.mark.parametrize("variant", NANO)


def settings(**own: Any) -> dict[str, Any]:
    """What an inference job is given for a study's settings."""
    asked = {
        "model": "olmoearth",
        "variant": "v1_2_nano",
        "weights": "random",
        "image_size": SIDE,
        "patch_size": 4,
        "temporal": {"year": 2022},
        **own,
    }
    found, errors = resolve(asked, {})
    assert not errors
    return dict(build_nodes(found).inputs["tokens"].settings)


def embedder(**own: Any) -> OlmoEarthEmbedder:
    torch.manual_seed(0)
    return build(settings(**own))


def tiles(*sensors: str, side: int = SIDE) -> TileBatch:
    """Three tiles with their own dates, resolution and missing pixels."""
    torch.manual_seed(1)
    names = sensors or ("s2",)
    valid = {sensor: torch.rand(3, 2, side, side) < 0.9 for sensor in names}
    for sensor in names:
        valid[sensor][0, 1] = False  # a frame
        valid[sensor][1, :, :4, :4] = False  # a patch
    days = torch.tensor([[5, 95], [160, 190], [310, 340]])
    return TileBatch(
        pixels={s: torch.randn(3, 2, len(bands(s)), side, side) for s in names},
        valid=valid,
        day_of_year=dict.fromkeys(names, days),
        month=dict.fromkeys(names, days // 40),
        year=dict.fromkeys(names, torch.tensor([[2018, 2018], [2020, 2020], [2023, 2023]])),
        lonlat=torch.zeros(3, 2),
        gsd=torch.tensor([10.0, 20.0, 12.5]),
    )


def one(batch: TileBatch, index: int) -> TileBatch:
    found = {}
    for f in fields(batch):
        value = getattr(batch, f.name)
        part = slice(index, index + 1)
        held = {k: v[part] for k, v in value.items()} if isinstance(value, dict) else value[part]
        found[f.name] = held
    return TileBatch(**found)


def same(a: TokenMaps, b: TokenMaps) -> bool:
    return torch.allclose(a.maps["patch"], b.maps["patch"], atol=2e-5, equal_nan=True) and (
        torch.allclose(a.vectors["model"], b.vectors["model"], atol=2e-5, equal_nan=True)
    )


@each_version
@pytest.mark.parametrize("modality", ["s2", "landsat_l1", "s1_rtc+s2+landsat_l1"])
def test_a_batch_of_unlike_tiles_equals_its_tiles_alone(variant: str, modality: str) -> None:
    network = embedder(variant=variant, modality=modality)
    batch = tiles(*(needed.sensor for needed in CARD.modalities[modality]))

    together = network.embed(batch)

    assert together.maps["patch"].shape == (3, 4, 4, 128)
    for index in range(3):
        part = slice(index, index + 1)
        kept = TokenMaps(
            {"patch": together.maps["patch"][part]}, {"model": together.vectors["model"][part]}
        )
        assert same(kept, network.embed(one(batch, index)))


@each_version
@pytest.mark.parametrize("field", ["gsd", "month", "day_of_year", "year"])
def test_dates_and_resolution_are_read_by_the_versions_that_are_told(
    variant: str, field: str
) -> None:
    network, batch = embedder(variant=variant), tiles()
    for parameter in network.network.parameters():
        if parameter.ndim == 3:
            parameter.data.mul_(10)  # rotations large enough to be seen
    later = torch.tensor([0, 3])  # of the second frame alone: rotations tell what lies between
    value = getattr(batch, field)
    changed = value * 2 if field == "gsd" else {k: (v + later) % 2100 for k, v in value.items()}

    other = network.embed(replace(batch, **{field: changed}))

    told = {"gsd", "month"} | ({"day_of_year", "year"} if variant == "v1_2_nano" else set())
    assert same(other, network.embed(batch)) == (field not in told)


def test_days_are_those_since_2000_in_years_of_365_25() -> None:
    first = date(2019, 12, 1)
    days = [first + timedelta(days=n) for n in range(0, 900, 7)] + [date(2020, 2, 29)]
    year, month, of_year = torch.tensor(
        [[[d.year, d.month - 1, d.timetuple().tm_yday - 1] for d in days]]
    ).unbind(2)
    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    expected = [(d.year - 2000) * 365.25 + sum(lengths[: d.month - 1]) + d.day - 1 for d in days]

    assert days_since_2000(year, month, of_year)[0].tolist() == expected


def test_what_missing_pixels_hold_does_not_matter_but_that_they_are_missing_does() -> None:
    network, batch = embedder(), tiles()
    garbage = torch.where(batch.valid["s2"][:, :, None], batch.pixels["s2"], 1e6)
    everything = {"s2": torch.ones_like(batch.valid["s2"])}

    assert same(network.embed(replace(batch, pixels={"s2": garbage})), network.embed(batch))
    assert not same(network.embed(replace(batch, valid=everything)), network.embed(batch))


def test_a_patch_or_tile_never_seen_is_nan_and_spoils_no_other() -> None:
    network, batch = embedder(), tiles()
    batch.valid["s2"][2] = False

    found = network.embed(batch)

    unseen = found.maps["patch"].isnan().all(3)
    assert unseen[1, 0, 0]
    assert unseen[:2].sum() == 1
    assert unseen[2].all()
    assert not found.vectors["model"][:2].isnan().any()


def test_frames_that_a_neighbour_has_more_of_change_nothing() -> None:
    network, batch = embedder(variant="v1_nano"), tiles()
    longer = replace(
        batch,
        pixels={"s2": torch.cat([batch.pixels["s2"], torch.zeros(3, 2, 12, SIDE, SIDE)], 1)},
        valid={"s2": torch.cat([batch.valid["s2"], torch.zeros(3, 2, SIDE, SIDE) > 0], 1)},
        **{
            name: {"s2": torch.cat([getattr(batch, name)["s2"]] * 2, 1)}
            for name in ("day_of_year", "month", "year")
        },
    )

    assert same(network.embed(longer), network.embed(batch))


def test_a_frame_without_sentinel_2_has_the_date_of_the_radar() -> None:
    network, batch = embedder(modality="s1+s2"), tiles("s2", "s1")
    batch.valid["s1"][:] = True
    radar = {**batch.month, "s1": (batch.month["s1"] + 5) % 12}

    before = network.embed(batch).maps["patch"]
    after = network.embed(replace(batch, month=radar)).maps["patch"]

    assert not torch.allclose(before[0], after[0], atol=1e-4)  # its second frame is radar's alone
    assert torch.allclose(before[2], after[2], atol=2e-5)


@each_version
@pytest.mark.parametrize(("side", "patch"), [(8, 1), (6, 2), (15, 5), (14, 7), (40, 8), (3, 3)])
def test_any_size_that_the_patch_divides_gives_the_cards_tokens(
    variant: str, side: int, patch: int
) -> None:
    asked = settings(variant=variant, image_size=side, patch_size=patch)
    batch = one(tiles(side=side), 2)

    found = build(asked).embed(batch)

    (group,) = CARD.groups(asked)
    assert found.maps[group.name].shape == (1, side // patch, side // patch, 128)
    assert found.vectors["model"].shape == (1, 128)


def test_the_map_is_the_mean_of_the_sensors_and_the_vector_that_of_all_tokens() -> None:
    network, batch = embedder(variant="v1_nano", modality="s1+s2"), tiles("s2", "s1")
    for sensor in ("s2", "s1"):
        batch.valid[sensor][:] = True
    seen: dict[str, torch.Tensor] = {}
    network.network.register_forward_hook(lambda _, __, output: seen.update(output))

    found = network.embed(batch)

    by_sensor = [seen[sensor].mean((3, 4)) for sensor in ("s2", "s1")]
    torch.testing.assert_close(found.maps["patch"], (by_sensor[0] + by_sensor[1]) / 2)
    every = torch.cat([seen[sensor].flatten(1, 4) for sensor in ("s2", "s1")], 1)
    torch.testing.assert_close(found.vectors["model"], every.mean(1))


@each_version
def test_bands_in_another_order_are_the_same_image(variant: str) -> None:
    batch = tiles()
    turned = list(reversed(bands("s2")))
    flipped = replace(batch, pixels={"s2": batch.pixels["s2"].flip(2)})

    other = embedder(variant=variant, bands=turned).embed(flipped)

    assert same(other, embedder(variant=variant).embed(batch))


def raw_bands(pixels: torch.Tensor, names: list[str]) -> torch.Tensor:
    """Sentinel-2 values in their unit, of normalised ones."""
    stats = CARD.normalizations["olmoearth"]["s2"].stats
    mean, std = (torch.tensor([stats[n][i] for n in names])[:, None, None] for i in (0, 1))
    return pixels * std + mean


def test_version_1_is_fed_the_nearest_band_for_one_that_is_missing() -> None:
    held = [band for band in bands("s2") if band not in ("B1", "B9", "B8A")]
    batch = tiles()
    at = {band: bands("s2").index(band) for band in bands("s2")}
    raw = raw_bands(batch.pixels["s2"], bands("s2"))
    copied = raw.clone()
    # B9 (945 nm): B8 is nearer than B11 once B8A is gone too; B1 (443 nm) takes B2.
    for missing, source in (("B1", "B2"), ("B9", "B8"), ("B8A", "B8")):
        copied[:, :, at[missing]] = raw[:, :, at[source]]
    stats = CARD.normalizations["olmoearth"]["s2"].stats
    mean, std = (torch.tensor([stats[n][i] for n in at])[:, None, None] for i in (0, 1))
    whole = replace(batch, pixels={"s2": (copied - mean) / std})
    part = replace(batch, pixels={"s2": batch.pixels["s2"][:, :, [at[band] for band in held]]})

    told = embedder(variant="v1_nano", bands=held).embed(part)

    assert same(told, embedder(variant="v1_nano").embed(whole))


def test_version_1_copies_no_radar_and_nothing_between_light_and_heat() -> None:
    (row, _) = settings(variant="v1_nano", modality="s1", bands=["VH"])["constants"]["s1"]
    assert row == [0, 0.0, 0.0]
    found = settings(variant="v1_nano", modality="landsat_l1", bands=["B4", "B10"])["constants"]
    rows = dict(zip(bands("landsat_l1"), found["landsat_l1"], strict=True))
    assert {rows[band][0] for band in ("B1", "B7", "B8", "B9")} == {0}
    assert rows["B11"][0] == 1


@pytest.mark.parametrize("variant", ["v1_1_nano", "v1_2_nano"])
def test_later_versions_are_fed_zero_for_a_band_that_is_missing(variant: str) -> None:
    held = bands("s2")[:10]
    batch = tiles()
    without = batch.pixels["s2"].clone()
    without[:, :, 10:] = 0
    part = replace(batch, pixels={"s2": batch.pixels["s2"][:, :, :10]})

    told = embedder(variant=variant, bands=held).embed(part)

    assert same(told, embedder(variant=variant).embed(replace(batch, pixels={"s2": without})))


def test_several_layers_come_side_by_side_and_the_norm_can_be_left_out() -> None:
    batch = tiles()
    both = embedder(layer="2+-1").embed(batch).maps["patch"]
    alone = [embedder(layer=layer).embed(batch).maps["patch"] for layer in ("2", "last")]

    assert torch.allclose(both, torch.cat(alone, 3), atol=1e-6, equal_nan=True)
    assert not same(embedder(final_norm=False).embed(batch), embedder().embed(batch))


def test_half_precision_keeps_times_and_places() -> None:
    network, batch = embedder(), tiles()
    full = network.embed(batch).vectors["model"]
    with torch.autocast("cpu", torch.bfloat16):
        half = network.embed(batch).vectors["model"].float()

    assert torch.nn.functional.cosine_similarity(full, half).min() > 0.999


@pytest.mark.parametrize("name", CARD.variants)
def test_widths_and_parameters_are_the_cards(name: str) -> None:
    size = CARD.variants[name]
    with torch.device("meta"):
        network = Encoder(size.width, size.depth, size.heads, version(name))
    count = sum(parameter.numel() for parameter in network.parameters()) / 1e6

    assert count == pytest.approx(size.parameters_m, rel=0.03)


@each_version
def test_a_published_state_dict_loads_without_its_other_parts(variant: str) -> None:
    network = embedder(variant=variant)
    own = network.network.state_dict()
    published = {f"encoder.{key}": tensor for key, tensor in own.items()}
    for other in (
        "decoder.norm.weight",
        "target_encoder.norm.weight",
        "encoder.composite_encodings.pos_embed",
        "encoder.attention_pooler.norm.weight",
    ):
        published[other] = torch.zeros(1)

    found = network.rename(published)

    assert found.keys() == own.keys()
    assert "composite_encodings.month_embed.weight" in found
    assert all(torch.equal(found[key], own[key]) for key in own)


def test_the_month_table_is_not_learned() -> None:
    learned = dict(embedder().network.named_parameters())
    assert "composite_encodings.month_embed.weight" not in learned


def test_the_default_normalisation_maps_two_deviations_to_0_and_1_unclipped() -> None:
    constants = CARD.normalizations["olmoearth"]
    mean, std = constants["s2"].stats["B2"]
    assert (1188.9413 - 2 * 1859.1924 - mean) / std == pytest.approx(0, abs=1e-6)
    assert (1188.9413 + 2 * 1859.1924 - mean) / std == pytest.approx(1, abs=1e-6)
    assert constants["s2"].clip is None
    mean, std = constants["landsat_l1"].stats["B10"]
    assert (21347.89 - mean) / std == pytest.approx(0.5, abs=1e-5)


def test_a_size_that_is_no_multiple_of_the_patch_is_refused_with_the_nearest() -> None:
    found, errors = resolve({"model": "olmoearth", "image_size": 30, "patch_size": 8}, {})
    assert errors == [
        ("image_size", "is 30, which is not a multiple of patch_size (8); nearest: 24, 32")
    ]
    _, errors = resolve({"model": "olmoearth", "patch_size": 9}, {})
    assert "patch_size" in dict(errors)
    assert sensor_bands(found, CARD)["s2"][0] == "B2"
