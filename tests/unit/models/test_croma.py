from __future__ import annotations

import numpy as np
import pytest
import torch

from rsweep.models.card import Variant
from rsweep.models.croma.card import CARD, GROUPS
from rsweep.models.croma.network import Croma, CromaEmbedder, CrossAttention, build
from rsweep.models.protocol import TileBatch
from rsweep.models.statistics import SSL4EO
from rsweep.models.weights import load_strictly, read_state
from rsweep.plan.profiles import resolve
from rsweep.plan.study import make_study
from rsweep.stages.bands import sensor_bands
from rsweep.stages.prep.normalize import normalize

WIDTH = 64
BANDS = {"s2": {"s2": 12}, "s1": {"s1": 2}, "s1+s2": {"s2": 12, "s1": 2}}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(CARD.variants, "base", Variant(WIDTH, 4, 16, 0.1))


def embedder(modality="s2", seed=0, **own) -> CromaEmbedder:
    raw = {"model": "croma", "modality": modality, "image_size": 32, **own}
    settings, errors = resolve(raw, {})
    assert not errors
    torch.manual_seed(seed)
    found = build(settings | {"bands": sensor_bands(settings, CARD)})
    found.network.eval()
    return found


def batch(modality="s2", size=32, b=2) -> TileBatch:
    bands = BANDS[modality]
    seed = torch.Generator().manual_seed(1)
    day = {sensor: torch.zeros(b, 1, dtype=torch.int64) for sensor in bands}
    return TileBatch(
        pixels={s: torch.rand(b, 1, n, size, size, generator=seed) for s, n in bands.items()},
        valid={s: torch.ones(b, 1, size, size, dtype=torch.bool) for s in bands},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(b, 2, dtype=torch.float64),
        gsd=torch.linspace(8.0, 10.0, b),
    )


@pytest.mark.parametrize("modality", list(BANDS))
def test_a_batch_gives_what_its_tiles_give_alone(modality):
    tiles, model = batch(modality), embedder(modality)
    together = model.embed(tiles)
    for index in range(2):
        one = batch(modality, b=1)
        one.pixels = {s: pixels[index : index + 1] for s, pixels in tiles.pixels.items()}
        alone = model.embed(one)
        name = GROUPS[modality]
        torch.testing.assert_close(together.maps[name][index], alone.maps[name][0])
        torch.testing.assert_close(together.vectors["model"][index], alone.vectors["model"][0])


def test_the_joint_encoder_reads_both_and_alone_each_reads_its_own():
    tiles, model = batch("s1+s2"), embedder("s1+s2")
    joint = model.embed(tiles).maps["joint"]
    for sensor in ("s1", "s2"):
        changed = batch("s1+s2")
        changed.pixels[sensor] = changed.pixels[sensor].flip(3)
        assert (model.embed(changed).maps["joint"] - joint).abs().max() > 1e-3
    radar = embedder("s1")
    radar.network.load_state_dict(radar.rename(model.network.state_dict()))
    (whole,) = model.network.alone("s1", tiles.pixels["s1"][:, 0], [2])
    (own,) = radar.network.alone("s1", tiles.pixels["s1"][:, 0], [2])
    torch.testing.assert_close(whole, own)


def test_the_bias_falls_with_distance_for_any_grid():
    bias = Croma(WIDTH, 2, 16, ["s1"]).bias(torch.zeros(1, 2, 24, 40))
    assert bias.shape == (1, 16, 15, 15)
    first, last = 0, 14  # rows 0 and 2, columns 0 and 4
    for head in range(16):
        slope = 2 ** (-(head + 1) / 2)
        assert bias[0, head, first, last].item() == pytest.approx(-slope * 20**0.5, rel=1e-5)
        assert bias[0, head, last, last] == 0


@torch.inference_mode()
def test_one_norm_serves_tokens_and_context_of_cross_attention():
    layer = CrossAttention(WIDTH, 16)
    layer.input_norm.weight.mul_(3)
    tokens, others, bias = (
        torch.randn(2, 5, WIDTH),
        torch.randn(2, 5, WIDTH),
        torch.zeros(1, 1, 5, 5),
    )
    q, k, v = (
        projection(layer.input_norm(x)).unflatten(-1, (16, -1)).transpose(1, 2)
        for projection, x in ((layer.to_q, tokens), (layer.to_k, others), (layer.to_v, others))
    )
    scores = (q @ k.mT * (WIDTH / 16) ** -0.5).softmax(-1)
    expected = layer.to_out((scores @ v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(layer(tokens, others, bias), expected)


def test_a_patch_is_read_band_by_band():
    encoder = embedder().network.s2_encoder
    pixels = batch(size=16, b=1).pixels["s2"][:, 0]
    second = pixels[0, :, :8, 8:].reshape(-1)  # band, row, column
    expected = encoder.linear_input(second)
    torch.testing.assert_close(encoder.patches(pixels)[0, 1], expected)


@torch.inference_mode()
def test_pooled_vectors_are_of_normed_tokens_whatever_final_norm():
    for modality, name in GROUPS.items():
        tiles, model = batch(modality), embedder(modality)
        found, raw = model.embed(tiles), embedder(modality, final_norm=False).embed(tiles)
        torch.testing.assert_close(model.norm(raw.maps[name]), found.maps[name])
        mean = found.maps[name].mean((1, 2))
        torch.testing.assert_close(found.vectors["model"], model.head(mean))
        torch.testing.assert_close(found.vectors["model"], raw.vectors["model"])
    torch.testing.assert_close(found.vectors["model"], mean)  # of the joint encoder: the mean


def test_layers_are_those_of_the_modalitys_encoder():
    depths = {m: len(CARD.layers({"modality": m, "variant": "base"})) for m in GROUPS}
    assert depths == {"s2": 4, "s1": 2, "s1+s2": 2}
    for modality, name in GROUPS.items():
        tiles = batch(modality)
        both = embedder(modality, layer="last+1").embed(tiles).maps[name]
        last, first = (embedder(modality, layer=n).embed(tiles).maps[name] for n in ("last", "1"))
        torch.testing.assert_close(both, torch.cat([last, first], dim=3))
    _, errors = resolve({"model": "croma", "modality": "s1", "layer": "3"}, {})
    assert "blocks are 1 to 2" in dict(errors)["layer"]


@pytest.mark.parametrize("modality", list(BANDS))
def test_a_published_file_of_five_state_dicts_loads(modality, tmp_path):
    whole = embedder("s1+s2", seed=1).network.state_dict()
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in whole.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = tensor
    assert len(parts) == 5
    torch.save(parts, tmp_path / "CROMA_base.pt")
    model = embedder(modality, seed=2)
    load_strictly(model.network, model.rename(read_state(tmp_path / "CROMA_base.pt")), tmp_path)
    for key, tensor in model.network.state_dict().items():
        torch.testing.assert_close(tensor, whole[key])


def test_sizes_that_do_not_fit_are_refused():
    _, errors = resolve({"model": "croma", "image_size": 100}, {})
    assert "nearest: 96, 104" in dict(errors)["image_size"]


def test_normalisation_maps_two_deviations_either_side_onto_255_steps(tmp_path):
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,14,46,200\n")
    study = make_study(
        {
            "study": "s",
            "rois": str(tmp_path / "rois.csv"),
            "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
            "base": {"provider": "synthetic", "model": "croma", "weights": "random"},
        },
        "study",
    )
    prep = study.profiles[0].node.inputs["tiles"].settings
    rule, bands = prep["normalization"]["s2"], prep["bands"]["s2"]
    mean, std = np.array([SSL4EO["s2"][band] for band in bands], np.float32).T[:, :, None]
    raw = mean + std * np.array([-3, 0, 1, 9], np.float32)
    found = normalize(raw[None, :, None], np.ones((1, 1, 4), bool), rule)
    steps = np.rint(found[0, :, 0] * 255)
    assert set(map(tuple, steps.tolist())) <= {(0, 127, 191, 255), (0, 128, 191, 255)}
    np.testing.assert_allclose(found[0, :, 0] * 255, steps, atol=1e-4)
