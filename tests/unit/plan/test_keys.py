"""Keys: each knob changes the stages that read it and no other, wherever and however it is said."""

import dataclasses
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsweep.core.canonical import canonical_json, digest
from rsweep.core.nodes import Node
from rsweep.core.places import Places
from rsweep.models.registry import families, find_card
from rsweep.plan import profiles
from rsweep.plan.nodes import build_nodes
from rsweep.plan.sweep import expand
from rsweep.plan.table import CORE
from rsweep.stages.composite import rules
from rsweep.stages.registry import STAGES

NAMES = list(STAGES)
SOURCES = Path(__file__).parents[3] / "src"
WINDOW = {"start": "2022-06-01", "end": "2022-09-01"}
FIXED = {"temporal": WINDOW, "context_m": 160}
RCF = {**FIXED, "model": "rcf"}
THOR = {**FIXED, "model": "thor", "weights": "random", "image_size": 96, "patch_size": 8}
MANY = {"model": "galileo", "temporal": WINDOW, "weights": "random", "frames": 3}
RADAR = {**RCF, "modality": "s1"}
NATIVE = {**RCF, "input_prep": "native"}
RESIZE = {**RCF, "input_prep": "resize"}
GRID = {**RCF, "output": "grid"}
OVERLAP = {**RCF, "tile_overlap": 16}
EARTH = {**RCF, "provider": "earthengine"}
PLAIN = {"own": {"s2": {"B4": [0, 10_000], "B3": [0, 10_000]}}}
OTHER_PLAIN = {"own": {"s2": {"B4": [0, 10_000], "B3": [1, 10_000]}}}
STATED = {**RCF, "bands": "B4,B3", "constants": PLAIN, "normalization": "own"}
ANYSAT = {**FIXED, "model": "anysat", "weights": "random"}
SHA = {c: c * 64 for c in "ab"}
URL = {**THOR, "weights": "https://example.org/w.pt", "weights_sha256": SHA["a"]}


def keys_of(own: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Stage -> its keys (several where it runs per sensor)."""
    values, errors = profiles.resolve(own, {})
    assert not errors, errors
    found: dict[str, list[str]] = {}
    for node in build_nodes(values).upstream():
        found.setdefault(node.stage, []).append(node.key)
    return {stage: tuple(sorted(found[stage])) for stage in NAMES}


def changed(context: dict[str, Any], other: dict[str, Any]) -> set[str]:
    before, after = keys_of(context), keys_of({**context, **other})
    return {stage for stage in STAGES if before[stage] != after[stage]}


def since(stage: str | None) -> set[str]:
    return set(NAMES[NAMES.index(stage) :]) if stage else set()


# (card whose knob it is, knob): (context, another value, first stage that changes; None: nothing)
READ = {
    "provider": (RCF, "earthengine", "fetch"),
    "collection": (EARTH, ["COPERNICUS/S2_HARMONIZED"], "fetch"),
    "synthetic": (RCF, {"seed": 1}, "fetch"),
    "local": (RCF, {"path": "elsewhere"}, None),
    "chips": (RCF, {"path": "elsewhere"}, None),
    "stac": (
        {**RCF, "provider": "stac", "collection": ["sentinel-2-l2a"]},
        {"url": "planetary-computer"},
        "fetch",
    ),
    "earthengine": (EARTH, {"project": "mine"}, None),
    "temporal": (RCF, {"year": 2022}, "fetch"),
    "scale_m": (RCF, 20, "fetch"),
    "context_m": (RCF, 0, "fetch"),
    "least_side_m": (RCF, 900, "fetch"),
    "fetch_bands": (RCF, "model", "fetch"),
    "orbit": (RADAR, "ascending", "fetch"),
    "fetch_cloudy_pct": (RCF, 90, "fetch"),
    "fetch_granularity": (EARTH, "composite", "fetch"),
    "composite": (RCF, "mosaic", "composite"),
    "cloudy_pct": (RCF, 50, "composite"),
    "cloud_mask": (RCF, "none", "composite"),
    "mask_threshold": (RCF, 30, "composite"),
    "mask_dilation": (RCF, 2, "composite"),
    "frames": (MANY, 4, "composite"),
    "frame_policy": (MANY, "month", "composite"),
    "empty_frame": (MANY, "repeat", "composite"),
    "modality": (RCF, "s1", "fetch"),
    "bands": (RCF, "B4,B3,B2", "prep"),
    "normalization": ({**THOR, "bands": "B4,B3,B2"}, "unit", "prep"),
    "constants": (STATED, OTHER_PLAIN, "prep"),
    "input_prep": (RCF, "resize", "prep"),
    "native_max_px": (NATIVE, 96, "prep"),
    "native_max_tokens": (NATIVE, 99, "prep"),
    "native_above": (NATIVE, "tile", "prep"),
    "image_size": (RCF, 32, "prep"),
    "tile_size": (RCF, 32, "prep"),
    "tile_overlap": (RCF, 16, "prep"),
    "max_tiles": (RCF, 9, "prep"),
    "resample": (RESIZE, "bicubic", "prep"),
    "edge": (RCF, "fill", "prep"),
    "lattice": ({**RCF, "context_m": 80, "least_side_m": 0}, "shared", "prep"),
    "model": ({**THOR, "scale_m": 10}, "dofa", "prep"),
    "variant": (RCF, "patches", "infer"),
    "weights": (THOR, "pretrained", "infer"),
    "weights_sha256": (URL, SHA["b"], "infer"),
    "seed": (THOR, 1, "infer"),
    "patch_size": (RCF, 8, "infer"),
    "layer": (THOR, "6", "infer"),
    "final_norm": (THOR, False, "infer"),
    "precision": (RCF, "bf16", "infer"),
    "compile": (RCF, True, "infer"),
    "output": ({**RCF, "lattice": "roi"}, "grid", "stitch"),
    "pooling": (RCF, "max", "stitch"),
    "group_merge": (THOR, "concat", "stitch"),
    "blend": (OVERLAP, "none", "stitch"),
    "storage_dtype": (RCF, "float16", "stitch"),
    "rcf.features": (RCF, 64, "infer"),
    "rcf.kernel_size": (RCF, 5, "infer"),
    "rcf.bias": (RCF, 0.5, "infer"),
    "anysat.patch_m": (ANYSAT, 20, "infer"),
    "anysat.features": (ANYSAT, "dense", "infer"),
    "clay.metadata": ({**FIXED, "model": "clay", "weights": "random"}, False, "infer"),
    "clay.hour": ({**FIXED, "model": "clay", "weights": "random"}, "midnight", "infer"),
    "copernicusfm.told": ({**FIXED, "model": "copernicusfm", "weights": "random"}, False, "infer"),
    "tessera.dimensions": ({**FIXED, "model": "tessera", "weights": "random"}, 64, "infer"),
    "wildsat.branch": ({"model": "wildsat", "weights": "random"}, "text", "infer"),
}
UNREAD = [
    ("orbit", RCF, "ascending", "no radar"),
    ("fetch_cloudy_pct", RADAR, 50, "radar"),
    ("cloudy_pct", RADAR, 50, "radar sees through cloud"),
    ("cloud_mask", RADAR, "none", "radar sees through cloud"),
    ("synthetic", EARTH, {"seed": 1}, "another provider's options"),
    ("synthetic", RADAR, {"cloudiness": 0.9}, "radar sees through cloud"),
    ("mask_threshold", {**RCF, "cloud_mask": "none"}, 30, "nothing is masked"),
    ("mask_threshold", {**RCF, "cloud_mask": "scl"}, 30, "classes have no threshold"),
    ("empty_frame", RCF, "error", "a ROI whose one frame is empty has nothing, whatever is said"),
    ("frames", RCF, "auto", "a network of one frame has one, however it is asked for"),
    ("tile_size", RESIZE, 32, "no tiles"),
    ("image_size", NATIVE, 32, "each ROI has its own"),
    ("tile_overlap", NATIVE, 16, "no tiles"),
    ("blend", NATIVE, "none", "no tiles"),
    ("native_max_px", RCF, 99, "not native"),
    ("native_above", RCF, "tile", "not native"),
    ("constants", RCF, PLAIN, "a normalisation of the card is used"),
    ("constants", {**STATED, "bands": "B4"}, OTHER_PLAIN, "the band is not read"),
    ("tile_overlap", RESIZE, 8, "no tiles"),
    ("max_tiles", RESIZE, 9, "no tiles"),
    ("lattice", RESIZE, "shared", "cells of resized ROIs differ from ROI to ROI"),
    ("resample", RCF, "bicubic", "tiles are as large as the input"),
    ("seed", {**THOR, "weights": "pretrained"}, 1, "weights are not random"),
    ("weights_sha256", THOR, SHA["a"], "weights are from no URL"),
    ("weights", RCF, "random", "features are random in any case"),
    ("group_merge", RCF, "concat", "one group"),
    ("blend", {**RESIZE, "tile_overlap": 16}, "none", "one tile"),
    ("pooling", GRID, "max", "a grid is not pooled"),
    (
        "blend",
        {**OVERLAP, "model": "dofa", "weights": "random", "image_size": 32, "pooling": "cls"},
        "none",
        "tiles' own vectors are not blended",
    ),
]


def own_knobs() -> set[str]:
    return {f"{f}.{k.name}" for f in families() if f != "timm" for k in find_card(f).knobs}


def test_every_knob_of_the_table_and_of_the_cards_has_a_case():
    assert set(READ) == set(CORE) | own_knobs()


@pytest.mark.parametrize("name", READ)
def test_a_knob_changes_the_first_stage_that_reads_it_and_those_after(name):
    context, value, first = READ[name]
    assert changed(context, {name.rpartition(".")[2]: value}) == since(first)


@pytest.mark.parametrize("name, context, value, why", UNREAD)
def test_a_knob_that_nothing_reads_is_in_no_key(name, context, value, why):
    assert changed(context, {name: value}) == set(), why


def stages_of(*blocks):
    """Profile -> stage -> key, of one study."""
    problems = []
    profiles, _ = expand({"base": RCF, "sweep": list(blocks)}, "study", False, problems)
    assert not problems
    return [profile.keys() for profile in profiles]


def test_in_one_study_pooled_and_grid_profiles_share_inference():
    pooled, grid = stages_of({"output": ["pooled", "grid"]})
    assert {stage for stage in STAGES if pooled[stage] != grid[stage]} == {"stitch"}


def test_a_study_without_grids_has_the_keys_that_it_had_before_lattices():
    (alone,), (own,) = stages_of({"output": "pooled"}), stages_of({"lattice": "roi"})
    assert alone == own
    pooled, other, _ = stages_of(
        {"output": "pooled"},
        {"model": "galileo", "output": ["pooled", "grid"], "weights": "random"},
    )
    assert pooled == own
    assert other["prep"] != own["prep"]


def test_the_first_grid_of_a_model_moves_tiles_and_nothing_that_is_fetched():
    (alone,) = stages_of({"output": "pooled"})
    beside, _ = stages_of({"output": ["pooled", "grid"]})
    assert {stage for stage in STAGES if alone[stage] != beside[stage]} == {*NAMES[2:]}


def test_the_radar_of_a_model_of_both_sensors_is_shared_whatever_the_cloud_rule():
    both = {**MANY, "modality": "s1+s2"}
    before, after = keys_of(both), keys_of({**both, "cloud_mask": "none"})
    assert len(set(before["composite"]) & set(after["composite"])) == 1
    assert before["fetch"] == after["fetch"]


@pytest.mark.parametrize("same", [224, 224.0, "224", " 224 "])
def test_one_value_is_one_key(same):
    assert keys_of({**RCF, "image_size": same}) == keys_of({**RCF, "image_size": 224})
    assert keys_of({**RCF, "scale_m": same}) == keys_of({**RCF, "scale_m": 224})


def test_near_values_are_two_keys():
    assert changed({**RCF, "scale_m": 10.1}, {"scale_m": 10.9}) == since("fetch")
    assert changed({**RCF, "bands": "B4,B3"}, {"bands": "B3,B4"}) == since("prep")


def test_a_year_is_its_window():
    year, dates = {"year": 2022}, {"start": "2022-01-01", "end": "2023-01-01"}
    assert keys_of({**RCF, "temporal": year}) == keys_of({**RCF, "temporal": dates})


def edited(**changes: Any):
    return dataclasses.replace(find_card("rcf"), **changes)


S2 = find_card("rcf").normalizations["constant"]["s2"]
CARDS = {
    "statistic": (
        edited(
            normalizations={
                "constant": {
                    "s2": dataclasses.replace(S2, stats={**S2.stats, "B4": (2001.0, 1500.0)})
                }
            }
        ),
        "prep",
    ),
    "statistic of a band that is not read": (
        edited(
            normalizations={
                "constant": {"s2": dataclasses.replace(S2, stats={**S2.stats, "B10": (1.0, 1.0)})}
            }
        ),
        None,
    ),
    "2000 for 2000.0": (
        edited(
            normalizations={
                "constant": {
                    "s2": dataclasses.replace(S2, stats=dict.fromkeys(S2.stats, (2000, 1500)))
                }
            }
        ),
        None,
    ),
    "clip": (
        edited(normalizations={"constant": {"s2": dataclasses.replace(S2, clip=(0.0, 1.0))}}),
        "prep",
    ),
    "source": (
        edited(normalizations={"constant": {"s2": dataclasses.replace(S2, source="x")}}),
        None,
    ),
    "constants": (edited(constants=lambda s: {"wavelengths_um": [0.5]}), "infer"),
    "notes": (edited(notes="x", title="y", licence_code="z"), None),
    "default image_size": (edited(defaults={"image_size": 32, "patch_size": 16}), "prep"),
}


@pytest.mark.parametrize("what", CARDS)
def test_editing_a_card_changes_the_keys_of_what_reads_it(what, monkeypatch):
    card, first = CARDS[what]
    before = keys_of(RCF)
    monkeypatch.setattr("rsweep.models.rcf.card.CARD", card)
    find_card.cache_clear()
    after = keys_of(RCF)
    find_card.cache_clear()
    assert {s for s in STAGES if before[s] != after[s]} == since(first)


@pytest.mark.parametrize("stage", NAMES)
def test_raising_a_version_changes_that_stage_and_those_after(stage, monkeypatch):
    before = keys_of(RCF)
    monkeypatch.setitem(STAGES, stage, dataclasses.replace(STAGES[stage], version=99))
    after = keys_of(RCF)
    assert {s for s in STAGES if before[s] != after[s]} == since(stage)


def test_a_cloud_rule_is_hashed_as_its_constants(monkeypatch):
    rule = dataclasses.replace(rules.MASK_RULES["scl"], classes=(4, 5))
    before = keys_of(RCF)
    monkeypatch.setitem(rules.MASK_RULES, "scl", rule)
    after = keys_of(RCF)
    assert {s for s in STAGES if before[s] != after[s]} == since("composite")


def test_weights_enter_by_content_wherever_they_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / name for name in ("a.pt", "b.pt", "c.pt")]
    for path, text in zip(paths, ("one", "one", "two"), strict=True):
        path.write_text(text)
    a, b, c = (keys_of({**THOR, "weights": str(path)}) for path in paths)
    assert a == b
    assert (a["prep"], a["infer"] != c["infer"]) == (c["prep"], True)
    sha = hashlib.sha256(b"one").hexdigest()
    assert keys_of({**URL, "weights_sha256": sha.upper()}) == a


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=4), values, max_size=5), st.integers(0, 99))
def test_a_digest_does_not_depend_on_order_and_survives_json(value, seed):
    items = list(value.items())
    random.Random(seed).shuffle(items)
    assert digest(dict(items)) == digest(value)
    assert digest(json.loads(canonical_json(value))) == digest(value)
    assert digest(json.loads(json.dumps(value, indent=2))) == digest(value)


@given(values, values)
def test_other_values_have_other_digests(one, two):
    if one != two:
        assert digest(one) != digest(two)


def test_the_inputs_of_a_node_are_in_its_key():
    scenes = [Node("fetch", 1, {"x": i}) for i in (1, 2)]
    one, two = (Node("composite", 1, {}, {"scenes": node}) for node in scenes)
    assert one.key != two.key
    assert [node.key for node in one.upstream()] == [scenes[0].key, one.key]


STUDY = {
    "study": "s",
    "rois": "rois.csv",
    "temporal": WINDOW,
    "base": {"provider": "synthetic"},
    "sweep": [
        {"model": "rcf", "image_size": [32, 64], "bands": [["B4", "B3", "B2"]]},
        {"model": ["galileo", "dofa"], "weights": "random"},
    ],
    "profiles": {"radar": {"model": "rcf", "modality": "s1", "scale_m": 20}},
}
PROGRAM = """
import json, sys
from rsweep.plan.study import make_study
study = make_study(json.load(sys.stdin), "s")
print(json.dumps([sorted(p.node.key for p in study.profiles), [s.name for s in study.shards]]))
"""


def reversed_mappings(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: reversed_mappings(v) for k, v in reversed(value.items())}
    return value


def planned(python: str, folder: Path, config: dict[str, Any], seed: str = "0") -> Any:
    (folder / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.7,50.5,100\nb,8.8,50.4,120\n")
    environment = {
        "PYTHONPATH": str(SOURCES),
        "PYTHONHASHSEED": seed,
        "HOME": os.environ["HOME"],
        "PATH": os.environ["PATH"],
    }
    run = subprocess.run(
        [python, "-c", PROGRAM],
        input=json.dumps(config),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_keys_are_the_same_in_another_process_order_and_under_another_hash_seed(tmp_path):
    first = planned(sys.executable, tmp_path, STUDY)
    assert len(first[0]) == 5
    mixed = reversed_mappings(
        {**STUDY, "sweep": [reversed_mappings(b) for b in STUDY["sweep"]][::-1]}
    )
    for seed in ("1", "4711"):
        assert planned(sys.executable, tmp_path, mixed, seed) == first


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_keys_are_the_same_on_another_python_without_a_package(version, tmp_path):
    """Planning needs the standard library alone, so it runs on a bare Python."""
    installed = [
        *Path.home().glob(f".pyenv/versions/{version}.*/bin/python"),
        *Path("/usr/bin").glob(f"python{version}"),
    ]
    if not installed:
        pytest.skip(f"no Python {version} here")
    assert planned(str(installed[0]), tmp_path, STUDY) == planned(sys.executable, tmp_path, STUDY)


def test_a_study_window_that_no_roi_uses_is_in_no_key():
    def key(roi_windows, end):
        values, errors = profiles.resolve({**RCF, "temporal": {**WINDOW, "end": end}}, {})
        assert not errors
        return build_nodes(values, Places(roi_windows)).key

    for roi_windows, same in (("none", False), ("some", False), ("all", True)):
        assert (key(roi_windows, "2022-09-01") == key(roi_windows, "2022-10-01")) is same


def test_a_limit_on_tiles_that_no_roi_reaches_is_in_no_key():
    def key(largest_m, max_tiles):
        values, errors = profiles.resolve({**RCF, "image_size": 64, "max_tiles": max_tiles}, {})
        assert not errors
        return build_nodes(values, Places(largest_m=largest_m)).key

    assert key(3000, 1024) == key(3000, 2000)  # 6 x 6 tiles at the most
    assert key(3000, 1024) != key(3000, 20)
    assert key(90_000, 1024) != key(90_000, 2000)
