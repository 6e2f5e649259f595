"""Every knob, and all else that a key holds, is named when it is what differs."""

from dataclasses import replace

import pytest

from rsweep.core.nodes import Node
from rsweep.explain.causes import chain_causes
from rsweep.models.registry import find_card
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import knobs_of, resolve

BASE = {
    "model": "galileo",
    "weights": "random",
    "variant": "nano",
    "modality": "s1+s2",
    "frames": 3,
    "image_size": 64,
    "input_prep": "tile",
    "tile_size": 32,
    "tile_overlap": 8,
    "output": "grid",
    "temporal": {"year": 2022},
    "context_m": 160,
    "least_side_m": 0,
}
OTHER = {
    "temporal": {"year": 2021},
    "scale_m": 20,
    "context_m": 320,
    "least_side_m": 500,
    "orbit": "ascending",
    "fetch_bands": "model",
    "fetch_cloudy_pct": 50,
    "composite": "mean",
    "cloudy_pct": 30,
    "cloud_mask": "scl",
    "mask_threshold": 55,
    "mask_dilation": 2,
    "frames": 2,
    "frame_policy": "month",
    "empty_frame": "repeat",
    "modality": "s2",
    "image_size": 32,
    "tile_size": 64,
    "tile_overlap": 16,
    "max_tiles": 7,
    "input_prep": "resize",
    "resample": "bicubic",
    "edge": "fill",
    "lattice": "shared",
    "variant": "tiny",
    "seed": 4,
    "patch_size": 4,
    "layer": "1",
    "final_norm": False,
    "precision": "bf16",
    "compile": True,
    "output": "pooled",
    "blend": "linear",
    "storage_dtype": "float16",
}


def chain(**own) -> tuple[Node, dict]:
    settings, errors = resolve({"lattice": "roi", **BASE, **own}, {})
    assert not errors
    return build_nodes(settings), settings


def named(causes) -> set[tuple[str, str]]:
    return {(cause.kind, cause.change.name) for cause in causes}


@pytest.mark.parametrize("knob", OTHER)
def test_a_knob_that_differs_is_named_with_its_values(knob):
    before, old = chain()
    after, new = chain(**{knob: OTHER[knob]})
    if before.key == after.key:
        pytest.fail(f"{knob} does not matter here")
    causes = [c for c in chain_causes(before, after, new) if c.kind != "input"]
    assert named(causes) == {("knob", knob)}
    assert [(c.change.before, c.change.after) for c in causes] == [(old[knob], new[knob])]


@pytest.mark.parametrize(
    ("knob", "value"),
    [("native_max_px", 512), ("native_max_tokens", 99), ("native_above", "tile")],
)
def test_a_knob_of_native_grids_is_named(knob, value):
    before, _ = chain(input_prep="native")
    after, new = chain(input_prep="native", **{knob: value})
    assert named(chain_causes(before, after, new)) == {("knob", knob)}


def test_knobs_that_differ_together_are_all_named():
    before, _ = chain()
    after, new = chain(scale_m=20, mask_threshold=55, image_size=32, output="pooled")
    expected = {"scale_m", "mask_threshold", "image_size", "output"}
    assert named(chain_causes(before, after, new)) == {("knob", knob) for knob in expected}


def test_a_knob_that_only_one_model_has_is_named():
    before, _ = chain(
        model="rcf",
        variant="patches",
        modality="s2",
        features=64,
        weights=None,
        frames=1,
        input_prep="resize",
        tile_size=None,
        tile_overlap=0,
    )
    after, new = chain(
        model="rcf",
        variant="patches",
        modality="s2",
        features=128,
        weights=None,
        frames=1,
        input_prep="resize",
        tile_size=None,
        tile_overlap=0,
    )
    assert named(chain_causes(before, after, new)) == {("knob", "features")}


def test_of_two_models_the_model_is_the_cause():
    before, _ = chain(model="rcf", variant=None, modality="s2", weights=None, frames=1)
    after, new = chain()
    causes = chain_causes(before, after, new)
    assert [str(cause) for cause in causes] == ["knob at infer: model: rcf -> galileo"]


def swapped(node: Node, stage: str, **other) -> Node:
    """A chain in which one stage's nodes are otherwise."""
    inputs = {name: swapped(found, stage, **other) for name, found in node.inputs.items()}
    own = {k: v(getattr(node, k)) for k, v in other.items()} if node.stage == stage else {}
    return replace(node, inputs=inputs, **own)


@pytest.mark.parametrize("stage", ["fetch", "composite", "prep", "infer", "stitch"])
def test_a_stage_version_is_named(stage):
    after, settings = chain()
    before = swapped(after, stage, version=lambda version: version - 1)
    causes = chain_causes(before, after, settings)
    assert {(c.kind, c.stage) for c in causes} == {("stage version", stage)}
    assert {c.change.before + 1 for c in causes} == {c.change.after for c in causes}


def test_other_scenes_of_the_provider_are_data():
    after, settings = chain()
    before = swapped(after, "fetch", settings=lambda s: {**s, "source": {"world": 0}})
    assert {c.kind for c in chain_causes(before, after, settings)} == {"data"}


def test_another_weights_file_of_the_same_name_is_weights(tmp_path):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"one")
    after, settings = chain(weights=str(file))
    before = swapped(after, "infer", settings=lambda s: {**s, "sha256": "0" * 64})
    (cause,) = chain_causes(before, after, settings)
    assert (cause.kind, cause.change.name) == ("weights", "sha256")


def test_an_edited_constant_of_a_card_is_named_by_its_place():
    after, settings = chain()

    def edited(prep):
        own = dict(prep["normalization"])
        own["s2"] = {**own["s2"], "mean": [m + 1 for m in own["s2"]["mean"]]}
        return {**prep, "normalization": own}

    before = swapped(after, "prep", settings=edited)
    (cause,) = chain_causes(before, after, settings)
    assert (cause.kind, cause.change.name) == ("card constant", "normalization.s2.mean")


def test_another_normalization_of_the_card_is_the_knob():
    names = list(find_card("galileo").normalizations)
    before, _ = chain(normalization=names[1])
    after, settings = chain(normalization=names[0])
    assert named(chain_causes(before, after, settings)) == {("knob", "normalization")}


def test_every_knob_of_the_table_is_tried_here_or_means_nothing_here():
    elsewhere = {
        "provider",
        "collection",
        "bands",
        "fetch_granularity",  # another provider's
        "model",
        "weights",
        "weights_sha256",
        "normalization",  # have a test of their own
        "pooling",  # of pooled output
        "group_merge",  # of several groups
        "native_max_px",
        "native_max_tokens",
        "native_above",  # have a test of their own
    }
    providers = {"synthetic", "local", "stac", "earthengine", "chips"}
    knobs = {k for k, v in knobs_of(find_card("galileo")).items() if v.kind != "mapping"}
    own = {knob.name for knob in find_card("galileo").knobs}
    assert knobs - elsewhere - providers - own - set(OTHER) == set()
