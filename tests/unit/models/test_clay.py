"""Clay: unlike tiles, what it is told of time and place, any bands and sizes, checkpoints' keys."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from rsweep.core.sensors import SENSORS
from rsweep.models.clay.card import CARD, SIZES
from rsweep.models.clay.network import Clay, ClayEmbedder, build, encoded_places, iso_week
from rsweep.models.protocol import TileBatch
from rsweep.plan.catalogue import providers
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve


def settings(**own: Any) -> dict[str, Any]:
    """What an inference job is given for a study's settings."""
    (provider, *_) = [p for p in providers(CARD, own.get("modality", "s2")) if p != "local"]
    asked = {
        "model": "clay",
        "variant": "tiny",
        "weights": "random",
        "image_size": 32,
        "temporal": {"year": 2022},
        "provider": provider,
        **own,
    }
    found, errors = resolve(asked, {})
    assert not errors
    return dict(build_nodes(found).inputs["tokens"].settings)


def embedder(**own: Any) -> ClayEmbedder:
    torch.manual_seed(0)
    return build(settings(**own))


def tiles(sensor: str = "s2", bands: int = 10, side: int = 32) -> TileBatch:
    """Three tiles with their own dates, places and metres per pixel."""
    torch.manual_seed(1)
    return TileBatch(
        pixels={sensor: torch.randn(3, 1, bands, side, side)},
        valid={sensor: torch.ones(3, 1, side, side) > 0},
        day_of_year={sensor: torch.tensor([[5], [160], [340]])},
        month={sensor: torch.tensor([[0], [5], [11]])},
        year={sensor: torch.tensor([[2018], [2020], [2023]])},
        lonlat=torch.tensor([[8.6, 50.5], [151.2, -33.9], [-120.5, 38.0]], dtype=torch.float64),
        gsd=torch.tensor([10.0, 20.0, 12.5]),
    )


def one(batch: TileBatch, index: int) -> TileBatch:
    found = {}
    for f in fields(batch):
        value, part = getattr(batch, f.name), slice(index, index + 1)
        held = {k: v[part] for k, v in value.items()} if isinstance(value, dict) else value[part]
        found[f.name] = held
    return TileBatch(**found)


def cls(model: ClayEmbedder, batch: TileBatch) -> torch.Tensor:
    return model.embed(batch).vectors["cls"]


def test_a_batch_of_unlike_tiles_equals_its_tiles_alone() -> None:
    model, batch = embedder(), tiles()
    together = model.embed(batch)
    for index in range(3):
        alone, part = model.embed(one(batch, index)), slice(index, index + 1)
        torch.testing.assert_close(
            alone.maps["patches"], together.maps["patches"][part], rtol=1e-4, atol=2e-5
        )
        torch.testing.assert_close(
            alone.vectors["cls"], together.vectors["cls"][part], rtol=1e-4, atol=2e-5
        )


@pytest.mark.parametrize("field", ["gsd", "lonlat", "day_of_year"])
def test_time_place_and_pixel_size_are_read_unless_they_are_to_be_unknown(field: str) -> None:
    batch = tiles()
    value = getattr(batch, field)
    later = {k: v + 21 for k, v in value.items()} if isinstance(value, dict) else value * 0.7
    other = replace(batch, **{field: later})
    told, untold = embedder(), embedder(metadata=False)

    assert not torch.allclose(cls(told, batch), cls(told, other), atol=1e-6)
    same = torch.equal(cls(untold, batch), cls(untold, other))
    assert same == (field != "gsd")  # metres per pixel are no matter of when or where


def test_what_is_told_are_sines_and_cosines_of_week_hour_and_place() -> None:
    model = embedder()
    told = model._told(tiles())

    week, hour = 24, 0  # 2020-06-09, a Tuesday; 10:30 local time at 151.2 degrees east is 0:25 UTC
    angles = [week * math.tau / 52, hour * math.tau / 24, math.radians(-33.9), math.radians(151.2)]
    expected = [f(angle) for angle in angles for f in (math.sin, math.cos)]
    assert told[1].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("year", "day", "week"), [(2020, 160, 24), (2021, 0, 53), (2018, 364, 1), (2023, 0, 52)]
)
def test_weeks_are_those_of_the_iso_calendar(year: int, day: int, week: int) -> None:
    assert iso_week(year, day) == week


@pytest.mark.parametrize(
    ("own", "hours"),
    [
        ({}, [9, 0, 18]),
        ({"hour": "midnight"}, [0, 0, 0]),
        ({"modality": "s1_rtc"}, [0, 0, 0]),
        ({"modality": "landsat"}, [9, 0, 18]),
    ],
)
def test_the_hour_is_that_of_the_overpass_in_utc(own: dict[str, Any], hours: list[int]) -> None:
    model = embedder(**own)
    assert [model._hour(lon) for lon in (8.6, 151.2, -120.5)] == hours


def test_places_run_over_columns_then_rows_at_nearly_one_frequency() -> None:
    found = encoded_places(2, 3, torch.tensor([10.0]), 184)[0].reshape(2, 3, 4, 46)
    last = 10 * 10000 ** (-2 / 184)
    assert found[1, 2, 0, 0].item() == pytest.approx(math.sin(20), abs=1e-5)
    assert found[1, 2, 1, 45].item() == pytest.approx(math.cos(2 * last), abs=1e-4)
    assert found[1, 2, 2, 0].item() == pytest.approx(math.sin(10), abs=1e-5)
    assert found[1, 2, 3, 45].item() == pytest.approx(math.cos(last), abs=1e-5)


@pytest.mark.parametrize("side", [8, 24, 40, 64])
def test_any_size_that_the_patch_divides_gives_the_cards_tokens(side: int) -> None:
    asked = settings(image_size=side)
    found = build(asked).embed(tiles(side=side))
    (group,) = CARD.groups(asked)
    assert found.maps[group.name].shape == (3, side // 8, side // 8, 192)


def test_bands_and_wavelengths_are_taken_together() -> None:
    names = CARD.modalities["s2"][0].bands
    turned, batch = list(reversed(names)), tiles()
    flipped = replace(batch, pixels={"s2": batch.pixels["s2"].flip(2)})

    expected = cls(embedder(), batch)

    assert torch.allclose(cls(embedder(bands=turned), flipped), expected, atol=1e-5)
    assert not torch.allclose(cls(embedder(), flipped), expected, atol=1e-3)
    three = embedder(bands=["B4", "B3", "B2"])
    assert three.embed(tiles(bands=3)).vectors["cls"].shape == (3, 192)


@pytest.mark.parametrize("modality", CARD.modalities)
def test_every_sensor_runs_by_its_wavelengths(modality: str) -> None:
    model = embedder(modality=modality)
    (needed,) = CARD.modalities[modality]
    assert len(model.wavelengths_um) == len(needed.bands)
    assert cls(model, tiles(modality, len(needed.bands))).isfinite().all()


def test_bands_without_statistics_are_standardised_by_their_tile() -> None:
    asked = {"model": "clay", "weights": "random", "temporal": {"year": 2022}}
    found, errors = resolve({**asked, "bands": ["B1", "B2", "B9"]}, {})
    assert not errors
    assert found["normalization"] == "tile_zscore"
    waves = build_nodes(found).inputs["tokens"].settings["constants"]["wavelengths_um"]
    assert waves == [0.443, 0.493, 0.945]
    _, errors = resolve({**asked, "bands": ["B1"], "normalization": "clay"}, {})
    assert "normalization" in dict(errors)


def test_landsat_reflectance_becomes_the_numbers_that_upstream_counts_in() -> None:
    landsat = CARD.normalizations["clay"]["landsat"]
    mean, std = landsat.stats["B4"]
    number = 20000.0
    reflectance = (number * 2.75e-5 - 0.2) * 10000
    ours = (landsat.gain * reflectance - mean) / std
    assert ours == pytest.approx((number - 13705) / 9578)
    assert SENSORS["landsat"].unit == "reflectance x 10000"


def test_several_layers_come_side_by_side_and_the_norm_can_be_left_out() -> None:
    batch = tiles()
    both = embedder(layer="2+-1").embed(batch)
    for name, part in (("2", slice(0, 192)), ("last", slice(192, 384))):
        alone = embedder(layer=name).embed(batch)
        torch.testing.assert_close(both.maps["patches"][..., part], alone.maps["patches"])
        torch.testing.assert_close(both.vectors["cls"][:, part], alone.vectors["cls"])
    assert not torch.allclose(cls(embedder(final_norm=False), batch), cls(embedder(), batch))


def test_half_precision_keeps_kernel_and_places() -> None:
    model, batch = embedder(), tiles()
    full = cls(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = cls(model, batch).float()
    assert torch.nn.functional.cosine_similarity(full, half).min() > 0.999


@pytest.mark.parametrize("variant", CARD.variants)
def test_parameters_are_the_cards(variant: str) -> None:
    size = CARD.variants[variant]
    with torch.device("meta"):
        network = Clay(size.width, size.depth, size.heads, *SIZES[variant])
    count = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert count == pytest.approx(size.parameters_m, rel=0.02)


def test_a_published_state_dict_loads_without_decoder_and_teacher() -> None:
    model = embedder()
    own = model.network.state_dict()
    published = {f"model.encoder.{key}": tensor for key, tensor in own.items()}
    for other in (
        "model.decoder.transformer.norm.weight",
        "model.teacher.cls_token",
        "model.proj.weight",
    ):
        published[other] = torch.zeros(1)

    found = model.rename(published)

    assert found.keys() == own.keys()
    assert all(torch.equal(found[key], own[key]) for key in own)


def test_a_size_that_is_no_multiple_of_the_patch_is_refused_with_the_nearest() -> None:
    _, errors = resolve({"model": "clay", "image_size": 100}, {})
    assert errors == [
        ("image_size", "is 100, which is not a multiple of the patch (8); nearest: 96, 104")
    ]
