"""SatMAE, SatMAE++, RemoteCLIP, WildSAT, FoMo and SatVision-TOA at small sizes.

What every model owes is tested for all of them alike, then what each has of its own.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from tilebench import alone, batch, embedder, problems

from rsweep.models.card import Variant
from rsweep.models.fomo.card import SPECTRAL_KEYS
from rsweep.models.registry import find_card
from rsweep.models.satmaepp.card import BANDS, GROUPS, NAMES
from rsweep.models.wildsat.network import without_floor
from rsweep.stages.prep.normalize import normalize
from rsweep.stages.prep.spec import resolved_normalization

WIDTH, DEPTH = 64, 3


@dataclass(frozen=True)
class Small:
    """A model at a size that runs at once, and the tile that it is fed."""

    model: str
    variant: str
    size: int
    bands: dict[str, int]
    own: dict[str, Any] = field(default_factory=dict)

    def embedder(self, seed: int = 0, **more: Any) -> Any:
        own = {"variant": self.variant, "image_size": self.size, **self.own, **more}
        return embedder(self.model, seed, **own)

    def batch(self, **more: Any) -> Any:
        return batch(self.size, **{**self.bands, **more})


MODELS = [
    Small("satmae", "small", 48, {"s2": 3}),
    Small("satmaepp", "small", 32, {"s2_l1c": 10}),
    Small("remoteclip", "b32", 224, {"s2": 3}),
    Small("wildsat", "vitb16", 224, {"s2": 3}),
    Small("fomo", "narrow", 32, {"s2": 12}),
    Small("satvision", "narrow", 64, {"modis_toa": 14}),
]
EVERY = pytest.mark.parametrize("small", MODELS, ids=lambda s: s.model)
BLOCKS = [small for small in MODELS if small.model != "satvision"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for small in BLOCKS:
        heads = 1 if small.model == "fomo" else 4
        sizes = find_card(small.model).variants
        monkeypatch.setitem(sizes, small.variant, Variant(WIDTH, DEPTH, heads, 0.1))
    monkeypatch.setitem(find_card("satvision").variants, "narrow", Variant(64, 4, 4, 0.1))
    pyramid = replace(_pyramids()["narrow"], depths=(2, 2, 6, 2), heads=(1, 2, 4, 4))
    monkeypatch.setitem(_pyramids(), "narrow", pyramid)


def _pyramids() -> Any:
    return importlib.import_module("rsweep.models.satvision.card").PYRAMIDS


def same(one: Any, other: Any) -> None:
    torch.testing.assert_close(one.maps, other.maps)
    torch.testing.assert_close(one.vectors, other.vectors)


@EVERY
def test_a_batch_gives_what_its_tiles_give_alone(small):
    tiles, model = small.batch(), small.embedder()
    together = model.embed(tiles)
    for index in range(2):
        one = model.embed(alone(tiles, index))
        for name, grid in together.maps.items():
            torch.testing.assert_close(grid[index], one.maps[name][0], rtol=1e-4, atol=1e-5)
        for name, vector in together.vectors.items():
            torch.testing.assert_close(vector[index], one.vectors[name][0], rtol=1e-4, atol=1e-5)


@EVERY
def test_maps_are_what_the_card_says(small):
    card = find_card(small.model)
    found = small.embedder().embed(small.batch())
    settings = {"variant": small.variant, "image_size": small.size, "layer": "last"}
    expected = {g.name: small.size // g.patch_px for g in card.groups(settings)}
    assert {name: grid.shape[1] for name, grid in found.maps.items()} == expected
    assert all(grid.shape[1] == grid.shape[2] for grid in found.maps.values())
    width = card.variants[small.variant].width
    assert {grid.shape[3] for grid in found.maps.values()} == {width}
    assert set(found.vectors) == set(card.vectors)


@EVERY
def test_rows_and_columns_are_where_the_pixels_are(small):
    """A change of the top-right token's pixels changes that token of the map most."""
    own = {"layer": "1", "final_norm": False, "pooling": "mean"}
    tiles, model = small.batch(b=1), small.embedder(**own)
    before = model.embed(tiles).maps
    token = small.size // next(iter(before.values())).shape[1]
    for pixels in tiles.pixels.values():
        pixels[..., :token, -token:] = 1 - pixels[..., :token, -token:]
    for name, after in model.embed(tiles).maps.items():
        moved = (after - before[name]).norm(dim=3)[0]
        assert moved.argmax().item() == moved.shape[1] - 1


@pytest.mark.parametrize("small", BLOCKS, ids=lambda s: s.model)
@torch.inference_mode()
def test_layers_are_concatenated_and_normed_alike(small):
    tiles = small.batch(b=1)
    last, first = small.embedder().embed(tiles), small.embedder(layer="1").embed(tiles)
    same(small.embedder(layer=str(DEPTH)).embed(tiles), last)
    both = small.embedder(layer="last+1").embed(tiles)
    for name, grid in both.maps.items():
        torch.testing.assert_close(grid, torch.cat([last.maps[name], first.maps[name]], dim=3))
    raw = small.embedder(final_norm=False).embed(tiles)
    assert all((raw.maps[name] - grid).abs().max() > 1e-3 for name, grid in last.maps.items())
    if "model" in raw.vectors:  # the network's own output is normed either way
        torch.testing.assert_close(raw.vectors["model"], last.vectors["model"])
        torch.testing.assert_close(first.vectors["model"], last.vectors["model"])


PUBLISHED = {
    "satmae": ("model.", ("decoder_blocks.0.norm1.weight", "mask_token")),
    "satmaepp": ("", ("decoder_embed.weight", "proj_up_1.weight", "mask_token")),
    "remoteclip": ("visual.", ()),
    "wildsat": ("module.", ()),
    "fomo": ("", ()),
    "satvision": ("module.", ("mask_token", "decoder.0.weight")),
}


@EVERY
def test_a_published_state_dict_loads(small):
    prefix, others = PUBLISHED[small.model]
    model = small.embedder(seed=1)
    state = {prefix + key: tensor for key, tensor in model.network.state_dict().items()}
    state |= {prefix + key: torch.zeros(1) for key in others}
    if small.model == "remoteclip":
        state |= {
            "transformer.resblocks.0.ln_1.weight": torch.zeros(1),
            "logit_scale": torch.ones(1),
        }
    if small.model in ("satmae", "satmaepp"):  # of the image size that was trained with
        state[f"{prefix}pos_embed"] = torch.zeros(1, 197, WIDTH)

    other = small.embedder(seed=2)
    other.network.load_state_dict(other.rename(state))

    same(other.embed(small.batch()), model.embed(small.batch()))


@pytest.mark.parametrize(
    ("model", "own", "knob", "text"),
    [
        ("satmae", {"image_size": 100}, "image_size", "nearest: 96, 112"),
        ("satmaepp", {"image_size": 100}, "image_size", "nearest: 96, 104"),
        ("satmaepp", {"bands": "B2,B3,B4"}, "bands", "B2,B3,B4,B5"),
        ("remoteclip", {"image_size": 256}, "image_size", "224"),
        ("remoteclip", {"patch_size": 16}, "patch_size", "not a knob of remoteclip"),
        ("wildsat", {"branch": "sound"}, "branch", "image, location, text"),
        ("fomo", {"image_size": 128}, "image_size", "at most 64"),
        ("fomo", {"image_size": 40}, "image_size", "nearest: 32, 48"),
        ("satvision", {"image_size": 96}, "image_size", "64, 128 or multiples of 256"),
        ("satvision", {"layer": "2"}, "pooling", "last, or 4"),
        ("satvision", {"layer": "4+4"}, "layer", "twice"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(model, own, knob, text):
    assert text in problems(model, **own)[knob]


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_sizes_of_whole_windows_fit_satvision(size):
    assert not problems("satvision", image_size=size)


# ---------------------------------------------------------------- each its own


def prepared(model: str, sensor: str, raw: np.ndarray, name: str = "") -> np.ndarray:
    """Raw values [C] of one pixel as the network is given them."""
    card = find_card(model)
    (needed,) = next(m for m in card.modalities.values() if [n.sensor for n in m] == [sensor])
    rule = card.normalizations[name or next(iter(card.normalizations))][sensor]
    values = raw.astype(np.float32).reshape(1, -1, 1, 1)
    constants = resolved_normalization(rule, list(needed.bands))
    return normalize(values, np.ones((1, 1, 1), bool), constants).ravel()


def test_satmaepp_takes_two_deviations_by_way_of_eight_bits():
    found = prepared("satmaepp", "s2_l1c", np.full(10, 1500.0))
    low, high = 1184.38 - 2 * 650.28, 1184.38 + 2 * 650.28
    expected = np.floor((1500 - low) / (high - low) * 255) / 255
    assert found[0] == pytest.approx(expected, abs=1e-6)
    assert prepared("satmaepp", "s2_l1c", np.full(10, 12000.0)).max() == 1.0
    assert prepared("satmaepp", "s2_l1c", np.zeros(10)).min() >= 0.0


def test_pictures_are_eight_bits_of_reflectance():
    found = prepared("remoteclip", "s2", np.array([1234.0, 0.0, 20000.0]), "clip")
    expected = (
        np.array([np.floor(1234 * 255 / 10000), 0, 255]) / 255 - [0.48145466, 0.4578275, 0.40821073]
    ) / [0.26862954, 0.26130258, 0.27577711]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    bright = prepared("satmae", "s2", np.array([3000.0, 3000.0, 3000.0]), "true_colour")
    np.testing.assert_allclose(
        bright,
        (1 - np.array([0.41820073, 0.42147991, 0.39912757])) / [0.28774282, 0.27541766, 0.27640176],
        atol=1e-5,
    )


def test_satvision_scales_reflectance_and_temperature():
    raw = np.full(14, 50.0)
    raw[5], raw[10] = 223.1222, 295.0209
    found = prepared("satvision", "modis_toa", raw)
    np.testing.assert_allclose(found[[0, 5, 10]], [0.5, 0.0, 1.0], atol=1e-6)


def test_satmaepp_groups_see_their_own_bands_alone():
    """Before the blocks a change of one band moves the tokens of its group and no others."""
    network = MODELS[1].embedder().network
    pixels = torch.rand(1, 10, 32, 32)
    changed = pixels.clone()
    changed[:, BANDS.index("B11")] += 1
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for image in (pixels, changed):
        network(image, [1])
    moved = (seen[0] - seen[1]).norm(dim=2)[0, 1:].reshape(len(GROUPS), 16)
    assert (moved[:2] == 0).all()
    assert (moved[2] > 0).all()
    assert NAMES == ("B2+B3+B4+B8", "B5+B6+B7+B8A", "B11+B12")


@torch.inference_mode()
def test_positions_are_made_for_the_image_size():
    small = MODELS[0]
    large = replace(small, size=96).embedder().network.pos_embed
    little = small.embedder().network.pos_embed
    torch.testing.assert_close(large[0, 1 : 1 + 3], little[0, 1 : 1 + 3])  # the first row
    torch.testing.assert_close(large[0, 1 + 6], little[0, 1 + 3])  # the second row's first


def test_wildsat_takes_the_darkest_valid_value_off():
    pixels = torch.rand(2, 3, 4, 4) + 1
    valid = torch.ones(2, 4, 4, dtype=torch.bool)
    pixels[0, :, 0, 0], valid[0, 0, 0] = -9.0, False
    found = without_floor(pixels, valid)
    for item in range(2):
        known = pixels[item][:, valid[item]]
        torch.testing.assert_close(found[item][:, valid[item]], known - known.min())
    assert not found[0, :, 0, 0].any()
    none = without_floor(pixels, torch.zeros_like(valid))
    assert not none.any()
    small = MODELS[3]
    dark, light = small.batch(), small.batch()
    light.pixels["s2"] += 0.25
    same(small.embedder().embed(dark), small.embedder().embed(light))


def test_wildsat_s_branches_differ():
    small = MODELS[3]
    tiles = small.batch(b=1)
    outputs = [
        small.embedder(branch=b).embed(tiles).vectors["model"]
        for b in ("image", "location", "text")
    ]
    assert {tuple(o.shape) for o in outputs} == {(1, 256)}
    assert (outputs[0] - outputs[1]).abs().max() > 1e-4
    assert (outputs[1] - outputs[2]).abs().max() > 1e-4


def test_remoteclip_s_vector_is_projected():
    assert MODELS[2].embedder().embed(MODELS[2].batch(b=1)).vectors["model"].shape == (1, 512)


def test_fomo_reads_any_bands_of_several_sensors_by_their_keys():
    card = find_card("fomo")
    settings = {"modality": "s1+s2", "bands": ["VH", "B8", "B2"]}
    assert card.constants(settings) == {"spectral_keys": {"s1": [5], "s2": [13, 7]}}
    small = replace(MODELS[4], bands={"s1": 1, "s2": 2}, own=settings)
    tiles, model = small.batch(b=1), small.embedder()
    found = model.embed(tiles).maps["patches"]
    assert found.shape == (1, 2, 2, WIDTH)
    swapped = replace(small, own=settings | {"bands": ["VH", "B2", "B8"]}).embedder()
    assert (swapped.embed(tiles).maps["patches"] - found).abs().max() > 1e-4
    rows = [row for bands in SPECTRAL_KEYS.values() for row in bands.values()]
    assert len(set(rows)) == len(rows)


def test_fomo_without_weights_asks_for_a_file():
    from rsweep.models.weights_identity import weights_identity

    settings = {"weights": "pretrained", "variant": "base", "weights_sha256": None}
    with pytest.raises(ValueError, match="no published weights"):
        weights_identity(settings, find_card("fomo"))


@torch.inference_mode()
def test_satvision_gives_a_map_per_stage_and_norms_the_last():
    small = MODELS[5]
    tiles = small.batch(b=1)
    found = small.embedder(layer="1+3+last").embed(tiles)
    assert {n: tuple(g.shape[1:]) for n, g in found.maps.items()} == {
        "stage1": (8, 8, 16),
        "stage3": (2, 2, 64),
        "stage4": (2, 2, 64),
    }
    raw = small.embedder(layer="3+last", final_norm=False)
    plain = raw.embed(tiles)
    torch.testing.assert_close(plain.maps["stage3"], found.maps["stage3"])
    normed = raw.network.norm(plain.maps["stage4"])
    torch.testing.assert_close(normed, found.maps["stage4"])
    torch.testing.assert_close(normed.mean(dim=(1, 2)), found.vectors["model"])


def test_satvision_has_a_norm_after_every_sixth_block_of_a_stage():
    keys = [k for k in MODELS[5].embedder().network.state_dict() if "norm3.weight" in k]
    assert keys == ["layers.2.blocks.5.norm3.weight"]


def test_satvision_loads_weights_of_another_image_size():
    large, little = replace(MODELS[5], size=128), MODELS[5]
    state = large.embedder(seed=1).network.state_dict()
    model = little.embedder(seed=2)
    model.network.load_state_dict(model.rename(state))
    wanted = little.embedder(seed=1)
    same(model.embed(little.batch()), wanted.embed(little.batch()))
