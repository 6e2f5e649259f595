"""A given set's results, as a profile's are: a row per ROI in table order, and what they are of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rsweep.core.errors import RsweepError
from rsweep.core.files import replacing, write_json
from rsweep.core.grid import lonlat_polygon
from rsweep.core.redact import portable
from rsweep.core.roi import Roi
from rsweep.plan.given import GivenSet
from rsweep.plan.study import Study
from rsweep.results.columns import bbox_column, geo_metadata, property_columns
from rsweep.results.given_rasters import Pooled, read_rasters
from rsweep.results.given_tables import read_vectors
from rsweep.results.versions import versions


def read_set(given: GivenSet, rois: Sequence[Roi]) -> list[Pooled]:
    """Each ROI's vector of a given set, or why it has none.

    Raises:
        RsweepError: the file cannot be read, or no ROI of the study has a vector in it.
    """
    found = list(read_rasters(given, rois) if given.pooling else _read_table(given, rois))
    if all(each.vector is None for each in found):
        raise RsweepError(
            f"{given.path} has no vector of any ROI of the study: {rois[0].id}: {found[0].error}"
        )
    widths = {len(each.vector) for each in found if each.vector is not None}
    if len(widths) > 1:
        raise RsweepError(f"{given.path}: vectors have different lengths: {sorted(widths)}")
    return found


def _read_table(given: GivenSet, rois: Sequence[Roi]) -> list[Pooled]:
    vectors = read_vectors(Path(given.path), [roi.id for roi in rois], given.id_column)
    missing = Pooled(None, 0.0, f"{Path(given.path).name} has no whole vector of it")
    return [Pooled(row, 1.0) if np.isfinite(row).all() else missing for row in vectors]


def write_given(study: Study, given: GivenSet, table: Path, meta: Path) -> None:
    """Write a given set's vectors as GeoParquet, and meta.json."""
    rois = list(study.rois)
    found = read_set(given, rois)
    width = next(len(each.vector) for each in found if each.vector is not None)
    none = np.full(width, np.nan, np.float32)
    flat = np.concatenate([none if each.vector is None else each.vector for each in found])
    shapes = [lonlat_polygon(roi) for roi in rois]
    columns = {
        "id": pa.array([roi.id for roi in rois]),
        "geometry": pa.array([s.wkb if s else None for s in shapes], pa.binary()),
        "bbox": bbox_column(shapes),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(np.float32)), width),
        "profile": pa.array([given.name] * len(rois)),
        "valid_share": pa.array([each.valid_share for each in found]),
        "error": pa.array([each.error for each in found], pa.string()),
    }
    columns |= property_columns(rois, columns)
    with replacing(table) as temporary:
        written = pa.table(columns).replace_schema_metadata(geo_metadata(shapes))
        pq.write_table(written, temporary, compression="zstd")
    _write_meta(study, given, rois, found, meta)


def _write_meta(
    study: Study, given: GivenSet, rois: Sequence[Roi], found: Sequence[Pooled], path: Path
) -> None:
    outcomes = {
        roi.id: {
            **roi.definition(),
            "outcome": {"error": each.error, "valid_share": each.valid_share},
        }
        for roi, each in zip(rois, found, strict=True)
    }
    write_json(
        path,
        {
            "study": study.name,
            "given": portable(given.identity()),
            "rois": outcomes,
            "versions": versions(),
        },
    )


@dataclass(frozen=True)
class GivenRan:
    """What is known of a given set: ROIs, those without a vector with the reason, valid share."""

    rois: int
    failed: Mapping[str, str]
    valid_share: float


def read_given_ran(study: Study) -> dict[str, GivenRan]:
    """Given set -> what its meta.json says."""
    return {given.name: _ran(study.folder_of(given.name) / "meta.json") for given in study.given}


def _ran(path: Path) -> GivenRan:
    told = {roi: each["outcome"] for roi, each in json.loads(path.read_text())["rois"].items()}
    failed = {roi: o["error"] for roi, o in told.items() if o["error"]}
    shares = [o["valid_share"] for o in told.values() if not o["error"]]
    return GivenRan(len(told), failed, round(float(np.mean(shares)), 4) if shares else 0.0)
