"""AgriFM: batches, stages as token maps, checks and checkpoints' keys."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rsweep.models.agrifm.card import CARD
from rsweep.models.agrifm.network import AgriFMEmbedder, build
from rsweep.models.protocol import TileBatch


def settings(**own: Any) -> dict[str, Any]:
    return {"layer": "last", "final_norm": True, "frames": 8, "image_size": 32, **own}


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return build(settings()).network.state_dict()


@pytest.fixture
def embedder(weights: dict[str, torch.Tensor]) -> Any:
    def make(**own: Any) -> AgriFMEmbedder:
        with torch.device("meta"):
            network = build(settings(**own))
        network.network.load_state_dict(weights, assign=True)
        return network

    return make


def tiles(frames: int = 8, count: int = 2) -> TileBatch:
    torch.manual_seed(1)
    pixels = {"s2": torch.randn(count, frames, 10, 32, 32)}
    return TileBatch(pixels, {}, {}, {}, {}, torch.zeros(count, 2), torch.ones(count))


def test_a_batch_equals_its_tiles_alone(embedder: Any) -> None:
    network, batch = embedder(), tiles()

    together = network.embed(batch).maps["encoder"]

    assert together.shape == (2, 2, 2, 1024)
    for i in range(2):
        part = TileBatch(
            {"s2": batch.pixels["s2"][i : i + 1]}, {}, {}, {}, {}, batch.lonlat, batch.gsd
        )
        assert torch.allclose(together[i : i + 1], network.embed(part).maps["encoder"], atol=1e-5)


@pytest.mark.parametrize("frames,widths", [(8, [256, 256, 512, 1024]), (4, [128, 256, 512, 1024])])
def test_stages_are_maps_of_their_own_with_time_in_the_channels(
    embedder: Any, frames: int, widths: list[int]
) -> None:
    maps = embedder(layer="1+2+3+4").embed(tiles(frames)).maps

    shapes = {name: tuple(found.shape[1:]) for name, found in maps.items()}

    assert shapes == {f"stage{i + 1}": (16 >> i, 16 >> i, width) for i, width in enumerate(widths)}
    groups = CARD.groups(settings(layer="1+2+3+4"))
    assert [(g.name, 32 // g.patch_px) for g in groups] == [(n, s[0]) for n, s in shapes.items()]


def test_a_stage_named_twice_is_one_map(embedder: Any) -> None:
    assert list(embedder(layer="5+last").embed(tiles(4, 1)).maps) == ["encoder"]
    assert [g.name for g in CARD.groups(settings(layer="5+last"))] == ["encoder"]


def test_the_final_norm_belongs_to_the_last_output_alone(embedder: Any) -> None:
    batch = tiles(4, 1)
    normed, bare = (embedder(layer="4+5", final_norm=n).embed(batch).maps for n in (True, False))

    assert torch.equal(normed["stage4"], bare["stage4"])
    assert not torch.allclose(normed["encoder"], bare["encoder"])
    assert normed["encoder"].mean(3).abs().max() < 1e-4


@pytest.mark.parametrize(
    "own,knob,text",
    [
        ({"frames": 6}, "frames", "is 6, which is not a multiple of the frames per token (4)"),
        ({"image_size": 100}, "image_size", "is 100, which is not a multiple of the pixels per"),
    ],
)
def test_what_the_network_cannot_take_is_refused(own: Any, knob: str, text: str) -> None:
    ((name, message),) = CARD.check(settings(**own))

    assert name == knob
    assert message.startswith(text)
    assert "; nearest: " in message


def test_what_it_can_take_is_not() -> None:
    assert CARD.check(settings()) == []
    assert CARD.check(settings(frames="auto")) == []
    assert CARD.check(settings(layer="1", image_size=100)) == []
    assert CARD.check(settings(layer="nonsense")) == []


def test_of_a_published_checkpoint_sentinel_2_is_taken(embedder: Any) -> None:
    network = embedder()
    own = network.network.state_dict()
    published = {
        "module." + key.replace("patch_emd", "S2_patch_emd"): tensor for key, tensor in own.items()
    }
    published["module.HLSL30_patch_emd.proj.weight"] = torch.zeros(128, 6, 4, 2, 2)
    published["module.Modis_patch_emd.proj.weight"] = torch.zeros(128, 7, 4, 2, 2)

    state = network.rename(published)

    assert state.keys() == own.keys()
    assert state["patch_emd.proj.weight"].shape == (128, 10, 4, 2, 2)
