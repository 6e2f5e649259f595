"""Does a race keep the best profile, and what does it save? Planted effects, many times.

Each replay draws a study as benchmarks/verdict.py does: labels and noise that are alike in space,
profiles of known worth. Its places are cut into shards, in table order as rsweep does, and raced:
the same parts, looks and probes as in a study. What a profile is truly worth is its mean quality
on all places over every fifth replay. Costs are one unit a place for the first profile and rise by
one with each; nothing is shared, so the share of the cost is that of places times units.

    python benchmarks/race.py [REPLAYS] [PROCESSES] [WORLD ...]

writes the rows of these worlds (by number from 0, or all) in benchmarks/results/race.csv.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import sklearn
from measure import RESULTS, facts, write_csv
from verdict import World, noise, places, smooth

from rsweep.core.shards import make_shards
from rsweep.evaluate.design import Design, make_design
from rsweep.evaluate.evaluation import evaluate
from rsweep.evaluate.folds import strata
from rsweep.evaluate.judge import resample
from rsweep.evaluate.race import draw_parts, look_confidence, take_look
from rsweep.plan.evaluation import OPTIONS

MATTERS = 0.05
SHARES = (0.25, 0.5)
CONFIDENCE = 0.95
SHARD = 25
WHOLE = 5
"""One of so many replays is judged on all places too, beside the race."""


@dataclass(frozen=True)
class Race(World):
    """A kind of study to race.

    Attributes:
        sorted: places stand in the table from west to east, so that a shard is a strip.
        extra: dimensions without meaning that each profile has, which more training places undo:
            a profile with many is worse on few places than it is on all.
    """

    sorted: bool = False
    extra: tuple[int, ...] = ()


SPREAD = (0.2, 0.5, 0.8, 1.4, 2.2, 2.2)
WORLD = Race("spread", SPREAD, rois=600, probes=("linear",), shared=0.9)
WORLDS = (
    replace(WORLD, name="spread, table at random"),
    replace(WORLD, name="spread, table from west to east", sorted=True),
    replace(WORLD, name="spread, numbers", task="regression"),
    replace(WORLD, name="equal", strengths=(1.0,) * 6, rois=400),
    replace(
        WORLD,
        name="crossing",
        strengths=(0.2, 0.5, 1.0, 1.4, 1.8, 2.6),
        extra=(0, 0, 0, 64, 96, 128),
    ),
    replace(WORLD, name="spread, three repeats", repeats=3),
)


def draw_study(world: Race, rng: np.random.Generator) -> tuple[Design, np.ndarray, np.ndarray]:
    """The design, the shard of each place, and what profiles are to show [N, 2]."""
    lonlat = rng.uniform(0, 0.9, (world.rois, 2))
    if world.sorted:
        lonlat = lonlat[np.argsort(lonlat[:, 0])]
    hidden = 0.7 * smooth(lonlat, world.range_km, 2, rng) + 0.7 * rng.normal(size=(world.rois, 2))
    angle = np.arctan2(*hidden.T)
    labels = [f"class {int(v)}" for v in (angle + np.pi) // (np.pi / 2 + 1e-9)]
    if world.task == "regression":
        labels = [repr(float(v)) for v in hidden[:, 0]]
    options = {n: k.default for n, k in OPTIONS.items()} | {
        "label": "y",
        "task": world.task,
        "repeats": world.repeats,
        "strength": 10.0,
        "block_km": 2 * world.range_km,
    }
    rois = [replace(roi, id=f"{roi.id}-{rng.integers(1 << 30)}") for roi in places(lonlat, labels)]
    sizes = [len(shard.rois) for shard in make_shards(rois, SHARD)]
    return make_design(rois, options), np.repeat(np.arange(len(sizes)), sizes), hidden


def embed(world: Race, design: Design, hidden: np.ndarray, rng: np.random.Generator) -> list:
    """Vectors of each profile."""
    lonlat = np.array(design.lonlat)
    common, found = noise(lonlat, world, rng), []
    for place, strength in enumerate(world.strengths):
        own = noise(lonlat, world, rng)
        features = np.sqrt(world.shared) * common + np.sqrt(1 - world.shared) * own
        features[:, :2] += strength * hidden
        if world.extra:
            more = rng.normal(size=(len(lonlat), world.extra[place])) * 1.5
            features = np.concatenate([features, more], axis=1)
        found.append(features.astype(np.float32))
    return found


def replay(world: Race, seed: int) -> dict[str, np.ndarray]:
    """One race: when each profile stopped (0: it did not), and qualities with all places."""
    warnings.filterwarnings("ignore")
    sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
    rng = np.random.default_rng([seed, len(world.name)])
    design, shard_of, hidden = draw_study(world, rng)
    embedded = embed(world, design, hidden, rng)
    asked = {"probes": list(world.probes), "strength": 10.0}
    options = {n: k.default for n, k in OPTIONS.items()} | asked
    kinds = [np.asarray(design.blocks), strata(design.targets)]
    parts = draw_parts(shard_of, np.bincount(shard_of), kinds, SHARES)
    stopped, reached = np.zeros(len(embedded), int), [0.0] * len(parts)
    quality = np.full((len(parts) + 1, len(embedded)), np.nan)
    for number, part in enumerate(parts, start=1):
        there = np.isin(shard_of, part)
        reached[number - 1] = there.mean()
        going = np.flatnonzero(stopped == 0)
        seen = {
            str(p): evaluate(np.where(there[:, None], embedded[p], np.nan), design, options)[1]
            for p in going
        }
        look = take_look(seen, design, MATTERS, look_confidence(CONFIDENCE, len(SHARES)))
        quality[number - 1, going] = look.quality
        for one in look.beaten:
            stopped[int(look.names[one.profile])] = number
    if seed % WHOLE == 0:
        whole = {str(p): evaluate(own, design, options)[1] for p, own in enumerate(embedded)}
        found = resample(whole, design)
        assert found is not None
        quality[-1] = found.draws.quality
    return {"stopped": stopped, "reached": np.array([*reached, 1.0]), "quality": quality}


def summary(world: Race, runs: list[dict[str, np.ndarray]]) -> dict[str, object]:
    """How often the best was kept, and what the race took of the full grid's cost."""
    quality = np.array([run["quality"] for run in runs])
    stopped = np.array([run["stopped"] for run in runs])
    reached = np.array([run["reached"] for run in runs])
    whole = np.isfinite(quality[:, -1, 0])
    true = quality[whole, -1].mean(axis=0)
    if len(set(world.strengths)) == 1 and not world.extra:
        true = np.full_like(true, true.mean())
    good = true >= true.max() - MATTERS
    units = np.arange(1, len(true) + 1)
    share = np.take_along_axis(reached, np.where(stopped == 0, reached.shape[1], stopped) - 1, 1)
    cost = (share * units).sum(axis=1) / units.sum()
    early = np.nanmean(quality[:, 0], axis=0)
    kept = stopped[:, true.argmax()] == 0
    top = quality[whole, -1].argmax(axis=1)
    top_kept = stopped[whole][np.arange(len(top)), top] == 0
    return {
        "world": world.name,
        "profiles": len(true),
        "rois": world.rois,
        "replays": len(runs),
        "of these on all places too": int(whole.sum()),
        "matters": MATTERS,
        "confidence": CONFIDENCE,
        "parts": " ".join(f"{value:.2f}" for value in reached.mean(axis=0)[:-1]),
        "true quality": " ".join(f"{value:.3f}" for value in true),
        "quality on the first part": " ".join(f"{value:.3f}" for value in early),
        "the best kept": round(kept.mean(), 4),
        "one within matters kept": round((stopped[:, good] == 0).any(axis=1).mean(), 4),
        "all within matters kept": round((stopped[:, good] == 0).all(axis=1).mean(), 4),
        "the highest score of the full grid kept": round(top_kept.mean(), 4),
        "stopped": round((stopped > 0).mean() * len(true), 2),
        "of worse than matters": int((~good).sum()),
        "share of the full cost": round(cost.mean(), 4),
        "share of places times profiles": round(share.mean(), 4),
        "5 to 95 %": " ".join(f"{v:.2f}" for v in np.quantile(cost, [0.05, 0.95])),
    }


def rows_by_world() -> dict[str, dict[str, object]]:
    """What was measured before."""
    path = RESULTS / "race.csv"
    if not path.exists():
        return {}
    with path.open() as file:
        return {row["world"]: dict(row) for row in csv.DictReader(file)}


def main(replays: int, processes: int, *worlds: int) -> None:
    with ProcessPoolExecutor(processes) as pool:
        for world in [WORLDS[number] for number in worlds] or WORLDS:
            start = time.perf_counter()
            runs = list(pool.map(replay, [world] * replays, range(replays), chunksize=5))
            took = round(time.perf_counter() - start)
            rows = rows_by_world()
            rows[world.name] = {**summary(world, runs), "seconds": took, **facts()}
            write_csv("race", [rows[w.name] for w in WORLDS if w.name in rows], {})


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:]) if len(sys.argv) > 2 else (300, 2)))
