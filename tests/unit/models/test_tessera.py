"""TESSERA: pixels alone and together, missing observations, sequences, statistics, checkpoints."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from rsweep.models.protocol import TileBatch
from rsweep.models.tessera import card, network
from rsweep.models.tessera.card import CARD, Network
from rsweep.models.tessera.encoder import Tessera, encoded_days
from rsweep.models.tessera.network import TesseraEmbedder, build
from rsweep.models.tessera.observations import (
    Series,
    chosen_observations,
    full_sequences,
    sequence_length,
)
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve

SMALL = {
    "v1_1": Network(16, 2, 1, 32, "own_gru", "two", 192, "v1_1"),
    "v1_qat": Network(16, 2, 1, 32, "own_gru", "one", 128, "v1"),
    "v1_float": Network(16, 2, 1, 32, "gru", "one", 128, "v1"),
    "v2_small": Network(16, 2, 1, 32, "attention", "two", 128, "v2", output_norm=True),
}
BANDS = {"s2": 10, "s1": 2, "s1_rtc": 2}
each_variant = pytest.mark.parametrize("variant", CARD.variants)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Networks of few numbers."""
    monkeypatch.setattr(card, "NETWORKS", SMALL)


def settings(**own: Any) -> dict[str, Any]:
    """What an inference job is given for a study's settings."""
    asked = {"model": "tessera", "weights": "random", "temporal": {"year": 2022}, **own}
    found, errors = resolve(asked, {})
    assert not errors
    return dict(build_nodes(found).inputs["tokens"].settings)


def embedder(**own: Any) -> TesseraEmbedder:
    torch.manual_seed(0)
    made = build(settings(**own))
    for parameter in made.network.parameters():
        if parameter.ndim == 1:
            parameter.data.add_(0.2 * torch.randn_like(parameter))
    return made


def tiles(*sensors: str, frames: int = 11) -> TileBatch:
    """Three tiles of 3 x 3 pixels, each pixel with its own missing observations."""
    torch.manual_seed(1)
    names = sensors or ("s2", "s1_rtc")
    shape = (3, frames, 3, 3)
    day = torch.sort(torch.randint(0, 365, (3, frames)), 1).values
    zeros = torch.zeros_like(day)
    return TileBatch(
        pixels={s: 2000 + 1500 * torch.rand(3, frames, BANDS[s], 3, 3) for s in names},
        valid={s: torch.rand(shape) < torch.rand(3, 1, 3, 3) * 1.3 for s in names},
        day_of_year=dict.fromkeys(names, day),
        month=dict.fromkeys(names, zeros),
        year=dict.fromkeys(names, zeros),
        lonlat=torch.zeros(3, 2),
        gsd=torch.full((3,), 10.0),
    )


def one(batch: TileBatch, index: int) -> TileBatch:
    found = {}
    for f in fields(batch):
        value, part = getattr(batch, f.name), slice(index, index + 1)
        held = {k: v[part] for k, v in value.items()} if isinstance(value, dict) else value[part]
        found[f.name] = held
    return TileBatch(**found)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, atol=1e-5, equal_nan=True)


@each_variant
@pytest.mark.parametrize("modality", CARD.modalities)
def test_a_batch_of_unlike_tiles_equals_its_tiles_alone(variant: str, modality: str) -> None:
    model = embedder(variant=variant, modality=modality)
    batch = tiles(*(needed.sensor for needed in CARD.modalities[modality]))

    together = model.embed(batch).maps["pixel"]

    assert together.shape == (3, 3, 3, 128)
    for index in range(3):
        assert same(together[index : index + 1], model.embed(one(batch, index)).maps["pixel"])


def test_a_pixel_does_not_see_its_neighbours() -> None:
    model, batch = embedder(), tiles()
    order = torch.randperm(9)

    def shuffled(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {s: v.flatten(-2)[..., order].unflatten(-1, (3, 3)) for s, v in values.items()}

    moved = replace(batch, pixels=shuffled(batch.pixels), valid=shuffled(batch.valid))

    expected = model.embed(batch).maps["pixel"].flatten(1, 2)[:, order]
    assert same(model.embed(moved).maps["pixel"].flatten(1, 2), expected)


def test_how_many_pixels_run_together_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = embedder(), tiles()
    together = model.embed(batch).maps["pixel"]
    monkeypatch.setattr(network, "PIXELS", 2)
    assert same(model.embed(batch).maps["pixel"], together)


@each_variant
def test_a_missing_observation_is_as_none_at_all(variant: str) -> None:
    model, batch = embedder(variant=variant), tiles()
    for sensor in batch.valid:
        batch.valid[sensor][:] = True
        batch.valid[sensor][:, 4] = False
    kept = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    shorter = replace(
        batch,
        pixels={s: v[:, kept] for s, v in batch.pixels.items()},
        valid={s: v[:, kept] for s, v in batch.valid.items()},
        day_of_year={s: v[:, kept] for s, v in batch.day_of_year.items()},
    )

    assert same(model.embed(batch).maps["pixel"], model.embed(shorter).maps["pixel"])


def test_what_missing_pixels_hold_does_not_matter_but_observations_do() -> None:
    model, batch = embedder(), tiles()
    before = model.embed(batch).maps["pixel"]
    noise = {s: torch.where(batch.valid[s][:, :, None], v, 9e4) for s, v in batch.pixels.items()}
    later = {s: v + 20 for s, v in batch.day_of_year.items()}

    assert same(model.embed(replace(batch, pixels=noise)).maps["pixel"], before)
    assert not same(model.embed(replace(batch, day_of_year=later)).maps["pixel"], before)
    for sensor in ("s2", "s1_rtc"):
        other = {**batch.pixels, sensor: batch.pixels[sensor] + 500}
        assert not same(model.embed(replace(batch, pixels=other)).maps["pixel"], before)


def test_a_pixel_never_seen_is_nan_and_one_sensor_is_enough() -> None:
    model, batch = embedder(), tiles()
    for sensor in batch.valid:
        batch.valid[sensor][:] = True
    batch.valid["s2"][0, :, 0, :2] = False
    batch.valid["s1_rtc"][0, :, 0, 0] = False

    found = model.embed(batch).maps["pixel"]

    assert found.isnan().any(3).nonzero().tolist() == [[0, 0, 0]]


def test_radar_at_the_bottom_of_its_range_is_no_data() -> None:
    model, batch = embedder(), tiles()
    batch.valid["s1_rtc"][:] = True
    batch.pixels["s1_rtc"][:, 3] = 0
    hidden = {s: v.clone() for s, v in batch.valid.items()}
    hidden["s1_rtc"][:, 3] = False

    assert same(
        model.embed(batch).maps["pixel"], model.embed(replace(batch, valid=hidden)).maps["pixel"]
    )


def test_a_sensor_that_is_not_read_is_as_one_that_saw_nothing() -> None:
    both, batch = embedder(), tiles()
    batch.valid["s1_rtc"][:] = False
    alone = embedder(modality="s2")

    assert same(both.embed(batch).maps["pixel"], alone.embed(batch).maps["pixel"])


@pytest.mark.parametrize(
    ("count", "sampling", "chosen"),
    [
        (8, "v1_1", [0, 1, 2, 3, 4, 5, 6, 7]),
        (5, "v1_1", [0, 1, 2, 3, 4, 1, 2, 3]),
        (1, "v1_1", [0] * 8),
        (6, "v1_1", [0, 1, 2, 3, 4, 5, 2, 3]),  # 5/3 and 10/3, rounded
        (5, "v2", [0, 1, 2, 3, 4, 1, 3, 4]),  # middles of 0 1, 2 3 and 4
        (3, "v2", [0, 1, 2, 0, 1, 2, 0, 1]),  # five lacking of three
        (40, "v1", list(range(40))),
    ],
)
def test_observations_fill_a_sequence_as_upstream_fills_it(count, sampling, chosen) -> None:
    assert chosen_observations(count, sampling).tolist() == chosen


@pytest.mark.parametrize("sampling", ["v1_1", "v2", "v1"])
def test_sequences_are_multiples_of_8_up_to_256_and_40_in_version_1(sampling: str) -> None:
    for count in (1, 7, 8, 9, 40, 41, 255, 256, 257, 366):
        chosen = chosen_observations(count, sampling)
        full = min((count + 7) // 8 * 8, 256)
        assert len(chosen) == (40 if sampling == "v1" else full) == sequence_length(count, sampling)
        assert chosen.min() >= 0
        assert chosen.max() < count
        if count <= len(chosen):
            assert set(chosen.tolist()) == set(range(count))


def test_sequences_hold_what_was_seen_in_order() -> None:
    values = torch.arange(12.0).reshape(2, 6, 1)
    seen = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0]]) > 0
    series = Series(values, values[..., 0] + 100, seen)

    found = {which.tolist()[0]: (v, d) for which, v, d in full_sequences(series, "v1_1")}

    assert found[0][0][0, :4, 0].tolist() == [0, 2, 3, 5]
    assert found[0][1][0, :4].tolist() == [100, 102, 103, 105]
    assert found[0][0].shape == (1, 8, 1)
    assert found[1][0].tolist() == [[[0.0]]]
    assert found[1][1].tolist() == [[0.0]]


def test_statistics_are_of_the_variant_and_of_the_orbit() -> None:
    def told(sensor: str, **own: Any) -> Any:
        return settings(**own)["constants"][sensor]

    for stats in told("s2", variant="v1_1_aws"):
        assert stats[0][0] == 2793.6589
    assert told("s2", variant="v2_small")[0][1][-1] == 1108.6046
    both, ascending, descending = told("s1_rtc")
    assert ascending[0] == [5588.3291, 3025.6270]
    assert descending[1] == [1685.5857, 1677.6414]
    assert both[0] == pytest.approx([(5588.3291 + 5552.9683) / 2, (3025.6270 + 2955.0520) / 2])


def test_ascending_radar_comes_first_and_each_has_its_own_statistics() -> None:
    model, batch = embedder(modality="s1_rtc"), one(tiles("s1_rtc", frames=8), 0)
    batch.valid["s1_rtc"][:] = True
    batch.orbit["s1_rtc"] = torch.tensor([[2, 1, 1, 2, 0, 2, 1, 1]])
    seen: dict[str, torch.Tensor] = {}

    def keep(_: Any, given: tuple[torch.Tensor, torch.Tensor]) -> None:
        seen.update(values=given[0], days=given[1])

    model.network.s1_backbone.register_forward_pre_hook(keep)

    model.embed(batch)

    order = [1, 2, 4, 6, 7, 0, 3, 5]
    assert seen["days"][0].tolist() == (batch.day_of_year["s1_rtc"][0, order] + 1).tolist()
    told = settings(modality="s1_rtc")["constants"]["s1_rtc"]
    for place, frame in enumerate(order):
        mean, std = torch.tensor(told[batch.orbit["s1_rtc"][0, frame]])
        expected = (batch.pixels["s1_rtc"][0, frame, :, 0, 0] - mean) / std
        torch.testing.assert_close(seen["values"][0, place], expected)


def test_decibels_become_upstreams_numbers() -> None:
    radar = CARD.normalizations["tessera"]["s1_rtc"]
    mean, std = radar.stats["VV"]
    assert radar.clip is not None
    # 20 log10 of the power as if it were an amplitude, as upstream takes it
    power = 10 ** (-11.3 / 10)
    upstream = (20 * torch.log10(torch.tensor(power)).item() + 50) * 200
    assert (radar.gain * -11.3 - mean) / std == pytest.approx(upstream)
    assert [(radar.gain * end - mean) / std for end in radar.clip] == pytest.approx([0, 32767])


def test_the_network_is_told_days_from_1_and_standardised_values() -> None:
    model, batch = embedder(modality="s2"), one(tiles("s2"), 0)
    batch.valid["s2"][:] = True
    seen: dict[str, torch.Tensor] = {}
    model.network.s2_backbone.register_forward_pre_hook(
        lambda _, given: seen.update(values=given[0], days=given[1])
    )

    model.embed(batch)

    assert seen["days"][0, :11].tolist() == (batch.day_of_year["s2"][0] + 1).tolist()
    mean, std = settings(modality="s2")["constants"]["s2"][0]
    expected = (batch.pixels["s2"][0, :, 2, 0, 0] - mean[2]) / std[2]
    torch.testing.assert_close(seen["values"][0, :11, 2], expected)


def test_days_are_sines_and_cosines_by_turns() -> None:
    found = encoded_days(torch.tensor([[33.0]]), 4)[0, 0]
    angles = torch.tensor([33.0, 0.33])
    torch.testing.assert_close(found[0::2], angles.sin())
    torch.testing.assert_close(found[1::2], angles.cos())


def test_the_leading_numbers_are_kept_and_more_than_there_are_is_refused() -> None:
    batch = tiles()
    full = embedder(dimensions=192).embed(batch).maps["pixel"]
    for kept in (16, 128):
        assert same(embedder(dimensions=kept).embed(batch).maps["pixel"], full[..., :kept])
    _, errors = resolve({"model": "tessera", "variant": "v1_qat", "dimensions": 192}, {})
    assert errors == [("dimensions", "is 192; v1_qat gives 128")]


@each_variant
def test_a_published_state_dict_loads_without_its_projector(variant: str) -> None:
    model = embedder(variant=variant)
    own = model.network.state_dict()
    published = {f"_orig_mod.{key}": tensor for key, tensor in own.items()}
    published["_orig_mod.projector.0.weight"] = torch.zeros(1)
    published["segmented_matryoshka_projector.0.weight"] = torch.zeros(1)

    found = model.rename(published)

    assert found.keys() == own.keys()
    assert all(torch.equal(found[key], own[key]) for key in own)


@each_variant
def test_parameters_are_the_cards(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    size = card.network(variant)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in Tessera(size).parameters()) / 1e6
    assert count == pytest.approx(CARD.variants[variant].parameters_m, rel=0.01)
    assert CARD.variants[variant].width == size.width


def test_normed_queries_and_keys_are_of_every_head_alone() -> None:
    size = replace(SMALL["v2_small"], qk_norm=True)
    torch.manual_seed(0)
    layer = Tessera(size).s2_backbone.get_submodule("transformer_encoder.0")
    tokens = torch.randn(2, 5, 16)
    before = layer(tokens)
    layer.get_submodule("q_proj").weight.data.mul_(7)  # a head's scale does not matter
    layer.get_submodule("q_proj").bias.data.mul_(7)
    assert torch.allclose(layer(tokens), before, atol=1e-5)
