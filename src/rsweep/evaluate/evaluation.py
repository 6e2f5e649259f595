"""A profile's evaluation: out-of-fold predictions of every probe, under a key of its own.

It depends on the profile's embeddings, the study's design and the probes, on no other profile: a
new profile leaves it alone, and another probe reruns it and no stage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsweep.core.canonical import digest
from rsweep.core.errors import RsweepError
from rsweep.core.files import replacing, write_json
from rsweep.evaluate.design import Design
from rsweep.evaluate.measures import (
    Digest,
    Features,
    Traits,
    array_digest,
    digest_of,
    has_vector,
    traits_of,
)
from rsweep.evaluate.metrics import scores
from rsweep.evaluate.tokens import cell_features
from rsweep.plan.evaluation import OPTIONS, PROBING, EvaluateOptions

if TYPE_CHECKING:
    from rsweep.evaluate.probes import Training

VERSION = 1
"""Raised when the same embeddings, design and probes give another evaluation."""
ALL = 0
"""Training labels per class where there is no limit."""

LATER = ("knn_scaled", "linear_scaled", "balanced", "chosen_by", "refit")
"""Options that enter the key only where they are set, so that keys of before are what they were."""

Predictions = dict[tuple[str, int], NDArray[Any]]
"""(probe, training labels per class) -> [repeats, N]; class numbers or values, see `NONE`."""
NONE = {"classification": -1, "regression": np.nan}
"""A prediction that is not there: the ROI is not scored, or has no embedding."""


@dataclass(frozen=True)
class Evaluation:
    """What there is to say of one profile by itself.

    Attributes:
        key: identity of what it was made of.
        scores: probe -> metric -> score of pooled out-of-fold predictions, mean over repeats.
        rois, lost: scored ROIs with and without an embedding.
        traits: measures that need no labels.
        note: why there is no score.
    """

    key: str
    scores: Mapping[str, Mapping[str, float]]
    rois: int
    lost: int
    traits: Traits
    note: str = ""


def features_of(folder: Path, design: Design) -> Features:
    """Vectors [N, D] of the rows of a design that a profile's results hold; NaN if none."""
    if design.cells:
        return cell_features(folder, design.cells)
    return read_features(folder / "embeddings.parquet", design)


def read_features(path: Path, design: Design) -> Features:
    """Vectors [N, D] of a profile's embeddings.parquet in the order of the design; NaN if none.

    Raises:
        RsweepError: the file holds other ROIs than the design.
    """
    table = pq.read_table(path, columns=["id", "embedding"])
    if table["id"].to_pylist() != list(design.ids):
        raise RsweepError(f"{path} holds other ROIs than the study's design; run the study again")
    vectors = table["embedding"].combine_chunks()
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(table.num_rows, -1), np.float32)


def evaluation_key(features: Features, design: Design, options: EvaluateOptions) -> str:
    """Identity of an evaluation: the vectors' bytes, the design, what the probes are."""
    named: Mapping[str, object] = options
    read = {
        name: named[name]
        for name in PROBING
        if name not in LATER or named[name] != OPTIONS[name].default
    }
    parts = {
        "version": VERSION,
        "array": array_digest(features),
        "shape": list(features.shape),
        "design": design.digest,
        "options": read,
    }
    return digest(parts)[:16]


def evaluate(
    features: Features, design: Design, options: EvaluateOptions
) -> tuple[Evaluation, Predictions]:
    """Train and score every probe of every fold; a ROI without an embedding is in none."""
    there = has_vector(features)
    key, traits = evaluation_key(features, design, options), traits_of(features, design)
    scored = np.any([np.asarray(folds) >= 0 for folds in design.folds], axis=0)
    counts = (int((scored & there).sum()), int((scored & ~there).sum()))
    if len(np.unique(design.targets[scored & there])) < 2:
        note = (
            f"{counts[0]} of {sum(counts)} {design.unit} have an embedding, with fewer than "
            f"two labels"
        )
        return Evaluation(key, {}, *counts, traits, note), {}
    found = _predict_all(features, there, design, options)
    return Evaluation(key, score_all(found, design), *counts, traits), found


def _predict_all(
    features: Features, there: NDArray[np.bool_], design: Design, options: EvaluateOptions
) -> Predictions:
    from rsweep.evaluate.probes import predict  # scikit-learn, which reading one does not need

    limits, probes = [ALL, *(options["labels_per_class"] or ())], options["probes"]
    found = {(p, n): _nothing(design) for p in probes for n in limits}
    for repeat, fold, limit, train in trainings(design, limits):
        train, test = train[there[train]], design.test(repeat, fold)
        test = test[there[test]]
        if not len(train) or not len(test):
            continue
        training = _training(features, train, design)
        for probe in probes:
            guess = predict(probe, design.task, training, features[test], options)
            found[probe, limit][repeat, test] = encode(guess, design)
    return found


def _nothing(design: Design) -> NDArray[Any]:
    dtype = np.int16 if design.task == "classification" else np.float64
    return np.full((len(design.folds), len(design.ids)), NONE[design.task], dtype)


def trainings(design: Design, limits: Sequence[int]) -> Iterator[tuple[int, int, int, Any]]:
    """Repeat, fold, training labels per class, and the ROIs to train on.

    Fewer labels are the first of one order of the ROIs, so that each sample holds the smaller ones
    and all profiles learn from the same.
    """
    for repeat in range(len(design.folds)):
        for fold in design.fold_names(repeat):
            train = design.train(repeat, fold)
            order = np.random.default_rng([repeat, fold]).permutation(len(design.ids))
            for limit in limits:
                yield repeat, fold, limit, _first_of_classes(train, order, limit, design)


def _first_of_classes(
    train: NDArray[np.intp], order: NDArray[np.intp], limit: int, design: Design
) -> NDArray[np.intp]:
    if limit == ALL:
        return train
    chosen = order[np.isin(order, train)]
    kept = [chosen[design.targets[chosen] == name][:limit] for name in design.classes]
    return np.sort(np.concatenate(kept))


def _training(features: Features, rows: NDArray[np.intp], design: Design) -> Training:
    from rsweep.evaluate.probes import Training

    validation = np.isin(np.asarray(design.ids)[rows], design.validation)
    return Training(
        features[rows], design.targets[rows], np.asarray(design.blocks)[rows], validation
    )


def encode(labels: NDArray[Any], design: Design) -> NDArray[Any]:
    """Labels as numbers: the place of each class in `design.classes`, or the numbers themselves."""
    if design.task == "regression":
        return labels.astype(np.float64)
    return np.searchsorted(np.array(design.classes), labels).astype(np.int16)


def score_all(found: Predictions, design: Design) -> dict[str, dict[str, float]]:
    """Probe -> metric -> score with all training labels."""
    truth = encode(design.targets, design)
    return {
        probe: mean_scores(design.task, truth, guess)
        for (probe, limit), guess in found.items()
        if limit == ALL
    }


def mean_scores(task: str, truth: NDArray[Any], guess: NDArray[Any]) -> dict[str, float]:
    """Metric -> score of each repeat's predictions [repeats, N], averaged; NONE is left out."""
    by_repeat = []
    for row in guess:
        known = row >= 0 if task == "classification" else np.isfinite(row)
        by_repeat.append(scores(task, truth[known], row[known]))
    return {name: float(np.mean([found[name] for found in by_repeat])) for name in by_repeat[0]}


def write_evaluation(
    folder: Path, evaluation: Evaluation, found: Predictions, digest: Digest, design: Design
) -> None:
    """Write predictions.parquet, digest.npz, then evaluation.json, whose key says all are whole."""
    with replacing(folder / "predictions.parquet") as temporary:
        pq.write_table(_table(found, design), temporary, compression="zstd")
    with replacing(folder / "digest.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, sketch=digest.sketch, rois=digest.rois, gram=digest.gram)
    write_json(folder / "evaluation.json", asdict(evaluation))


def read_digest(folder: Path) -> Digest:
    """The digest that `write_evaluation` wrote."""
    with np.load(folder / "digest.npz") as held:
        return Digest(held["sketch"], held["rois"], held["gram"])


def _table(found: Predictions, design: Design) -> pa.Table:
    """A row per scored row, repeat, probe and number of training labels per class (null: all)."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for (probe, limit), guess in found.items():
        for repeat, row in enumerate(guess):
            rows = np.flatnonzero(row >= 0 if design.task == "classification" else np.isfinite(row))
            columns["roi"].append(rows)
            columns["repeat"].append(np.full(len(rows), repeat))
            columns["probe"].append(np.full(len(rows), probe))
            columns["labels_per_class"].append(np.full(len(rows), limit))
            columns["prediction"].append(row[rows])
    if not found:
        return pa.table({name: pa.array([]) for name in COLUMNS})
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    rois, names = np.asarray(design.rois), np.asarray(design.classes)
    truth, guess = design.targets[joined["roi"]], joined["prediction"]
    limits = joined["labels_per_class"]
    return pa.table(
        {
            "roi": pa.array(rois[joined["roi"]]).dictionary_encode(),
            **_centres(design, joined["roi"]),
            "repeat": pa.array(joined["repeat"], pa.int32()),
            "probe": pa.array(joined["probe"]).dictionary_encode(),
            "labels_per_class": pa.array(limits, pa.int32(), mask=limits == ALL),
            "truth": pa.array(truth),
            "prediction": pa.array(guess if design.task == "regression" else names[guess]),
        }
    )


COLUMNS = ("roi", "repeat", "probe", "labels_per_class", "prediction")


def _centres(design: Design, rows: NDArray[np.intp]) -> dict[str, pa.Array]:
    """Where labelled cells lie in the UTM zone of their ROI; nothing of rows that are ROIs."""
    if design.cells is None:
        return {}
    x, y = np.asarray(design.cells.centres, np.float64)[rows].T
    return {"x": pa.array(x), "y": pa.array(y)}


def _names(table: pa.Table, design: Design) -> list[str]:
    """The row of the design that each row of a table of predictions is about."""
    rois = table["roi"].to_pylist()
    if design.cells is None:
        return [str(roi) for roi in rois]
    places = zip(table["x"].to_pylist(), table["y"].to_pylist(), strict=True)
    return replace(design.cells, rois=rois, centres=[*places]).ids()


def read_predictions(folder: Path, design: Design) -> Predictions:
    """The predictions that `write_evaluation` wrote."""
    table = pq.read_table(folder / "predictions.parquet")
    if not table.num_rows:
        return {}
    place = {roi: i for i, roi in enumerate(design.ids)}
    roi = np.array([place[name] for name in _names(table, design)])
    repeat = table["repeat"].to_numpy()
    limits = table["labels_per_class"].fill_null(ALL).to_numpy()
    probe = np.asarray(table["probe"].to_pylist())
    guess = encode(np.asarray(table["prediction"].to_pylist()), design)
    found: Predictions = {}
    for name in dict.fromkeys(probe.tolist()):
        for limit in np.unique(limits):
            rows = (probe == name) & (limits == limit)
            whole = _nothing(design)
            whole[repeat[rows], roi[rows]] = guess[rows]
            found[name, int(limit)] = whole
    return found


def read_evaluation(folder: Path) -> Evaluation | None:
    """The evaluation that `write_evaluation` wrote, or None."""
    try:
        data = json.loads((folder / "evaluation.json").read_text())
    except (OSError, ValueError):
        return None
    return Evaluation(**{**data, "traits": Traits(**data["traits"])})


def evaluate_profile(folder: Path, design: Design, options: EvaluateOptions) -> Evaluation:
    """Evaluate the profile whose results are in `folder`, unless that was done before."""
    return evaluate_vectors(features_of(folder, design), folder, design, options)


def evaluate_vectors(
    features: Features, folder: Path, design: Design, options: EvaluateOptions
) -> Evaluation:
    """Evaluate vectors [N, D] in the order of the design into a folder that may hold it already."""
    held = read_evaluation(folder)
    if held and held.key == evaluation_key(features, design, options) and _whole(folder):
        return held
    evaluation, found = evaluate(features, design, options)
    write_evaluation(folder, evaluation, found, digest_of(features), design)
    return evaluation


def _whole(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("predictions.parquet", "digest.npz"))
