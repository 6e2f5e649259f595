from __future__ import annotations

import math
from datetime import date

import pytest
import torch

from rsweep.models.card import Variant
from rsweep.models.copernicusfm.card import CARD
from rsweep.models.copernicusfm.network import (
    CopernicusFm,
    CopernicusFmEmbedder,
    build,
    days_since_1970,
    fourier,
)
from rsweep.models.protocol import TileBatch
from rsweep.plan.profiles import resolve
from rsweep.stages.bands import sensor_bands

WIDTH = 64


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(CARD.variants, "base", Variant(WIDTH, 3, 4, 0.1))


def embedder(modality="s2", bands="B4,B3,B2", seed=0, **own) -> CopernicusFmEmbedder:
    raw = {"model": "copernicusfm", "modality": modality, "bands": bands, "image_size": 64, **own}
    settings, errors = resolve(raw, {})
    assert not errors
    torch.manual_seed(seed)
    extra = {"bands": sensor_bands(settings, CARD), "constants": CARD.constants(settings)}
    found = build(settings | extra)
    found.network.eval()
    return found


def batch(bands=3, size=64, b=2, sensor="s2") -> TileBatch:
    seed = torch.Generator().manual_seed(1)
    return TileBatch(
        pixels={sensor: torch.randn(b, 1, bands, size, size, generator=seed)},
        valid={sensor: torch.ones(b, 1, size, size, dtype=torch.bool)},
        day_of_year={sensor: torch.tensor([[10], [200]])[:b]},
        month={sensor: torch.zeros(b, 1, dtype=torch.int64)},
        year={sensor: torch.tensor([[2020], [2021]])[:b]},
        lonlat=torch.tensor([[7.1, 45.2], [-60.3, -10.4]], dtype=torch.float64)[:b],
        gsd=torch.linspace(8.0, 10.0, b),
    )


def test_a_batch_gives_what_its_tiles_give_alone():
    tiles, model = batch(), embedder()
    together = model.embed(tiles)
    for index in range(2):
        cut = slice(index, index + 1)
        one = batch(b=1)
        one.pixels["s2"], one.lonlat = tiles.pixels["s2"][cut], tiles.lonlat[cut]
        one.gsd = tiles.gsd[cut]
        one.year, one.day_of_year = ({"s2": x["s2"][cut]} for x in (tiles.year, tiles.day_of_year))
        alone = model.embed(one)
        torch.testing.assert_close(together.maps["patches"][index], alone.maps["patches"][0])
        for name in ("cls", "model"):
            torch.testing.assert_close(together.vectors[name][index], alone.vectors[name][0])


@pytest.mark.parametrize("what", ["lon", "lat", "year", "day", "gsd"])
def test_each_thing_that_it_is_told_changes_the_result(what):
    tiles, model = batch(), embedder()
    before = model.embed(tiles).vectors["cls"]
    if what in ("lon", "lat"):
        tiles.lonlat[0, ("lon", "lat").index(what)] += 3
    elif what == "gsd":
        tiles.gsd[0] = 20
    else:
        (tiles.year if what == "year" else tiles.day_of_year)["s2"][0] += 3
    change = (model.embed(tiles).vectors["cls"] - before).abs().amax(1)
    assert change[0] > 1e-4
    assert change[1] == 0
    untold = embedder(told=False)
    torch.testing.assert_close(untold.embed(tiles).maps, untold.embed(batch()).maps)


@torch.inference_mode()
def test_what_is_unknown_of_one_tile_is_unknown_of_no_other():
    network = embedder().network
    known = torch.tensor([[7.0, 45, 19000, 0.0256], [math.nan, 45, 19000, 0.0256]])
    told = network.told(known)
    token = network.coord_fc(network.coord_token[0, 0])
    torch.testing.assert_close(told["coord"][1, 0], token)
    assert (told["coord"][0, 0] - token).abs().max() > 1e-3
    torch.testing.assert_close(told["time"][0], told["time"][1])


def test_the_network_is_told_what_is_there():
    known = embedder(patch_size=8)._known(batch())
    days = [
        (date(2020, 1, 11) - date(1970, 1, 1)).days,
        (date(2021, 7, 20) - date(1970, 1, 1)).days,
    ]
    expected = [[7.1, 45.2, days[0], 0.064**2], [-60.3, -10.4, days[1], 0.08**2]]
    torch.testing.assert_close(known, torch.tensor(expected))


def test_days_are_counted_over_leap_years():
    for day in (date(1970, 1, 1), date(1972, 3, 1), date(2000, 12, 31), date(2100, 3, 1)):
        year, number = torch.tensor(day.year), torch.tensor(day.timetuple().tm_yday - 1)
        assert days_since_1970(year, number).item() == (day - date(1970, 1, 1)).days


def test_fourier_has_geometric_periods_with_sines_first():
    found = fourier(torch.tensor([3.0]), (1, 100), 6)
    periods = torch.tensor([1.0, 10.0, 100.0])
    angles = 2 * math.pi * 3 / periods
    expected = torch.cat([angles.sin(), angles.cos()])[None]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_bands_may_be_any_in_any_order():
    tiles = batch(bands=13, sensor="s2_l1c")
    every = ",".join(CARD.modalities["s2_l1c"][0].bands)
    maps = embedder("s2_l1c", every).embed(tiles).maps["patches"]
    tiles.pixels["s2_l1c"] = tiles.pixels["s2_l1c"].flip(2)
    turned = embedder("s2_l1c", ",".join(reversed(every.split(",")))).embed(tiles).maps["patches"]
    torch.testing.assert_close(maps, turned, rtol=1e-4, atol=1e-5)
    settings, _ = resolve({"model": "copernicusfm", "modality": "s1", "bands": "VH"}, {})
    assert CARD.constants(settings) == {"wavelengths_nm": [5e7], "bandwidths_nm": [1e9]}


@pytest.mark.parametrize("patch, size", [(16, 224), (8, 64), (4, 32), (3, 24), (32, 64)])
def test_any_patch_and_image_size(patch, size):
    out = embedder(patch_size=patch, image_size=size).embed(batch(size=size, b=1))
    side = size // patch
    assert out.maps["patches"].shape == (1, side, side, WIDTH)
    assert out.vectors["model"].shape == (1, WIDTH)


@torch.inference_mode()
def test_layers_are_concatenated_and_normed_unless_told_not_to():
    tiles = batch()
    both = embedder(layer="last+1").embed(tiles)
    last, first = embedder().embed(tiles), embedder(layer="1").embed(tiles)
    for kind in ("maps", "vectors"):
        joined, parts = getattr(both, kind), (getattr(last, kind), getattr(first, kind))
        for name, found in joined.items():
            torch.testing.assert_close(found, torch.cat([p[name] for p in parts], dim=-1))
    raw, norm = embedder(final_norm=False).embed(tiles), embedder().network.fc_norm
    torch.testing.assert_close(norm(raw.maps["patches"]), last.maps["patches"])
    torch.testing.assert_close(raw.vectors["model"], last.vectors["model"])


def test_a_published_state_dict_loads_without_its_missing_norm():
    torch.manual_seed(1)
    whole = CopernicusFm(WIDTH, 3, 4, variable=True)
    state = {key: t for key, t in whole.state_dict().items() if "fc_norm" not in key}
    state["norm.weight"] = state["decoder_embed.bias"] = torch.full((WIDTH,), 7.0)
    model = embedder(seed=2)
    model.network.load_state_dict(model.rename(state))
    for key, tensor in model.network.state_dict().items():
        if key in state:
            torch.testing.assert_close(tensor, state[key])
    torch.testing.assert_close(model.network.fc_norm.weight, torch.ones(WIDTH))


def test_what_does_not_fit_is_refused_with_what_would():
    def problems(**own):
        return dict(resolve({"model": "copernicusfm", **own}, {})[1])

    assert "nearest: 96, 112" in problems(image_size=100)["image_size"]
    assert "3 or more" in problems(patch_size=2, image_size=64)["patch_size"]
    assert not problems(modality="s1_rtc")
