"""Everything that needs a GPU, in one command and under ten minutes on one.

    python benchmarks/gpu.py [--minutes 9] [--rs-embed /tmp/rsembed/bin/python]
    python benchmarks/gpu.py --device cpu --quick --to FOLDER     # the same code, without a GPU

Parts, each with a CSV in benchmarks/results/ as soon as it is done; a part begins no new row when
its share of the time has passed:

- gpu_tests.csv: the tests that are marked `gpu`;
- gpu_engine.csv: per model, in fp32, bf16 and compiled: the bare network, the infer stage from HDF5
  to HDF5, and one ROI at a time (`engine.py`), and watt-hours per 1,000 tiles as NVML counts them;
- gpu_mfu.csv: operations of ViT-B and ViT-L per second, as a share of what the data sheet of the
  GPU says and of what a large product of matrices reaches here;
- gpu_packs.csv: cells of a network by one worker, as in a pack, and in a process each
  (`startup.py`);
- gpu_rs_embed.csv: `rs_embed.py`, where an environment with rs-embed is named.

It has not been run on a GPU yet.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import measure
from measure import HERE, ROOT, facts, write_csv

WAYS = (("fp32", False), ("bf16", False), ("bf16", True))
VITS = {"ViT-B/16": "timm:vit_base_patch16_224", "ViT-L/16": "timm:vit_large_patch16_224"}
QUICK = ("galileo nano",)
QUICK_VITS = {"ViT-Ti/16": "timm:vit_tiny_patch16_224"}
SHARES = {"engine": 0.55, "mfu": 0.15, "packs": 0.15, "rs_embed": 0.1}
"""Of the minutes; tests take what they take."""
PEAK_TFLOPS = {
    "H100 PCIe": {"fp32": 51.0, "bf16": 756.0},
    "H100": {"fp32": 67.0, "bf16": 989.0},
    "H200": {"fp32": 67.0, "bf16": 989.0},
    "A100": {"fp32": 19.5, "bf16": 312.0},
    "L40S": {"fp32": 91.6, "bf16": 362.0},
    "L4": {"fp32": 30.3, "bf16": 121.0},
    "A10": {"fp32": 31.2, "bf16": 125.0},
}
"""Part of a GPU's name -> dense 1e12 operations per second without TF32, of NVIDIA's data sheets;
the first that fits counts."""


@dataclass(frozen=True)
class Plan:
    """What of it to run.

    Attributes:
        quick: one small model and as few turns and tiles as there can be.
        seconds: for all parts.
        rs_embed: a Python with rs-embed, or nothing.
        folder: for temporary files.
    """

    quick: bool
    seconds: float
    rs_embed: str
    folder: Path


Rows = Iterator[dict[str, Any]]


def tests(plan: Plan) -> Rows:
    """The tests that need a CUDA device; without one each is skipped, which the row tells."""
    file = "tests/unit/stages/infer/test_cuda.py"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    yield {"tests": done.stdout.strip().splitlines()[-1], "exit": done.returncode}


def engine(plan: Plan) -> Rows:
    """The engine against the bare network, by model and precision."""
    import engine as bench

    bench.infer.tune_batch_size = lambda *_: None
    bench.REPEATS, bench.WANTED_S = (1, 0.01) if plan.quick else (3, 1.0)
    for precision, compiled in WAYS[:1] if plan.quick else WAYS:
        for name in QUICK if plan.quick else bench.MODELS:
            given = SimpleNamespace(precision=precision, compile=compiled, threads=os.cpu_count())
            with tempfile.TemporaryDirectory(dir=plan.folder) as folder:
                yield bench.measured(Path(folder), name, given)


def mfu(plan: Plan) -> Rows:
    """Model FLOP utilisation: what a ViT computes, over what the device could."""
    from rsweep.stages.infer.engine import DTYPES, choose_device

    device = choose_device()
    for name, model in (QUICK_VITS if plan.quick else VITS).items():
        operations = operations_of(model, device, plan)
        for precision, compiled in WAYS[:1] if plan.quick else WAYS:
            engine, batch = vit(model, precision, compiled, device, plan)
            spent = best_seconds(engine, batch, 2 if plan.quick else 5)
            matrix = matrix_tflops(device, DTYPES[precision], 256 if plan.quick else 8192)
            rate, sheet = operations * engine.batch / spent / 1e12, sheet_tflops(precision)
            yield {
                "model": name,
                "precision": precision,
                "compiled": compiled,
                "device": device_name(device),
                "batch": engine.batch,
                "tiles/s": f"{engine.batch / spent:.4g}",
                "tflop/s": f"{rate:.4g}",
                "mfu_of_data_sheet": f"{rate / sheet:.3f}" if sheet else None,
                "mfu_of_matrix_product": f"{rate / matrix:.3f}",
            }


def operations_of(model: str, device: Any, plan: Plan) -> float:
    """Operations of a tile, counted in a network that is not compiled: two per multiply-add."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    engine, batch = vit(model, "fp32", False, device, plan)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        engine.embedder.embed(batch)
    return counter.get_total_flops() / engine.batch


def vit(model: str, precision: str, compiled: bool, device: Any, plan: Plan) -> tuple[Any, Any]:
    """A ViT's engine, and a batch on the device."""
    import torch
    from models import batch_of, load_engine, tiles_of

    from rsweep.core.store import Store
    from rsweep.stages.infer.engine import over

    own = {"model": model, "weights": "random", "precision": precision, "compile": compiled}
    chain = tiles_of(Store(plan.folder / "vit"), own, 2)
    node = chain.at("infer")[0]
    found = load_engine(node, chain.options)
    found.batch = 2 if plan.quick else found.batch
    with chain.store.read(node.inputs["tiles"], chain.shard.name) as tiles:
        batch = batch_of(tiles, range(2))
    rows = torch.arange(found.batch) % 2
    return found, over(batch, lambda tensor: tensor[rows]).to(device)


def best_seconds(engine: Any, batch: Any, turns: int) -> float:
    """Of a forward pass of the bare network, after one that is no measure."""
    from engine import bare
    from measure import seconds

    bare(engine, batch, 1)
    return min(seconds(bare, engine, batch, 1)[0] for _ in range(turns))


def matrix_tflops(device: Any, dtype: Any, side: int) -> float:
    """1e12 operations per second of a product of two square matrices, the best of a few."""
    import torch

    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    took = []
    for _ in range(6):
        wait(device)
        began = time.perf_counter()
        a @ b
        wait(device)
        took.append(time.perf_counter() - began)
    return float(2 * side**3 / min(took) / 1e12)


def wait(device: Any) -> None:
    """Until a GPU has done what it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: Any) -> str:
    """A GPU's product name, or `cpu`."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def sheet_tflops(precision: str) -> float | None:
    """What the device's data sheet says, if it is known."""
    import torch

    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((peak[precision] for part, peak in PEAK_TFLOPS.items() if part in name), None)


def packs(plan: Plan) -> Rows:
    """Cells of one network by one worker, and in a process each."""
    import startup

    names, cells = (["rcf"], 2) if plan.quick else (["thor tiny", "dofa base"], 10)
    yield from startup.measured(names, cells, plan.folder)


def rs_embed(plan: Plan) -> Rows:
    """rs-embed beside rsweep, where it is there."""
    if not plan.rs_embed:
        yield {"case": "no environment with rs-embed was named (--rs-embed)"}
        return
    import rs_embed as bench

    yield from bench.each(argparse.Namespace(python=plan.rs_embed, rois=40))


PARTS: dict[str, Callable[[Plan], Rows]] = {
    "tests": tests,
    "engine": engine,
    "mfu": mfu,
    "packs": packs,
    "rs_embed": rs_embed,
}


def run_part(name: str, plan: Plan) -> list[dict[str, Any]]:
    """Rows of a part, until its share of the time has passed."""
    began, found = time.monotonic(), []
    for row in PARTS[name](plan):
        print(name, row, flush=True)
        found.append(row)
        if time.monotonic() - began > SHARES.get(name, 1.0) * plan.seconds:
            print(f"{name}: its time has passed", flush=True)
            break
    return found


def parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it runs")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--rs-embed", default="", metavar="PYTHON")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--to", type=Path, default=HERE / "results", metavar="FOLDER")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    given = parse(words)
    if given.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as a worker has it
    import torch

    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device; --device cpu --quick runs the same code")
    measure.RESULTS = given.to
    about = facts()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(given.quick, given.minutes * 60, given.rs_embed, Path(folder))
        for name in given.parts:
            write_csv(f"gpu_{name}", run_part(name, plan), about)


if __name__ == "__main__":
    main()
