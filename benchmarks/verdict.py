"""Is the verdict right as often as it says? Planted effects in invented embeddings, many times.

Each replay draws labels and noise that are alike in space, embeds them in six profiles of known
worth, and lets rsweep evaluate and compare them as it does in a study: same folds, same probes,
same bootstrap. What a profile is truly worth is its mean quality over all replays. Beside it
stands the rule that rsweep had before: mean over folds, tied if within two standard errors of
the best.

    python benchmarks/verdict.py [REPLAYS] [PROCESSES] [WORLD ...]

writes benchmarks/results/verdict.csv, in which worlds that were not asked for stay as they are;
`python benchmarks/verdict.py large` times 500 profiles of 2,000 ROIs, in
benchmarks/results/verdict_large.csv.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from measure import RESULTS, facts, write_csv

from rsweep.core.roi import Roi
from rsweep.evaluate.design import Design, make_design
from rsweep.evaluate.evaluation import evaluate
from rsweep.evaluate.judge import compare_profiles
from rsweep.plan.evaluation import OPTIONS

MATTERS = 0.05
DIMS = 8


@dataclass(frozen=True)
class World:
    """A kind of study.

    Attributes:
        name: what it is called.
        strengths: how strongly each profile shows the labels; its cost rises in this order.
        rois, cv, task, repeats, probes: as in a study.
        range_km: distance over which labels and noise are alike, in a square of 100 km.
        shared: share of the noise that all profiles have in common.
    """

    name: str
    strengths: tuple[float, ...]
    rois: int = 400
    probes: tuple[str, ...] = ("knn",)
    cv: str = "spatial"
    task: str = "classification"
    repeats: int = 1
    range_km: float = 5.0
    shared: float = 0.8


EQUAL, RISING = (1.0,) * 6, (0.4, 0.8, 1.2, 1.3, 1.3, 1.3)
WORLDS = (
    World("equal", EQUAL),
    World("rising, much alike", RISING, rois=600, probes=("linear",), shared=0.97),
    World("rising, numbers", RISING, task="regression", probes=("linear",)),
    World("rising", RISING),
    World("equal, folds at random", EQUAL, cv="random"),
)


def smooth(lonlat: np.ndarray, range_km: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Fields [N, count] of mean 0 and variance 1, alike up to about `range_km`."""
    waves = rng.normal(0, 1 / range_km, (2, 200, count)) / 0.6
    phase = rng.uniform(0, 2 * np.pi, (200, count))
    km = (lonlat - lonlat.mean(axis=0)) * 111.2
    angle = np.einsum("nd,dwc->nwc", km, waves) + phase
    return np.sqrt(2 / 200) * np.cos(angle).sum(axis=1)


def noise(lonlat: np.ndarray, world: World, rng: np.random.Generator) -> np.ndarray:
    """Features without meaning, half of their variance alike in space."""
    alike = smooth(lonlat, world.range_km, DIMS, rng)
    return np.sqrt(0.5) * alike + np.sqrt(0.5) * rng.normal(size=alike.shape)


def places(lonlat: np.ndarray, labels: list[str]) -> list[Roi]:
    """A ROI table."""
    return [
        Roi(
            f"r{i}",
            {"type": "point", "lon": lon, "lat": lat, "buffer_m": 50},
            None,
            None,
            {"y": label},
        )
        for i, ((lon, lat), label) in enumerate(zip(lonlat.tolist(), labels, strict=True))
    ]


def replay(world: World, seed: int) -> dict[str, np.ndarray | int | float]:
    """One study: qualities, intervals and decisions of its profiles."""
    warnings.filterwarnings("ignore")
    sklearn.set_config(assume_finite=True, skip_parameter_validation=True)  # half of the time
    rng = np.random.default_rng([seed, len(world.name)])
    lonlat = rng.uniform(0, 0.9, (world.rois, 2))
    hidden = 0.7 * smooth(lonlat, world.range_km, 2, rng) + 0.7 * rng.normal(size=(world.rois, 2))
    angle = np.arctan2(*hidden.T)
    labels = [f"class {int(v)}" for v in (angle + np.pi) // (np.pi / 2 + 1e-9)]
    if world.task == "regression":
        labels = [repr(float(v)) for v in hidden[:, 0]]
    options = {n: k.default for n, k in OPTIONS.items()} | {
        "label": "y",
        "task": world.task,
        "cv": world.cv,
        "repeats": world.repeats,
        "probes": list(world.probes),
        "strength": 10.0,
        "block_km": 2 * world.range_km,
    }
    design = make_design(places(lonlat, labels), options)
    predictions, naive = {}, []
    common = noise(lonlat, world, rng)
    for place, strength in enumerate(world.strengths):
        own = noise(lonlat, world, rng)
        features = np.sqrt(world.shared) * common + np.sqrt(1 - world.shared) * own
        features[:, :2] += strength * hidden
        _, found = evaluate(features.astype(np.float32), design, options)
        predictions[f"p{place}"] = found
        naive.append(by_fold(found, design))
    costs = {name: 1.0 + i for i, name in enumerate(predictions)}
    compared = compare_profiles(predictions, design, costs, MATTERS)
    assert compared is not None
    means, spreads = np.array(naive).T
    top = int(means.argmax())
    apart = means[top] - means > 2 * np.sqrt((spreads**2 + spreads[top] ** 2) / 5)
    chosen = compared.decision.recommended
    return {
        "quality": compared.draws.quality,
        "low": compared.pairs.low,
        "high": compared.pairs.high,
        "recommended": -1 if chosen is None else chosen,
        "apart": apart,
        "top": top,
        "cheapest tied": int(np.flatnonzero(~apart)[0]),
        "more": compared.decision.more or np.nan,
        "critical": compared.pairs.critical,
    }


def by_fold(found: dict, design: Design) -> tuple[float, float]:
    """Mean and deviation over folds of the probes' mean score, as the earlier rule had it."""
    truth = np.searchsorted(design.classes, design.targets) if design.classes else design.targets
    values = []
    for fold in design.fold_names(0):
        test = design.test(0, fold)
        each = [by_hand(design.task, truth[test], guess[0, test]) for guess in found.values()]
        values.append(np.mean(each))
    return float(np.mean(values)), float(np.std(values, ddof=1))


def by_hand(task: str, truth: np.ndarray, guess: np.ndarray) -> float:
    """Balanced accuracy or R2 of one fold."""
    if task == "regression":
        return 1 - float(((truth - guess) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
    return float(np.mean([(guess[truth == name] == name).mean() for name in np.unique(truth)]))


def summary(world: World, runs: list[dict]) -> dict[str, object]:
    """Shares of replays in which what was said was so."""
    quality = np.array([run["quality"] for run in runs])
    true = quality.mean(axis=0)
    error = quality.std(axis=0).max() / np.sqrt(len(runs))
    gap = true[:, None] - true[None]
    if len(set(world.strengths)) == 1:
        gap, true = np.zeros_like(gap), np.full_like(true, true.mean())
    low, high = np.array([r["low"] for r in runs]), np.array([r["high"] for r in runs])
    off = ~np.eye(len(true), dtype=bool)
    false_better = ((low > 0) & (gap <= 0) & off).any(axis=(1, 2))
    covered = ((low <= gap) & (gap <= high) | ~off).all(axis=(1, 2))
    chosen = np.array([r["recommended"] for r in runs])
    decided = chosen >= 0
    good = true.max() - true[chosen] <= MATTERS
    naive = np.array([r["cheapest tied"] for r in runs])
    naive_better = np.array([(r["apart"] & (true >= true[r["top"]])).any() for r in runs])
    more = np.array([r["more"] for r in runs])
    return {
        "world": world.name,
        "profiles": len(true),
        "rois": world.rois,
        "replays": len(runs),
        "best": round(true.max(), 4),
        "cheapest": round(true[0], 4),
        "error of these": round(error, 5),
        "matters": MATTERS,
        "falsely better": round(false_better.mean(), 4),
        "all intervals cover": round(covered.mean(), 4),
        "decided": round(decided.mean(), 4),
        "recommended is within matters": round(good[decided].mean(), 4) if decided.any() else "",
        "median ROIs to decide": int(np.nanmedian(more) * world.rois) if (~decided).any() else "",
        "old rule: falsely better": round(naive_better.mean(), 4),
        "old rule: recommended is within matters": round(
            (true.max() - true[naive] <= MATTERS).mean(), 4
        ),
    }


def main(replays: int, processes: int, chosen: Sequence[str]) -> None:
    unknown = set(chosen) - {world.name for world in WORLDS}
    if unknown:
        raise SystemExit(f"no world is called {', '.join(unknown)}")
    with ProcessPoolExecutor(processes) as pool:
        for world in WORLDS:
            if chosen and world.name not in chosen:
                continue
            start = time.perf_counter()
            runs = list(pool.map(replay, [world] * replays, range(replays), chunksize=5))
            row = {**summary(world, runs), "seconds": round(time.perf_counter() - start), **facts()}
            write_csv("verdict", [*(r for r in measured() if r["world"] != world.name), row], {})


def measured() -> list[dict[str, Any]]:
    """The rows of the CSV file as it is."""
    path = RESULTS / "verdict.csv"
    return list(csv.DictReader(path.open())) if path.exists() else []


PROFILES, ROIS, DIMENSIONS = 500, 2000, 768


def large_world() -> tuple[Design, np.ndarray, dict[str, Any]]:
    """The design of a large study, what all profiles show of the classes, and the options."""
    rng = np.random.default_rng(0)
    lonlat = rng.uniform(0, 3, (ROIS, 2))
    classes = rng.integers(0, 6, ROIS)
    options = {n: k.default for n, k in OPTIONS.items()} | {"label": "y", "block_km": 20.0}
    design = make_design(places(lonlat, [f"class {c}" for c in classes]), options)
    return design, rng.normal(size=(6, DIMENSIONS))[classes] * 0.15, options


def large_profile(number: int) -> tuple[dict, float]:
    """The predictions of one profile of a large study, and the CPU seconds that they took."""
    design, common, options = large_world()
    start = time.process_time()
    noise = np.random.default_rng([1, number]).normal(size=common.shape)
    found = evaluate((common + noise).astype(np.float32), design, options)[1]
    return found, time.process_time() - start


def large(processes: int = 2) -> None:
    """Seconds of a large study: every profile evaluated, all of them compared."""
    wall = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        runs = list(pool.map(large_profile, range(PROFILES), chunksize=5))
    evaluating = time.perf_counter() - wall
    found = {f"p{number}": predictions for number, (predictions, _) in enumerate(runs)}
    design, _, options = large_world()
    start = time.perf_counter(), time.process_time()
    compare_profiles(found, design, dict.fromkeys(found, 1.0), MATTERS)
    comparing = time.perf_counter() - start[0], time.process_time() - start[1]
    row = {
        "profiles": PROFILES,
        "rois": ROIS,
        "dims": DIMENSIONS,
        "probes": "knn, linear",
        "repeats": options["repeats"],
        "processes": processes,
        "CPU s to evaluate": round(sum(cpu for _, cpu in runs)),
        "CPU s to compare": round(comparing[1], 1),
        "min by the clock": round((evaluating + comparing[0]) / 60, 1),
    }
    write_csv("verdict_large", [row], facts())


if __name__ == "__main__":
    if sys.argv[1:] == ["large"]:
        large()
    else:
        counts = [int(word) for word in sys.argv[1:3]]
        main(*(counts if len(counts) == 2 else (1000, 2)), sys.argv[3:])
