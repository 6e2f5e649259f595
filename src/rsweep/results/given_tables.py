"""Vectors that others computed, a row per ROI: Parquet, GeoParquet, NPZ and Zarr."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsweep.core.errors import RsweepError

Vectors = NDArray[np.float32]
Table = tuple[list[str], NDArray[Any]]
"""Ids, and vectors [N, D]."""

NUMBERED = re.compile(r"([A-Za-z_]*?)(\d+)")
"""A column that is one dimension: A00 … A63, dim_0 …"""


def read_vectors(path: Path, ids: Sequence[str], id_column: str = "id") -> Vectors:
    """Vectors [N, D] of ROIs in the order of `ids`; NaN where the file has none.

    Parquet and GeoParquet have a column of ids and either a column of lists or one column per
    dimension (A00 … A63); NPZ and Zarr have arrays of ids [N] and `embedding` [N, D].

    Raises:
        RsweepError: the file has no such columns, an id twice, or no ROI of the study.
    """
    if not path.exists():
        raise RsweepError(f"{path} is not there")
    if path.suffix not in READERS:
        raise RsweepError(f"{path}: expected a file that ends in {', '.join(READERS)}")
    found, vectors = READERS[path.suffix](path, id_column)
    return _matched(found, vectors, ids, path)


def _matched(
    found: Sequence[str], vectors: NDArray[Any], ids: Sequence[str], path: Path
) -> Vectors:
    place = {name: row for row, name in enumerate(found)}
    if len(place) != len(found):
        twice = next(name for row, name in enumerate(found) if place[name] != row)
        raise RsweepError(f"{path} has id {twice!r} twice")
    rows = [place.get(name, -1) for name in ids]
    if max(rows, default=-1) < 0:
        raise RsweepError(
            f"{path} has no ROI of the study: its first id is {found[0]!r}, the "
            f"study's is {ids[0]!r}"
        )
    padded = np.concatenate([vectors, np.full((1, vectors.shape[1]), np.nan)])
    return np.asarray(padded[rows], np.float32)


def _read_npz(path: Path, id_column: str) -> Table:
    try:
        with np.load(path, allow_pickle=False) as file:
            return _arrays(file[id_column], file["embedding"], id_column, path)
    except (KeyError, ValueError) as error:
        raise RsweepError(f"{path}: expected arrays {id_column} and embedding: {error}") from None


def _read_zarr(path: Path, id_column: str) -> Table:
    try:
        import zarr
    except ImportError:
        raise RsweepError(f"{path} needs zarr: pip install 'rsweep[zarr]'") from None
    try:
        store: Any = zarr.open_group(path, mode="r")
        ids, vectors = store[id_column][:], store["embedding"][:]
    except (KeyError, ValueError, OSError) as error:
        raise RsweepError(f"{path}: expected arrays {id_column} and embedding: {error}") from None
    return _arrays(ids, vectors, id_column, path)


def _arrays(ids: NDArray[Any], vectors: NDArray[Any], id_column: str, path: Path) -> Table:
    if vectors.ndim != 2 or len(ids) != len(vectors) or not len(ids):
        raise RsweepError(
            f"{path}: {id_column} has shape {ids.shape} and embedding "
            f"{vectors.shape}; expected [N] and [N, D]"
        )
    return [str(name) for name in ids], vectors


def _read_parquet(path: Path, id_column: str) -> Table:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise RsweepError(f"{path} cannot be read: {error}") from None
    if id_column not in table.column_names or not table.num_rows:
        raise RsweepError(
            f"{path}: expected rows with a column {id_column}; it has "
            f"{', '.join(table.column_names)}"
        )
    ids = [str(name) for name in table[id_column].to_pylist()]
    table = table.drop_columns([id_column])
    lists = [field.name for field in table.schema if _is_vector(field.type)]
    if len(lists) == 1:
        return ids, _lists(table, lists[0], path)
    return ids, _dimensions(table, lists, path)


def _lists(table: pa.Table, name: str, path: Path) -> NDArray[Any]:
    rows = table[name].to_pylist()
    width = max((len(row) for row in rows if row), default=0)
    if any(row and len(row) != width for row in rows):
        raise RsweepError(f"{path}: {name} holds lists of different lengths")
    return np.array([row or [np.nan] * width for row in rows], np.float64)


def _is_vector(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(
        lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))
    )


def _dimensions(table: pa.Table, lists: Sequence[str], path: Path) -> NDArray[Any]:
    """Columns of one name with a number behind it, in the order of the numbers."""
    found: dict[str, dict[int, str]] = {}
    for name in table.column_names if not lists else ():
        match = NUMBERED.fullmatch(name)
        if match and pa.types.is_floating(table.schema.field(name).type):
            found.setdefault(match[1], {})[int(match[2])] = name
    if len(found) != 1:
        raise RsweepError(
            f"{path}: expected one column of lists of numbers, or columns such as "
            f"A00, A01, …; it has {', '.join(table.column_names)}"
        )
    (columns,) = found.values()
    return np.stack([table[columns[n]].to_numpy() for n in sorted(columns)], axis=1)


READERS: Mapping[str, Callable[[Path, str], Table]] = {
    ".npz": _read_npz,
    ".parquet": _read_parquet,
    ".geoparquet": _read_parquet,
    ".zarr": _read_zarr,
}
