"""What each knob of each model costs: one changed at a time, everything else as in the first row.

    python benchmarks/knobs.py [--only MODEL…]

Operations are counted (torch's flop counter, taught the CPU's fused attention: matrix products,
convolutions and attention; the same on every machine). Seconds are those of one core for one tile
in a forward pass of `tiles` tiles, random weights, fp32 unless `precision` says otherwise: the
least CPU seconds of the repeats. Megabytes are what the tile's token maps and vectors take in the
store, float32. Stitch knobs (output, pooling, group_merge, blend) run no network and are not here.

Writes benchmarks/results/knobs.csv, from which `make docs` makes a table on each model's page; with
`--only`, rows of other models stay as they were.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the resident worker has it

import torch
from measure import RESULTS, facts, seconds, write_csv
from models import batch_of, load_engine, tiles_of
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from rsweep.core.store import Store
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.stages.infer.engine import Engine, over

REPEATS = 3
TILES = 4
LARGE_GFLOP = 50.0
"""A tile of more than that goes through the network alone."""
ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

Knobs = Mapping[str, Any]
SERIES: Knobs = {"frame_policy": "equal", "empty_frame": "repeat"}
FIRST: Mapping[str, Knobs] = {
    "thor": {"variant": "base", "image_size": 96, "patch_size": 8},
    "anysat": {"image_size": 24, "frames": 8, "patch_m": 10, **SERIES},
    "galileo": {"variant": "nano", "image_size": 32, "patch_size": 8, "frames": 3, **SERIES},
    "dofa": {"variant": "base", "image_size": 224, "patch_size": 16},
    "scalemae": {"image_size": 224},
    "agrifm": {"image_size": 128, "frames": 8, **SERIES},
    "prithvi": {"variant": "100m_tl", "image_size": 224, "frames": 1, **SERIES},
    "rcf": {"image_size": 64, "patch_size": 16},
    "timm:vit_tiny_patch16_224": {"image_size": 224},
    "olmoearth": {"variant": "v1_2_nano", "image_size": 32, "patch_size": 4, "frames": 3, **SERIES},
    "terramind": {"variant": "tiny", "image_size": 224},
    "tessera": {"variant": "v2_small", "modality": "s2", "image_size": 8, "frames": 12, **SERIES},
    "panopticon": {"image_size": 112},
    "dinov3": {"image_size": 112},
    "terrafm": {"image_size": 224},
    "clay": {"variant": "base", "image_size": 128},
    "croma": {"image_size": 120},
    "copernicusfm": {"image_size": 224, "patch_size": 16},
    "satmae": {"variant": "large", "image_size": 224},
    "satmaepp": {"variant": "large", "image_size": 96},
    "remoteclip": {"variant": "b32"},
    "wildsat": {"image_size": 224},
    "fomo": {"variant": "base", "image_size": 64},
    "satvision": {"variant": "narrow", "image_size": 128, "scale_m": 10},
}
"""What a model's rows start from."""
CHANGES: Mapping[str, tuple[Knobs, ...]] = {
    "thor": (
        {"variant": "tiny"},
        {"variant": "small"},
        {"variant": "large"},
        {"patch_size": 4},
        {"patch_size": 16},
        {"image_size": 192},
        {"image_size": 288},
        {"modality": "s1"},
        {"layer": "6"},
        {"precision": "bf16"},
    ),
    "anysat": (
        {"patch_m": 20},
        {"patch_m": 40},
        {"image_size": 12},
        {"image_size": 36},
        {"frames": 4},
        {"frames": 16},
        {"features": "dense"},
        {"modality": "s1"},
        {"modality": "s1+s2"},
        {"layer": "3"},
        {"precision": "bf16"},
    ),
    "galileo": (
        {"variant": "tiny"},
        {"variant": "base"},
        {"patch_size": 4},
        {"patch_size": 2},
        {"image_size": 64},
        {"image_size": 96},
        {"frames": 1},
        {"frames": 12},
        {"modality": "s1"},
        {"modality": "s1+s2"},
        {"layer": "2"},
        {"precision": "bf16"},
    ),
    "dofa": (
        {"variant": "large"},
        {"patch_size": 8},
        {"image_size": 112},
        {"bands": ["B4", "B3", "B2"]},
        {"modality": "s1"},
        {"layer": "6"},
        {"precision": "bf16"},
    ),
    "scalemae": ({"image_size": 112}, {"image_size": 320}, {"layer": "12"}, {"precision": "bf16"}),
    "agrifm": (
        {"image_size": 64},
        {"image_size": 256},
        {"frames": 4},
        {"frames": 16},
        {"frames": 32},
        {"layer": "3"},
        {"precision": "bf16"},
    ),
    "prithvi": (
        {"variant": "300m_tl"},
        {"variant": "600m_tl"},
        {"image_size": 112},
        {"frames": 2},
        {"frames": 4},
        {"layer": "6"},
        {"precision": "bf16"},
    ),
    "rcf": (
        {"patch_size": 8},
        {"image_size": 128},
        {"features": 1024},
        {"kernel_size": 5},
        {"modality": "s1"},
    ),
    "timm:vit_tiny_patch16_224": ({"image_size": 112}, {"layer": "6"}, {"precision": "bf16"}),
    "olmoearth": (
        {"variant": "v1_2_tiny"},
        {"variant": "v1_2_small"},
        {"variant": "v1_2_base"},
        {"patch_size": 8},
        {"patch_size": 2},
        {"image_size": 64},
        {"frames": 1},
        {"frames": 12},
        {"modality": "s1"},
        {"modality": "s1+s2"},
        {"precision": "bf16"},
    ),
    "terramind": (
        {"variant": "small"},
        {"variant": "base"},
        {"image_size": 112},
        {"modality": "s1+s2"},
        {"modality": "s2+dem"},
        {"layer": "6"},
        {"precision": "bf16"},
    ),
    "tessera": (
        {"variant": "v1_1_mpc"},
        {"image_size": 16},
        {"frames": 24},
        {"modality": "s1+s2"},
        {"precision": "bf16"},
    ),
    "panopticon": (
        {"image_size": 56},
        {"image_size": 224},
        {"bands": ["B4", "B3", "B2"]},
        {"modality": "s1"},
        {"layer": "6"},
        {"precision": "bf16"},
    ),
    "dinov3": ({"image_size": 64}, {"image_size": 256}, {"layer": "12"}, {"precision": "bf16"}),
    "terrafm": (
        {"variant": "large"},
        {"image_size": 112},
        {"modality": "s1_rtc"},
        {"layer": "6"},
        {"precision": "bf16"},
    ),
    "clay": (
        {"variant": "tiny"},
        {"variant": "large"},
        {"image_size": 64},
        {"image_size": 256},
        {"bands": ["B4", "B3", "B2"]},
        {"modality": "s1"},
        {"precision": "bf16"},
    ),
    "croma": (
        {"variant": "large"},
        {"image_size": 64},
        {"modality": "s1"},
        {"modality": "s1+s2"},
        {"precision": "bf16"},
    ),
    "copernicusfm": (
        {"image_size": 112},
        {"patch_size": 32},
        {"modality": "s1"},
        {"layer": "6"},
        {"precision": "bf16"},
    ),
    "satmae": ({"variant": "base"}, {"image_size": 112}, {"layer": "12"}, {"precision": "bf16"}),
    "satmaepp": ({"variant": "base"}, {"image_size": 48}, {"layer": "12"}, {"precision": "bf16"}),
    "remoteclip": ({"variant": "l14"}, {"layer": "6"}, {"precision": "bf16"}),
    "wildsat": ({"branch": "text"}, {"layer": "6"}, {"precision": "bf16"}),
    "fomo": (
        {"variant": "narrow"},
        {"image_size": 32},
        {"bands": ["B4", "B3", "B2"]},
        {"modality": "s1"},
        {"modality": "s1+s2"},
        {"precision": "bf16"},
    ),
    "satvision": ({"image_size": 64}, {"layer": "2", "pooling": "mean"}, {"precision": "bf16"}),
}
"""Model -> knobs that are changed together, one set a row."""


def network_and_tiles(store: Store, model: str, knobs: Knobs) -> tuple[Engine, TileBatch]:
    """A model with random weights and some tiles of the synthetic world."""
    weights = {} if model == "rcf" else {"weights": "random"}
    chain = tiles_of(store, {"model": model, **weights, **knobs}, TILES, context_m=0)
    node = chain.at("infer")[0]
    torch.set_num_threads(1)
    engine = load_engine(node, chain.options)
    with chain.store.read(node.inputs["tiles"], chain.shard.name) as tiles:
        return engine, batch_of(tiles, range(TILES))


def forward(engine: Engine, batch: TileBatch) -> TokenMaps:
    """One pass, in the precision that the settings ask for."""
    ((_, maps),) = engine.run(len(batch.gsd), lambda _: batch)
    return maps


def gflop(engine: Engine, batch: TileBatch) -> float:
    """Operations of a tile in 1e9, an addition and a multiplication being two."""
    torch.backends.mha.set_fastpath_enabled(False)  # one operation, which the counter does not know
    with FlopCounterMode(display=False, custom_mapping={ATTENTION: attention_flop}) as counter:
        forward(engine, batch)
    torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() / len(batch.gsd) / 1e9


def attention_flop(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    """Operations of fused attention, by the shapes of queries, keys and values."""
    return int(sdpa_flop_count(*shapes[:3]))


def first_of(batch: TileBatch) -> TileBatch:
    """The first tile alone."""
    return over(batch, lambda tensor: tensor[:1])


def row(store: Store, model: str, changed: Knobs) -> dict[str, Any]:
    """A model's cost with some knobs changed."""
    engine, batch = network_and_tiles(store, model, {**FIRST[model], **changed})
    operations = gflop(engine, first_of(batch))
    if operations > LARGE_GFLOP:
        batch = first_of(batch)
    maps = forward(engine, batch)
    spent = min(seconds(forward, engine, batch)[1] for _ in range(REPEATS)) / len(batch.gsd)
    values = sum(t[0].numel() for t in (*maps.maps.values(), *maps.vectors.values()))
    shapes = [" x ".join(map(str, tokens.shape[1:])) for tokens in maps.maps.values()]
    return {
        "model": model.partition(":")[0],
        "changed": said(changed) or said(FIRST[model]),
        "first": not changed,
        "token_map": " + ".join(shapes),
        "mb": f"{values * 4 / 1e6:.2g}",
        "gflop": f"{operations:.3g}",
        "seconds": f"{spent:.2g}",
        "tiles": len(batch.gsd),
    }


def said(knobs: Knobs) -> str:
    """`image_size 96, patch_size 8`: knobs that are a model's own or change its cost."""
    return ", ".join(
        f"{name} {'+'.join(value) if isinstance(value, list) else value}"
        for name, value in knobs.items()
        if name not in SERIES
    )


def rows(store: Store, model: str) -> Iterator[dict[str, Any]]:
    """A model's first row, then its changes."""
    first = 0.0
    for changed in ({}, *CHANGES[model]):
        found = row(store, model, changed)
        first = first or float(found["seconds"])
        yield {**found, "times_first": f"{float(found['seconds']) / first:.2g}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=FIRST, default=list(FIRST))
    with tempfile.TemporaryDirectory() as folder:
        for model in parser.parse_args().only:
            about = facts()
            replace(model, [{**each, **about} for each in rows(Store(Path(folder)), model)])


def replace(model: str, found: list[dict[str, Any]]) -> None:
    """Write a model's rows in the place of those of an earlier run; others stay as they are."""
    names = [model.partition(":")[0] for model in FIRST]
    with (RESULTS / "knobs.csv").open(newline="") as file:
        others = [r for r in csv.DictReader(file) if r["model"] != model.partition(":")[0]]
    ordered = sorted([*others, *found], key=lambda each: names.index(each["model"]))
    write_csv("knobs", ordered, {})


if __name__ == "__main__":
    main()
