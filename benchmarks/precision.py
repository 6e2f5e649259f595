"""How far half precision is from fp32, per model, with random weights on synthetic tiles.

    python benchmarks/precision.py [--only MODEL…]

Token by token: the cosine similarity of its vector with that of fp32 (least and mean), and over the
whole map the largest difference as a share of the largest fp32 value. On the CPU, and on a GPU if
there is one (against its own fp32). Trained weights have outliers that random ones lack, so
repeat this for yours. Writes benchmarks/results/precision.csv.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from measure import Chain, facts, write_csv
from models import MODELS, batch_of, load_engine, tiles_of
from torch import Tensor

from rsweep.core.store import Store
from rsweep.stages.infer.engine import choose_device

TILES = 4


def outputs(chain: Chain) -> dict[str, Tensor]:
    """Token maps and vectors of the chain's tiles, as the engine gives them to the store."""
    node = chain.at("infer")[0]
    engine = load_engine(node, chain.options)
    with chain.store.read(node.inputs["tiles"], chain.shard.name) as tiles:
        found = next(iter(engine.run(TILES, lambda span: batch_of(tiles, span))))[1]
    return {**found.maps, **found.vectors}


def compare(reference: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, Any]:
    cosines, error, tokens = [], 0.0, 0
    for name, wanted in reference.items():
        a, b = (t.reshape(-1, t.shape[-1]).double() for t in (wanted, other[name]))
        known = torch.isfinite(a).all(dim=1)
        a, b = a[known], b[known]
        cosines.append(torch.nn.functional.cosine_similarity(a, b))
        error = max(error, float((a - b).abs().max() / a.abs().max()))
        tokens += len(a)
    every = torch.cat(cosines)
    return {
        "tokens": tokens,
        "cosine_min": f"{every.min():.6f}",
        "cosine_mean": f"{every.mean():.6f}",
        "largest_relative_error": f"{error:.2e}",
    }


def rows(store: Store, names: list[str]) -> Iterator[dict[str, Any]]:
    device = choose_device().type
    kinds = ["bf16", "fp16"] if device == "cuda" else ["bf16"]
    for name in names:
        reference = outputs(tiles_of(store, MODELS[name], TILES, precision="fp32"))
        for kind in kinds:
            found = outputs(tiles_of(store, MODELS[name], TILES, precision=kind))
            row = {"model": name, "device": device, "precision": kind}
            yield row | compare(reference, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    names, about, found = parser.parse_args().only, facts(), []
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Store(Path(folder)), names):
            print(row, flush=True)
            found.append(row)
    if names == list(MODELS):
        write_csv("precision", found, about)


if __name__ == "__main__":
    main()
