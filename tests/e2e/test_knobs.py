"""Changing one knob runs exactly the stages that read it: for every knob of the table."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import rasterio
from conftest import Workplace

from rsweep.models.registry import find_card
from rsweep.plan.table import CORE
from rsweep.stages.registry import STAGES

NAMES = list(STAGES)
# What is read around a ROI follows from the study's tiles, and where they lie from its grids.
FIXED = {"context_m": 160, "lattice": "roi"}
RCF = {**FIXED, "model": "rcf", "image_size": 16, "patch_size": 8, "features": 8}
THOR = {
    **FIXED,
    "model": "thor",
    "variant": "tiny",
    "weights": "random",
    "image_size": 32,
    "patch_size": 8,
}
GALILEO = {
    **FIXED,
    "model": "galileo",
    "variant": "nano",
    "weights": "random",
    "image_size": 16,
    "patch_size": 8,
    "frames": 2,
    "frame_policy": "equal",
}
LOCAL = {
    **RCF,
    "provider": "local",
    "bands": ["B4", "B3", "B2"],
    "context_m": 0,
    "local": {"path": "scenes", "layout": "scenes/layout.yaml"},
}
RGB = ("B4", "B3", "B2")
CONTEXTS = {
    "constants": {
        **RCF,
        "bands": list(RGB),
        "normalization": "own",
        "constants": {"own": {"s2": {band: [1200, 600] for band in RGB}}},
    },
    "rcf": RCF,
    "thor": THOR,
    "galileo": GALILEO,
    "local": LOCAL,
    "radar": {**RCF, "modality": "s1"},
    "cloud": {**RCF, "cloud_mask": "cloud"},
    "resized": {**RCF, "input_prep": "resize"},
    "native": {**RCF, "input_prep": "native"},
    "months": {**GALILEO, "temporal": {"start": "2022-05-20", "end": "2022-07-01"}},
    "overlap": {**RCF, "image_size": 32, "tile_overlap": 8},
}

# knob: (context, new value, first stage that runs again; None if nothing does)
CASES: dict[str, tuple[str, Any, str | None]] = {
    "provider": ("local", "synthetic", "fetch"),
    "synthetic": ("rcf", {"seed": 1}, "fetch"),
    "local": ("local", {**LOCAL["local"], "resampling": "bilinear"}, "fetch"),
    "stac": ("rcf", {"url": "planetary-computer"}, None),
    "chips": ("rcf", {"path": "elsewhere"}, None),
    "earthengine": ("rcf", {"project": "mine"}, None),
    "temporal": ("rcf", {"start": "2022-06-01", "end": "2022-06-20"}, "fetch"),
    "scale_m": ("rcf", 20, "fetch"),
    "context_m": ("rcf", 60, "fetch"),
    "least_side_m": ("rcf", 900, "fetch"),
    "fetch_bands": ("rcf", "model", "fetch"),
    "orbit": ("radar", "ascending", "fetch"),
    "fetch_cloudy_pct": ("rcf", 90, "fetch"),
    "composite": ("rcf", "mean", "composite"),
    "cloudy_pct": ("rcf", 95, "composite"),
    "cloud_mask": ("rcf", "none", "composite"),
    "mask_threshold": ("cloud", 55, "composite"),
    "mask_dilation": ("rcf", 2, "composite"),
    "frames": ("galileo", 1, "composite"),
    "frame_policy": ("months", "month", "composite"),
    "empty_frame": ("galileo", "repeat", "composite"),
    "modality": ("resized", "s1", "fetch"),
    "bands": ("rcf", ["B4", "B3", "B2"], "prep"),
    "normalization": ("thor", "unit", "prep"),
    "input_prep": ("rcf", "auto", "prep"),
    "native_max_px": ("native", 96, "prep"),
    "native_max_tokens": ("native", 99, "prep"),
    "native_above": ("native", "tile", "prep"),
    "image_size": ("rcf", 24, "prep"),
    "tile_size": ("rcf", 32, "prep"),
    "tile_overlap": ("rcf", 8, "prep"),
    "max_tiles": ("rcf", 999, None),
    "resample": ("resized", "bicubic", "prep"),
    "edge": ("rcf", "fill", "prep"),
    "constants": ("constants", {"own": {"s2": {band: [1000, 500] for band in RGB}}}, "prep"),
    "lattice": ("rcf", "shared", "prep"),
    "model": ("thor", "rcf", "prep"),
    "variant": ("rcf", "patches", "infer"),
    "weights": ("thor", "thor.pt", "infer"),
    "seed": ("thor", 1, "infer"),
    "patch_size": ("rcf", 4, "infer"),
    "layer": ("thor", "6", "infer"),
    "final_norm": ("thor", False, "infer"),
    "precision": ("thor", "bf16", "infer"),
    "compile": ("rcf", True, "infer"),
    "features": ("rcf", 16, "infer"),
    "kernel_size": ("rcf", 5, "infer"),
    "bias": ("rcf", 0.5, "infer"),
    "output": ("rcf", "grid", "stitch"),
    "pooling": ("rcf", "max", "stitch"),
    "group_merge": ("thor", "concat", "stitch"),
    "blend": ("overlap", "linear", "stitch"),
    "storage_dtype": ("rcf", "float16", "stitch"),
}
ELSEWHERE = {
    "collection": "every provider that runs offline has one collection per sensor",
    "fetch_granularity": "earthengine alone composites: tests/unit/sources/test_granularity.py",
    "weights_sha256": "only weights from a URL read it: tests/unit/models/test_weights.py",
}


def test_every_knob_has_a_case() -> None:
    """A knob added to the table or to rcf's card needs a line above."""
    knobs = {*CORE, *(k.name for k in find_card("rcf").knobs)}
    assert knobs == {*CASES, *ELSEWHERE}


def write_scenes(workplace: Workplace) -> None:
    folder = workplace.folder / "scenes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": 3,
        "height": 900,
        "width": 900,
        "crs": "EPSG:32632",
        "transform": rasterio.Affine(10, 0, 476000, 0, -10, 5598000),
    }
    with rasterio.open(folder / "S2_20220605.tif", "w", **profile) as file:
        file.write(rng.integers(500, 3000, (3, 900, 900)).astype("uint16"))
    (folder / "layout.yaml").write_text(
        "s2:\n  files: 'S2_(?P<date>\\d{8})\\.tif'\n  bands: {B2: 1, B3: 2, B4: 3}\n"
    )


def write_weights(workplace: Workplace) -> None:
    import torch

    from rsweep.models.weights import load_embedder
    from rsweep.plan.nodes import build_nodes
    from rsweep.plan.profiles import resolve

    settings, errors = resolve({**THOR, "seed": 7}, {})
    assert not errors
    node = build_nodes(settings).inputs["tokens"]
    embedder, _ = load_embedder(node.settings, {"weights": "random"})
    torch.save(embedder.network.state_dict(), workplace.folder / "thor.pt")


def expected(first: str | None) -> set[str]:
    return set(NAMES[NAMES.index(first) :]) if first else set()


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {stage for stage in STAGES if before[stage] != after[stage]}


@pytest.mark.timeout(1200)
def test_a_knob_runs_the_stages_that_read_it_and_touches_nothing_else(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs: the contexts, then with them one profile per knob."""
    monkeypatch.chdir(workplace.folder)
    write_scenes(workplace)
    write_weights(workplace)
    everything = dict.fromkeys(RCF)  # the workplace's base must not leak into other models
    workplace.write_study(base=everything, profiles=CONTEXTS)
    workplace.ran()
    before, contexts = workplace.state(), workplace.keys()

    variants = {f"knob-{k}": {**CONTEXTS[c], k: v} for k, (c, v, _) in CASES.items()}
    for name in ("knob-model", "knob-provider"):  # these knobs do not fit the other model or source
        variants[name] = {**RCF, "image_size": 32, "bands": variants[name].get("bands")}
    variants["knob-provider"] |= {"image_size": 16, "context_m": 0}
    workplace.write_study(base=everything, profiles={**CONTEXTS, **variants})
    workplace.ran()
    after, keys = workplace.state(), workplace.keys()

    assert {name: after[name] for name in before} == before  # bytes and times
    made = {name.rsplit("/", 1)[0] for name in set(after) - set(before)}
    wanted = set()
    for knob, (context, _, first) in CASES.items():
        found = keys.get(f"knob-{knob}", contexts[context])
        stages = changed(contexts[context], found)
        assert stages == expected(first), knob
        wanted |= {f"{stage}/{key}" for stage in stages for key in found[stage].split("+")}
    assert made == wanted - {name.rsplit("/", 1)[0] for name in before}


def test_nothing_of_the_environment_changes_a_key(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.write_study()
    plain = workplace.keys()
    for name in ("RSWEEP_FRAMES", "RSWEEP_IMAGE_SIZE", "PYTHONHASHSEED"):
        monkeypatch.setitem(os.environ, name, "7")
    assert workplace.keys() == plain
