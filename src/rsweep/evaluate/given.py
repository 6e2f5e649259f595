"""Embeddings that others computed, judged on a study's design beside its own profiles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsweep.core.errors import RsweepError
from rsweep.evaluate.design import Design, read_design
from rsweep.evaluate.evaluation import Evaluation, Predictions, evaluate, read_predictions
from rsweep.evaluate.judge import Compared, compare_profiles
from rsweep.evaluate.measures import Features
from rsweep.evaluate.verdict import Interval, read_verdict

NUMBERED = re.compile(r"([A-Za-z_]*?)(\d+)")
"""A column that is one dimension: A00 … A63, dim_0 …"""


@dataclass(frozen=True)
class Given:
    """One set of embeddings in the comparison, a profile's or somebody else's.

    Attributes:
        name: of the profile, or as it was given.
        own: True of the study's profiles.
        quality: None where it has too few of the ROIs to be compared.
        behind: quality of the study's best profile minus its own, simultaneous 95 % interval.
        rois, lost: labelled ROIs with and without an embedding; None of profiles.
    """

    name: str
    own: bool
    quality: Interval | None
    behind: Interval | None
    rois: int | None = None
    lost: int | None = None


def read_given(path: Path, design: Design) -> Features:
    """Vectors [N, D] in the order of the design, matched by ROI id; NaN where there is none.

    Parquet and GeoParquet have a column `id` and either a column of lists or one column per
    dimension (A00 … A63); NPZ has arrays `id` and `embedding`.

    Raises:
        RsweepError: the file has no such columns, an id twice, or no ROI of the study.
    """
    if not path.is_file():
        raise RsweepError(f"{path} is not there")
    reader = {".npz": _read_npz, ".parquet": _read_parquet, ".geoparquet": _read_parquet}
    if path.suffix not in reader:
        raise RsweepError(f"{path}: expected a file that ends in {', '.join(reader)}")
    ids, vectors = reader[path.suffix](path)
    return _matched(ids, vectors, design, path)


def _matched(ids: Sequence[str], vectors: NDArray[Any], design: Design, path: Path) -> Features:
    place = {name: row for row, name in enumerate(ids)}
    if len(place) != len(ids):
        twice = next(name for row, name in enumerate(ids) if place[name] != row)
        raise RsweepError(f"{path} has id {twice!r} twice")
    rows = [place.get(name, -1) for name in design.rois]
    if max(rows, default=-1) < 0:
        raise RsweepError(f"{path} has no ROI of the study: its first id is {ids[0]!r}, the "
                          f"study's is {design.rois[0]!r}")  # fmt: skip
    padded = np.concatenate([vectors, np.full((1, vectors.shape[1]), np.nan)])
    return np.asarray(padded[rows], np.float32)


def _read_npz(path: Path) -> tuple[list[str], NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            ids, vectors = file["id"], file["embedding"]
    except (KeyError, ValueError) as error:
        raise RsweepError(f"{path}: expected arrays id and embedding: {error}") from None
    if vectors.ndim != 2 or len(ids) != len(vectors) or not len(ids):
        raise RsweepError(f"{path}: id has shape {ids.shape} and embedding {vectors.shape}; "
                          f"expected [N] and [N, D]")  # fmt: skip
    return [str(name) for name in ids], vectors


def _read_parquet(path: Path) -> tuple[list[str], NDArray[Any]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise RsweepError(f"{path} cannot be read: {error}") from None
    if "id" not in table.column_names or not table.num_rows:
        raise RsweepError(f"{path}: expected rows with a column id; it has "
                          f"{', '.join(table.column_names)}")  # fmt: skip
    ids = [str(name) for name in table["id"].to_pylist()]
    lists = [field.name for field in table.schema if _is_vector(field.type)]
    if len(lists) == 1:
        rows = table[lists[0]].to_pylist()
        width = max((len(row) for row in rows if row), default=0)
        if any(row and len(row) != width for row in rows):
            raise RsweepError(f"{path}: {lists[0]} holds lists of different lengths")
        return ids, np.array([row or [np.nan] * width for row in rows], np.float64)
    return ids, _dimensions(table, lists, path)


def _is_vector(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and (pa.types.is_floating(kind.value_type)
                           or pa.types.is_integer(kind.value_type)))  # fmt: skip


def _dimensions(table: pa.Table, lists: Sequence[str], path: Path) -> NDArray[Any]:
    """Columns of one name with a number behind it, in the order of the numbers."""
    found: dict[str, dict[int, str]] = {}
    for name in table.column_names if not lists else ():
        match = NUMBERED.fullmatch(name)
        if match and pa.types.is_floating(table.schema.field(name).type):
            found.setdefault(match[1], {})[int(match[2])] = name
    if len(found) != 1:
        raise RsweepError(f"{path}: expected one column of lists of numbers, or columns such as "
                          f"A00, A01, …; it has {', '.join(table.column_names)}")  # fmt: skip
    (columns,) = found.values()
    return np.stack([table[columns[n]].to_numpy() for n in sorted(columns)], axis=1)


def compare_given(
    results: Path, options: Mapping[str, Any], files: Mapping[str, Path]
) -> list[Given]:
    """Embeddings of others beside a study's profiles, best first, by the study's own evaluation.

    Same labels, folds, probes and intervals; what they cost is not known and is not compared.

    Args:
        results: a folder of results that has a verdict.
        options: the study's `evaluate` section with its defaults.
        files: name -> file; see `read_given`.

    Raises:
        RsweepError: the study was not evaluated, or a file does not fit; names it.
    """
    design, predictions = _own_predictions(results)
    taken = sorted(set(files) & set(predictions))
    if taken:
        raise RsweepError(f"{taken[0]} is a profile of the study; give the file another name")
    own = list(predictions)
    evaluations: dict[str, Evaluation] = {}
    for name, path in files.items():
        evaluations[name], predictions[name] = evaluate(read_given(path, design), design, options)
    unknown = dict.fromkeys(predictions, 0.0)
    compared = compare_profiles(predictions, design, unknown, options["matters"])
    found = [_given(name, own, compared, evaluations.get(name)) for name in predictions]
    return sorted(found, key=lambda each: -each.quality.value if each.quality else 2.0)


def _own_predictions(results: Path) -> tuple[Design, dict[str, Predictions]]:
    path = results / "evaluation" / "design.json"
    if not path.is_file() or not (results / "verdict.json").is_file():
        raise RsweepError(f"{results} has no verdict; a study with `evaluate` makes one")
    design = read_design(path)
    names = [standing.profile for standing in read_verdict(results / "verdict.json").standings]
    return design, {n: read_predictions(results / "profiles" / n, design) for n in names}


def _given(
    name: str, own: Sequence[str], compared: Compared | None, evaluation: Evaluation | None
) -> Given:
    counts = (evaluation.rois, evaluation.lost) if evaluation else (None, None)
    if compared is None or name not in compared.names:
        return Given(name, name in own, None, None, *counts)
    place, pairs = compared.names.index(name), compared.pairs
    of_study = [i for i, other in enumerate(compared.names) if other in own]
    behind = None
    if of_study:
        best = max(of_study, key=lambda i: compared.draws.quality[i])
        parts = (pairs.difference, pairs.low, pairs.high)
        behind = Interval(*(round(float(part[best, place]), 5) for part in parts))
    return Given(name, name in own, compared.draws.interval(place), behind, *counts)
