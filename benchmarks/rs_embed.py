"""rsweep against rs-embed's batch path: same arrays, weights and threads, in turn, in one run.

    python benchmarks/rs_embed.py --python /tmp/rsembed/bin/python [--rois 200]

rs-embed wants Python 3.12 and an older timm, so it has an environment of its own, which --python
names:

    python3.12 -m venv /tmp/rsembed
    /tmp/rsembed/bin/pip install torch==2.13.0 torchvision==0.28.0 rs-embed

Scenes are synthetic, without cloud, fetched and composited beforehand; ROIs are 96 px of 10 m that
lie on the pixel grid, so that both are given the same 96 x 96 pixels. Weights are random, in one
file that both load. Both run on one thread; seconds are the best of the repeats of a case, since
others use the machine.

- rs-embed: its public `get_embeddings_batch_from_data`, once per profile, from memory to memory.
- rsweep: `run_job` of the distinct prep, infer and stitch nodes, from the composite's file to the
  embeddings' files, everything between them written, sealed and checked.

Agreement is token by token, over the profiles that are defined alike: grids, and DOFA's own pooled
vector. For that rsweep leaves out the final norm (`final_norm: false`), as rs-embed does. Pooled
vectors of THOR are not compared: rs-embed takes the mean over all tokens, of which four in five are
the 10 m group's; rsweep the mean over the grid, in which groups weigh the same.

Writes benchmarks/results/rs_embed.csv.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the resident worker has it

import numpy as np
import torch
from measure import HERE, STAGES, WINDOW, Chain, facts, in_turn, seconds, write_csv
from models import load_engine
from numpy.typing import NDArray
from pyproj import Transformer

from rsweep.core.files import get_json
from rsweep.core.nodes import Node
from rsweep.core.roi import Roi
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.stages.infer.networks import Networks

THREADS = 1
UTM, EAST_M, NORTH_M = 32632, 480_000, 5_580_000
SIDE_PX, PIXEL_M = 96, 10
APART_M = 1200
DOFA_ROIS = 8
"""What rs-embed takes in one batch; a pass takes a second or so."""
GIVEN = {
    "context_m": 0,
    "input_prep": "resize",
    "final_norm": False,
    "synthetic": {"cloudiness": 0, "revisit_days": 30},
}
GRID = {"mode": "grid"}
WEIGHTS = {"thor": "RS_EMBED_THOR_CKPT", "dofa": "RS_EMBED_DOFA_BASE_WEIGHTS"}
"""Where rs-embed is told of a model's weights."""


@dataclass(frozen=True)
class Profile:
    """One profile in both ways.

    Attributes:
        ours: rsweep's settings.
        output: rs-embed's output.
        environment: what rs-embed reads there.
        alike: True if both define the same embedding.
    """

    ours: Mapping[str, Any]
    output: Mapping[str, Any]
    environment: Mapping[str, str]
    alike: bool = True


@dataclass(frozen=True)
class Case:
    """Profiles of one model, over some ROIs, run a number of times."""

    name: str
    model: Mapping[str, Any]
    profiles: Sequence[Profile]
    rois: int
    repeats: int


def thor_profile(normalization: str, patch: int, output: str) -> Profile:
    """A profile of THOR; `output` is a grid or the pooling of a vector."""
    theirs = {"thor": "thor_stats", "unit": "unit_scale"}[normalization]
    environment = {"RS_EMBED_THOR_PATCH_SIZE": str(patch), "RS_EMBED_THOR_NORMALIZE": theirs}
    ours = {"normalization": normalization, "patch_size": patch}
    if output == "grid":
        return Profile(ours | {"output": "grid"}, GRID, environment)
    return Profile(
        ours | {"pooling": output}, {"mode": "pooled", "pooling": output}, environment, alike=False
    )


def cases(rois: int) -> list[Case]:
    """One profile where both batch, one where rs-embed does not, and a sweep of 24."""
    thor = {"model": "thor", "variant": "tiny", "image_size": SIDE_PX}
    dofa = {"model": "dofa", "variant": "base"}
    pooled = Profile({"pooling": "model"}, {"mode": "pooled"}, {})
    sweep = itertools.product(("thor", "unit"), (8, 12, 16, 24), ("mean", "max", "grid"))
    return [
        Case("DOFA base, pooled", dofa, [pooled], DOFA_ROIS, 3),
        Case("THOR tiny, grid", thor, [thor_profile("thor", 8, "grid")], rois, 3),
        Case("THOR tiny, sweep", thor, [thor_profile(*each) for each in sweep], rois, 1),
    ]


def aligned_squares(count: int) -> tuple[Roi, ...]:
    """ROIs whose squares are whole pixels: their centres lie on multiples of 60 m in UTM."""
    to_lonlat = Transformer.from_crs(UTM, 4326, always_xy=True)
    places = [
        to_lonlat.transform(EAST_M + APART_M * (i % 16), NORTH_M + APART_M * (i // 16))
        for i in range(count)
    ]
    return tuple(
        Roi(
            f"roi-{i:04d}",
            {"type": "point", "lon": lon, "lat": lat, "buffer_m": SIDE_PX * PIXEL_M / 2},
        )
        for i, (lon, lat) in enumerate(places)
    )


class Ours:
    """The nodes of a case's profiles after compositing, each once."""

    def __init__(self, store: Store, case: Case, weights: Path) -> None:
        given = {**GIVEN, **case.model, "weights": str(weights)}
        rois = aligned_squares(case.rois)
        self.chains = [Chain.of(store, rois, **given, **p.ours) for p in case.profiles]
        networks = Networks()
        networks.limit_mb(1 << 20)
        self.jobs = {
            node.key: chain.job(node, networks=networks)
            for chain in self.chains
            for node in chain.node.upstream()
            if node.stage in STAGES[2:]
        }
        for job in self.jobs.values():
            job.threads = THREADS
        self.chains[0].run(*STAGES[:2])

    def run(self) -> tuple[float, float]:
        """Wall and CPU seconds of making everything anew."""
        for job in self.jobs.values():
            job.store.discard(job.node, job.shard.name)
        return seconds(lambda: [run_job(job) for job in self.jobs.values()])

    def arrays(self) -> tuple[list[str], NDArray[np.float32]]:
        """Bands, and the composites [ROI, band, y, x] from which `run` begins."""
        chain = self.chains[0]
        with chain.store.read(chain.at("composite")[0], chain.shard.name) as file:
            count, bands = len(chain.shard.rois), get_json(file, "rois")[0]["bands"]
            frames = np.stack([file[f"{i}/frames"][0] for i in range(count)])
        assert np.isfinite(frames).all(), "rs-embed has no notion of a missing pixel"
        assert frames.shape[2:] == (SIDE_PX, SIDE_PX), frames.shape
        return bands, frames

    def embeddings(self, node: Node) -> NDArray[np.float32]:
        """What a stitch node made: [ROI, D], or [ROI, D, y, x]."""
        chain = self.chains[0]
        with chain.store.read(node, chain.shard.name) as file:
            if node.settings["output"] == "pooled":
                return file["embedding"][()]
            return np.stack([file[f"{i}/grid"][()] for i in range(len(chain.shard.rois))])


class Theirs:
    """rs-embed in a process of its own, which waits while the other works."""

    def __init__(self, python: str) -> None:
        quiet = {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": str(THREADS)}
        # -P: in this folder `rs_embed` is this file.
        self.process = subprocess.Popen(
            [python, "-P", str(HERE / "rs_embed_child.py")],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | quiet,
        )
        self.versions = self._answer()

    def ask(self, request: Mapping[str, Any]) -> tuple[float, float]:
        """Wall and CPU seconds of a request."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self._answer()
        return answer["wall_s"], answer["cpu_s"]

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise SystemExit(f"rs-embed ended with status {self.process.wait()}")
        return dict(json.loads(line))


def save_weights(folder: Path, case: Case) -> Path:
    """A checkpoint of random weights, under the prefix that published ones have."""
    chain = Chain.of(Store(folder), (), **case.model, weights="random")
    network = load_engine(chain.at("infer")[0], chain.options).embedder.network
    path = folder / f"{case.model['model']}.pt"
    torch.save({f"encoder.{name}": value for name, value in network.state_dict().items()}, path)
    return path


def request_of(folder: Path, case: Case, weights: Path, ours: Ours) -> dict[str, Any]:
    """What rs-embed is asked for."""
    bands, arrays = ours.arrays()
    np.save(folder / "arrays.npy", arrays)
    given = {WEIGHTS[case.model["model"]]: str(weights)}
    return {
        "model": case.model["model"],
        "options": {"variant": case.model["variant"]},
        "arrays": str(folder / "arrays.npy"),
        "save": str(folder / "theirs.npz"),
        "bands": bands,
        "window": WINDOW,
        "profiles": [
            {"output": p.output, "environment": given | p.environment} for p in case.profiles
        ],
    }


def agreement(case: Case, ours: Ours, theirs: Mapping[str, Any]) -> dict[str, str]:
    """Least cosine of two vectors, and largest difference as a share of the largest value."""
    cosine, error = 1.0, 0.0
    for index, (profile, chain) in enumerate(zip(case.profiles, ours.chains, strict=True)):
        if not profile.alike:
            continue
        a, b = (
            np.moveaxis(x.astype(np.float64), 1, -1)
            for x in (theirs[str(index)], ours.embeddings(chain.node))
        )
        lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
        cosine = min(cosine, float(((a * b).sum(-1) / lengths).min()))
        error = max(error, float(np.abs(a - b).max() / np.abs(a).max()))
    return {"least_cosine": f"{cosine:.7f}", "largest_relative_error": f"{error:.2g}"}


def compare(folder: Path, case: Case, child: Theirs) -> dict[str, Any]:
    """A row: the best seconds of both, which take turns, and how alike their embeddings are."""
    weights = save_weights(folder, case)
    ours = Ours(Store(folder / f"{case.rois} rois"), case, weights)
    request = request_of(folder, case, weights, ours)
    ways = {"rs-embed": functools.partial(child.ask, request), "rsweep": ours.run}
    best = in_turn(ways, case.repeats)
    count = len(case.profiles) * case.rois
    row = {
        "case": case.name,
        "profiles": len(case.profiles),
        "rois": case.rois,
        "threads": THREADS,
        "repeats": case.repeats,
        "rsweep nodes": len(ours.jobs),
    }
    for way, (wall, cpu) in best.items():
        row |= {
            f"{way} wall_s": round(wall, 2),
            f"{way} cpu_s": round(cpu, 2),
            f"{way} embeddings/s": f"{count / wall:.3g}",
        }
    for name, column in (("wall_ratio", 0), ("cpu_ratio", 1)):
        row[name] = round(best["rs-embed"][column] / best["rsweep"][column], 2)
    return row | agreement(case, ours, np.load(request["save"]))


def each(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row per case."""
    child = Theirs(given.python)
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(given.rois):
            yield compare(Path(folder), case, child) | child.versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", required=True, help="that of an environment with rs-embed")
    parser.add_argument("--rois", type=int, default=200)
    about, found = facts(), []
    for row in each(parser.parse_args()):
        print(row, flush=True)
        found.append(row)
    write_csv("rs_embed", found, about)


if __name__ == "__main__":
    main()
