from __future__ import annotations

import copy
import itertools
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from rsweep.core.errors import WeightsError
from rsweep.models.protocol import TileBatch
from rsweep.models.registry import find_card
from rsweep.models.timm import generate, table
from rsweep.models.timm.network import create
from rsweep.models.weights import load_embedder
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve

timm = generate.timm
PLAIN = ("vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "vit_small_patch16_dinov3")
PYRAMIDS = (
    "resnet18",
    "efficientnet_b0",
    "convnext_atto",
    "swin_tiny_patch4_window7_224",
    "mobilenetv3_small_050",
)


def settings(name, **own):
    resolved, errors = resolve({"model": f"timm:{name}", "weights": "random", **own}, {})
    assert not errors
    return resolved


def problems(name, **own):
    return dict(resolve({"model": f"timm:{name}", **own}, {})[1])


def load(name, **own):
    resolved = settings(name, **own)
    node = build_nodes(resolved).inputs["tokens"]
    return load_embedder(node.settings, {"weights": resolved["weights"]})[0]


def batch(size, bands=3, count=2, sensor="s2"):
    day = {sensor: torch.zeros(count, 1, dtype=torch.int64)}
    seed = torch.Generator().manual_seed(1)
    return TileBatch(
        pixels={sensor: torch.randn(count, 1, bands, size, size, generator=seed)},
        valid={sensor: torch.ones(count, 1, size, size, dtype=torch.bool)},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(count, 2, dtype=torch.float64),
        gsd=torch.full((count,), 10.0),
    )


# The card against the network


@pytest.mark.parametrize("name", [*PLAIN, *PYRAMIDS])
@pytest.mark.parametrize("layer", ["last", "2", "-2+last"])
def test_outputs_are_what_the_card_says(name, layer):
    card, size = find_card(f"timm:{name}"), 96
    chosen = settings(name, layer=layer, image_size=size)
    found = load(name, layer=layer, image_size=size).embed(batch(size))
    groups = card.groups(chosen)
    assert list(found.maps) == [g.name for g in groups]
    for group in groups:
        assert found.maps[group.name].shape[:3] == (
            2,
            size // group.patch_px,
            size // group.patch_px,
        )
    assert set(found.vectors) == {v for v in card.vectors if v != "model" or "last" in layer}
    for vector in found.vectors.values():
        assert vector.shape[0] == 2
        assert vector.isfinite().all()
    if layer == "last":
        assert found.vectors["model"].shape == (2, card.variants["default"].width)


@pytest.mark.parametrize("name", PLAIN)
def test_a_transformer_gives_timms_own_features(name):
    embedder, tiles = load(name, image_size=96), batch(96)
    found = embedder.embed(tiles)
    theirs = timm.create_model(name, pretrained=False, num_classes=0, img_size=96).eval()
    theirs.load_state_dict(embedder.network.state_dict())
    with torch.inference_mode():
        tokens = theirs.forward_features(tiles.pixels["s2"][:, 0])
        prefix = theirs.num_prefix_tokens
        torch.testing.assert_close(found.maps["patches"].flatten(1, 2), tokens[:, prefix:])
        torch.testing.assert_close(found.vectors["cls"], tokens[:, 0])
        torch.testing.assert_close(found.vectors["model"], theirs(tiles.pixels["s2"][:, 0]))


@pytest.mark.parametrize("name", [*PYRAMIDS, "hiera_tiny_224", "vit_base_patch16_siglip_224"])
def test_a_pyramid_ends_in_timms_own_features(name):
    size = find_card(f"timm:{name}").defaults["image_size"] if "hiera" in name else 64
    embedder, tiles = load(name, image_size=size), batch(size)
    found = embedder.embed(tiles)
    with torch.inference_mode():
        end = embedder.network.forward_features(tiles.pixels["s2"][:, 0])
        pooled = embedder.network(tiles.pixels["s2"][:, 0])
    (ours,) = found.maps.values()
    if end.ndim == 4 and end.shape[1] == ours.shape[3]:
        end = end.permute(0, 2, 3, 1)
    torch.testing.assert_close(ours, end.reshape(ours.shape))
    torch.testing.assert_close(found.vectors["model"], pooled)


# Layers and norms


def test_layers_of_a_transformer_are_concatenated_in_the_order_given():
    one, two = (load("vit_tiny_patch16_224", layer=n, image_size=64) for n in ("3", "12"))
    both = load("vit_tiny_patch16_224", layer="12+3", image_size=64)
    tiles = batch(64)
    expected = torch.cat([two.embed(tiles).maps["patches"], one.embed(tiles).maps["patches"]], 3)
    torch.testing.assert_close(both.embed(tiles).maps["patches"], expected)
    assert both.embed(tiles).vectors["cls"].shape == (2, 2 * 192)


def test_final_norm_is_the_networks_own():
    bare = load("vit_tiny_patch16_224", final_norm=False, image_size=64)
    normed = load("vit_tiny_patch16_224", image_size=64)
    tiles = batch(64)
    expected = normed.network.norm(bare.embed(tiles).maps["patches"])
    torch.testing.assert_close(normed.embed(tiles).maps["patches"], expected)
    torch.testing.assert_close(
        bare.embed(tiles).vectors["model"], normed.embed(tiles).vectors["model"]
    )


def test_stages_of_a_pyramid_are_groups_of_their_own():
    found = load("resnet18", layer="5+3", image_size=64).embed(batch(64)).maps
    shapes = {name: tuple(grid.shape) for name, grid in found.items()}
    assert shapes == {"stage5": (2, 2, 2, 512), "stage3": (2, 8, 8, 128)}


# Settings


@pytest.mark.parametrize(
    "sensor,bands", [("s2", ["B8"]), ("s2", ["B4", "B3", "B2", "B8", "B11"]), ("s1", ["VV", "VH"])]
)
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18"])
def test_any_number_of_bands(name, sensor, bands):
    embedder = load(name, modality=sensor, bands=bands, image_size=64)
    (grid,) = embedder.embed(batch(64, len(bands), sensor=sensor)).maps.values()
    assert grid.isfinite().all()


def test_what_cannot_be_is_said():
    assert "nearest: 96, 112" in problems("vit_tiny_patch16_224", image_size=100)["image_size"]
    assert "takes: 16" in problems("vit_tiny_patch16_224", patch_size=8)["patch_size"]
    assert "takes: 224" in problems("mixer_b16_224", image_size=96)["image_size"]
    assert "blocks are 1 to 5" in problems("resnet18", layer="6")["layer"]
    assert "twice" in problems("resnet18", layer="5+last")["layer"]
    assert "only if `layer`" in problems("resnet18", layer="4", pooling="model")["pooling"]
    assert "percentiles, centre, model" in problems("resnet18", pooling="cls")["pooling"]
    assert "not a multiple of the token" in problems("resnet18", image_size=48)["image_size"]
    assert not problems("resnet18", image_size=48, layer="4", weights="random")
    assert "is not a knob" in problems("resnet18", patch_size=32)["patch_size"]


@pytest.mark.parametrize(
    "name,close",
    [
        ("vit_tiny_patch16_225", "vit_tiny_patch16_224"),
        ("resnet_18", "resnet18"),
        ("resnet18.a1_in1", "a1_in1k"),
    ],
)
def test_an_unknown_name_is_answered_by_a_near_one(name, close):
    assert f"did you mean '{close}'?" in problems(name)["model"]


def test_a_tag_has_its_own_size_constants_and_weights():
    plain, other = find_card("timm:resnet18"), find_card("timm:resnet18.a3_in1k")
    assert plain.variants["default"].checkpoint.repository == "timm/resnet18.a1_in1k"
    assert other.variants["default"].checkpoint.repository == "timm/resnet18.a3_in1k"
    assert (plain.defaults["image_size"], other.defaults["image_size"]) == (224, 160)
    half = find_card("timm:vit_tiny_patch16_224").normalizations["model"]["s2"]
    assert (half.stats["B4"], half.stats["B8"]) == ((0.5, 0.5), (0.5, 0.5))


def test_normalizations_are_on_the_published_scale():
    red = {
        name: (constants["s2"].gain * 2000 - constants["s2"].stats["B4"][0])
        / constants["s2"].stats["B4"][1]
        for name, constants in find_card("timm:resnet18").normalizations.items()
    }
    assert red == pytest.approx(
        {"model": (0.2 - 0.485) / 0.229, "stretch": (2 / 3 - 0.485) / 0.229, "unit": 0.2}
    )
    decibel = find_card("timm:resnet18").normalizations["unit"]["s1"]
    mean, std = decibel.stats["VV"]
    assert (decibel.gain * -15 - mean) / std == pytest.approx(0.5)


# Weights


def published(name, path):
    """A checkpoint as timm publishes it: with a classifier, for its own image size."""
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False)
    save_file({k: t.contiguous() for k, t in network.state_dict().items()}, path)
    return network


@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224",
        "resnet18",
        "swin_tiny_patch4_window7_224",
        "densenet121",
        "regnety_002",
    ],
)
def test_published_weights_load_without_a_classifier(tmp_path, name):
    path = tmp_path / "w.safetensors"
    theirs = published(name, path).eval()
    tiles = batch(224, count=1)
    found = load(name, weights=str(path)).embed(tiles)
    with torch.inference_mode():
        features = theirs.forward_features(tiles.pixels["s2"][:, 0])
        pooled = theirs.forward_head(features, pre_logits=True)
    torch.testing.assert_close(found.vectors["model"], pooled)


@pytest.mark.parametrize(
    "name,key", [("vit_tiny_patch16_224", "patch_embed.proj.weight"), ("resnet18", "conv1.weight")]
)
def test_published_weights_are_fitted_to_size_and_bands_as_timm_does(tmp_path, name, key):
    path = tmp_path / "w.safetensors"
    state = dict(published(name, path).state_dict())
    own = {"image_size": 96, "bands": ["B4", "B3", "B2", "B8"]}
    found = load(name, weights=str(path), **own).network.state_dict()
    sized = {"img_size": 96} if name.startswith("vit") else {}
    theirs = timm.create_model(
        name,
        pretrained=True,
        num_classes=0,
        in_chans=4,
        **sized,
        pretrained_cfg_overlay={"state_dict": state},
    )
    assert found.keys() == theirs.state_dict().keys()
    for name_, tensor in theirs.state_dict().items():
        torch.testing.assert_close(found[name_], tensor)
    assert found[key].shape[1] == 4


def test_weights_of_another_architecture_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    published("resnet18", path)
    with pytest.raises(WeightsError, match=r"\d+ missing: layer1.0.conv3.weight"):
        load("resnet50", weights=str(path))


# The table


@pytest.mark.parametrize(
    "name", [*PLAIN, *PYRAMIDS, "mixer_b16_224", "hiera_tiny_224", "tf_efficientnet_b1"]
)
def test_the_table_is_in_step_with_the_installed_timm(name):
    written = table.load()
    if written["timm"] != timm.__version__:
        pytest.skip(f"the table is of timm {written['timm']}, this is {timm.__version__}")
    made = generate.compact(generate.describe(name, copy.deepcopy(written["norms"])))
    assert json.loads(json.dumps(made)) == written["networks"][name]


def test_every_entry_makes_a_card():
    networks = table.load()["networks"]
    assert len(networks) > 1000
    for name, row in networks.items():
        entry, _ = table.find(name)
        assert not any(b % a for a, b in itertools.pairwise(entry.strides)), name
        for full in (name, *(f"{name}.{tag}" for tag in row.get("tags", {}))):
            card = find_card(f"timm:{full}")
            assert card.id == f"timm:{full}"
            assert card.defaults["image_size"] % max(entry.strides) == 0, full


def test_a_card_needs_neither_torch_nor_timm():
    code = (
        "import sys; from rsweep.models.registry import find_card; "
        "find_card('timm:resnet18'); print({'torch', 'timm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_random_networks_differ_by_input():
    found = load("vit_tiny_patch16_224", image_size=64).embed(batch(64)).maps["patches"]
    assert (found[0] - found[1]).abs().mean() > 0.05


def test_create_builds_without_a_classifier():
    assert create("resnet18").num_classes == 0
