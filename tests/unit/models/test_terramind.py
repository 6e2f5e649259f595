from __future__ import annotations

import pytest
import torch

from rsweep.models.card import Variant
from rsweep.models.protocol import TileBatch
from rsweep.models.terramind.card import CARD
from rsweep.models.terramind.network import TerraMind, TerraMindEmbedder, build
from rsweep.plan.profiles import resolve
from rsweep.stages.bands import sensor_bands

WIDTH = 64
BLOCKS = {"tiny": 3, "base": 2}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for name, depth in BLOCKS.items():
        monkeypatch.setitem(CARD.variants, name, Variant(WIDTH, depth, 4, 0.1))


def embedder(modality="s2", seed=0, variant="tiny", **own) -> TerraMindEmbedder:
    raw = {"model": "terramind", "modality": modality, "variant": variant, "image_size": 48, **own}
    settings, errors = resolve(raw, {})
    assert not errors
    torch.manual_seed(seed)
    own = {"bands": sensor_bands(settings, CARD), "constants": CARD.constants(settings)}
    found = build(settings | own)
    found.network.eval()
    return found


def batch(size=48, b=2, **bands: int) -> TileBatch:
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


def problems(**own):
    return dict(resolve({"model": "terramind", **own}, {})[1])


def test_a_batch_gives_what_its_tiles_give_alone():
    tiles, model = batch(s2=12, s1=2), embedder("s1+s2")
    together = model.embed(tiles).maps
    for index in range(2):
        one = batch(b=1, s2=12, s1=2)
        one.pixels = {s: pixels[index : index + 1] for s, pixels in tiles.pixels.items()}
        alone = model.embed(one).maps
        for sensor in ("s1", "s2"):
            torch.testing.assert_close(together[sensor][index], alone[sensor][0])


def test_each_input_is_a_group_that_the_others_inform():
    tiles, model = batch(s2=12, s1=2), embedder("s1+s2")
    joint = model.embed(tiles).maps
    assert set(joint) == {"s1", "s2"}
    assert [g.name for g in CARD.groups({"modality": "s1+s2"})] == ["s1", "s2"]
    alone = embedder("s2").embed(tiles).maps["s2"]
    assert (joint["s2"] - alone).abs().max() > 1e-3  # all tokens attend to each other
    tiles.pixels["s1"] = tiles.pixels["s1"].flip(4)
    assert (model.embed(tiles).maps["s2"] - joint["s2"]).abs().max() > 1e-4


def test_a_sensor_that_saw_nothing_is_as_if_it_were_not_there():
    tiles, model = batch(s2=12, s1=2), embedder("s1+s2")
    whole = model.embed(tiles).maps
    tiles.valid["s1"][1] = False
    found = model.embed(tiles).maps
    assert found["s1"][1].isnan().all()
    for sensor in ("s1", "s2"):
        torch.testing.assert_close(found[sensor][0], whole[sensor][0])
    alone = embedder("s2")
    alone.network.load_state_dict(alone.rename(model.network.state_dict()))
    torch.testing.assert_close(found["s2"][1], alone.embed(tiles).maps["s2"][1])
    tiles.valid["s2"][1] = False  # of a tile that none saw there is nothing to hide
    torch.testing.assert_close(model.embed(tiles).maps, whole)


def test_rgb_has_its_own_patch_embedding_and_constants():
    assert list(embedder("rgb").network.encoder_embeddings) == ["untok_sen2rgb@224"]
    settings, errors = resolve({"model": "terramind", "modality": "s1+rgb"}, {})
    assert not errors
    assert settings["normalization"] == "terramind_rgb"
    assert CARD.constants(settings)["embeddings"] == {
        "s1": "untok_sen1grd@224",
        "s2": "untok_sen2rgb@224",
    }
    assert embedder("rgb").embed(batch(s2=3)).maps["s2"].shape == (2, 3, 3, WIDTH)


def test_any_radar_optical_and_terrain_inputs_join():
    names = [n for n in CARD.modalities if n.count("+") == 2]
    assert len(CARD.modalities) == 23
    assert names == [
        f"{radar}+{optical}+dem"
        for radar in ("s1", "s1_rtc")
        for optical in ("s2", "s2_l1c", "rgb")
    ]
    found = embedder("s1_rtc+s2_l1c+dem").embed(batch(s2_l1c=13, s1_rtc=2, dem=1)).maps
    assert {name: tuple(grid.shape) for name, grid in found.items()} == dict.fromkeys(
        ("s1_rtc", "s2_l1c", "dem"), (2, 3, 3, WIDTH)
    )


def test_a_patch_is_read_row_by_row_with_the_channel_fastest():
    part = embedder().network.encoder_embeddings["untok_sen2l2a@224"]
    pixels = batch(size=32, b=1).pixels["s2"][:, 0]
    second = pixels[0, :, :16, 16:].permute(1, 2, 0).reshape(-1)  # row, column, channel
    torch.testing.assert_close(part.patches(pixels)[0, 1], part.proj.weight @ second)


def test_positions_tell_rows_from_columns_on_rectangles():
    part = embedder().network.encoder_embeddings["untok_sen2l2a@224"]
    table = (part.places(14, 14) - part.mod_emb).reshape(14, 14, WIDTH)
    half = WIDTH // 2
    torch.testing.assert_close(table[3, :, :half], table[3, :1, :half].expand(14, -1))  # the row
    torch.testing.assert_close(table[:, 3, half:], table[:1, 3, half:].expand(14, -1))
    expected = torch.nn.functional.interpolate(
        table.permute(2, 0, 1)[None], (4, 9), mode="bicubic", align_corners=False
    )
    found = (part.places(4, 9) - part.mod_emb).reshape(4, 9, WIDTH)
    torch.testing.assert_close(found, expected[0].permute(1, 2, 0))


@torch.inference_mode()
def test_layers_are_concatenated_and_normed_unless_told_not_to():
    tiles = batch()
    both = embedder(layer="last+1").embed(tiles).maps["s2"]
    last, first = embedder().embed(tiles).maps["s2"], embedder(layer="1").embed(tiles).maps["s2"]
    torch.testing.assert_close(both, torch.cat([last, first], dim=3))
    raw = embedder(final_norm=False).embed(tiles).maps["s2"]
    torch.testing.assert_close(embedder().network.encoder_norm(raw), last)


def test_base_and_large_are_gated_and_have_no_biases():
    with torch.device("meta"):
        nets = {w: TerraMind(w, 1, 16, True, {"untok_dem@224": 1}) for w in (768, 1024)}
    for width, hidden in ((768, 2048), (1024, 2730)):
        own = nets[width].state_dict()
        assert own["encoder.0.mlp.fc3.weight"].shape == (hidden, width)
        assert not [name for name, _ in nets[width].named_parameters() if name.endswith("bias")]
    block = embedder(variant="base").network.encoder[0].mlp
    tokens = torch.randn(2, WIDTH)
    gate, value = (tokens @ block.fc1.weight.T, tokens @ block.fc3.weight.T)
    gated = gate * gate.sigmoid() * value
    torch.testing.assert_close(block(tokens), gated @ block.fc2.weight.T)


@pytest.mark.parametrize("variant", ["tiny", "base"])
def test_a_published_state_dict_loads_for_the_inputs_that_are_fed(variant):
    model = embedder("s1+s2", seed=1, variant=variant)
    state = dict(model.network.state_dict())
    state["encoder_embeddings.untok_dem@224.proj.weight"] = torch.zeros(WIDTH, 256)
    state["decoder.0.norm1.weight"] = state["mask_token"] = torch.zeros(WIDTH)
    other = embedder("s1+s2", seed=2, variant=variant)
    other.network.load_state_dict(other.rename(state))
    tiles = batch(s2=12, s1=2)
    torch.testing.assert_close(other.embed(tiles).maps, model.embed(tiles).maps)


def test_what_does_not_fit_is_refused_with_what_would():
    assert "nearest: 96, 112" in problems(image_size=100)["image_size"]
    assert "16" in problems(patch_size=8)["patch_size"]
    assert "terramind_rgb" in problems(modality="rgb", normalization="terramind")["normalization"]
    assert "terramind" in problems(normalization="terramind_rgb")["normalization"]
    assert "B1" in problems(bands="B4,B3,B2")["bands"]


def test_rgb_is_eight_bit_true_colour():
    rule = CARD.normalizations["terramind_rgb"]["s2"]
    assert rule.truncate
    assert rule.clip == (0.0, 3000.0)
    assert rule.gain * rule.clip[1] == pytest.approx(255)
