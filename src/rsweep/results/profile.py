"""A profile's results: embeddings as GeoParquet, grids as COGs, and what exactly ran."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsweep.core.errors import RsweepError
from rsweep.core.files import replacing, replacing_folder, write_json
from rsweep.core.grid import lonlat_polygon
from rsweep.core.names import file_names
from rsweep.core.nodes import Node
from rsweep.core.records import StitchedRoi
from rsweep.core.redact import portable
from rsweep.core.roi import Roi
from rsweep.core.store import Store
from rsweep.jobs.runner import reading
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.results.columns import bbox_column, date_column, geo_metadata, property_columns
from rsweep.results.conventions import footer
from rsweep.results.records import Record, Records, estimated, read_records
from rsweep.results.seams import seam_of
from rsweep.results.versions import versions
from rsweep.stages.stitch.format import Row as Outcome
from rsweep.stages.stitch.format import read_grid, read_rois, read_vectors

VALID_SHARE = "valid_share"
"""Name of the last band of a grid's file."""
BLOCK_PX = 128
"""Largest side of a block of a grid's file; COG blocks are multiples of 16."""


@dataclass(frozen=True)
class Row:
    """One ROI of one profile.

    Attributes:
        roi: the place.
        outcome: what the stitch stage says of it.
        embedding: vector [D]; NaN where `outcome["error"]` says why.
        grid: [D, h, w] for grid output, read on demand.
        shares: [h, w], the part of each cell of the grid that is valid ground of the ROI.
    """

    roi: Roi
    outcome: Outcome
    embedding: NDArray[np.float32]
    grid: NDArray[np.float32] | None = None
    shares: NDArray[np.float32] | None = None


def read_rows(study: Study, profile: Profile, grids: bool = False) -> Iterator[Row]:
    """Every ROI of a profile in table order.

    Raises:
        RsweepError: a ROI failed and the study says `on_roi_error: fail`.
    """
    fail = study.options["on_roi_error"] == "fail"
    for shard in study.shards:
        with reading(study, profile.node, shard) as file:
            vectors = read_vectors(file)
            for index, outcome in enumerate(read_rois(file)):
                if outcome["error"] is not None and fail:
                    raise RsweepError(
                        f"profile {profile.name}, ROI {outcome['id']}: "
                        f"{outcome['error']} (on_roi_error: fail)"
                    )
                held = read_grid(file, index) if grids else None
                images = (held.values, held.valid_share) if held else ()
                yield Row(shard.rois[index], outcome, vectors[index], *images)


def write_embeddings(study: Study, profile: Profile, path: Path) -> None:
    """Write a profile's vectors as GeoParquet 1.1, a row per ROI in table order."""
    rows = list(read_rows(study, profile))
    told = [row.outcome if row.outcome["error"] is None else None for row in rows]
    width = max([1, *(len(row.embedding) for row in rows)])  # parquet has no lists of length 0
    missing = np.full(width, np.nan, np.float32)
    vectors = np.stack([row.embedding if len(row.embedding) else missing for row in rows])
    flat = pa.array(vectors.astype(np.float32).ravel())
    shapes = [lonlat_polygon(row.roi) for row in rows]
    columns = {
        "id": pa.array([row.roi.id for row in rows]),
        "geometry": pa.array([s.wkb if s else None for s in shapes], pa.binary()),
        "bbox": bbox_column(shapes),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, width),
        "start": date_column([one["start"] if one else None for one in told]),
        "end": date_column([one["end"] if one else None for one in told]),
        "model": pa.array([profile.settings["model"]] * len(rows)),
        "profile": pa.array([profile.name] * len(rows)),
        "key": pa.array([profile.node.key] * len(rows)),
        "valid_share": pa.array([one["valid_share"] if one else 0.0 for one in told]),
        "real_share": pa.array([one["real_share"] if one else 0.0 for one in told]),
        "scenes": pa.array([one["scenes"] if one else [] for one in told], pa.list_(pa.string())),
        "error": pa.array([row.outcome["error"] for row in rows], pa.string()),
    }
    if profile.settings["output"] == "grid":
        columns["grid"] = pa.array(_grid_files(study, rows), pa.string())
    columns |= property_columns([row.roi for row in rows], columns)
    emb = footer(profile.settings, profile.node.key, width)
    footers = {**geo_metadata(shapes), b"emb": json.dumps(portable(emb)).encode()}
    table = pa.table(columns).replace_schema_metadata(footers)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _grid_files(study: Study, rows: Sequence[Row]) -> list[str | None]:
    """Each ROI's grid, as a path from the folder of the profile."""
    names = file_names([roi.id for roi in study.rois])
    return [None if row.outcome["error"] else f"grids/{names[row.roi.id]}.tif" for row in rows]


def write_grids(study: Study, profile: Profile, folder: Path) -> None:
    """Write a profile's grids as cloud-optimised GeoTIFFs, a file per ROI, UTM and north up."""
    names = file_names([roi.id for roi in study.rois])
    with replacing_folder(folder) as temporary:
        for row in read_rows(study, profile, grids=True):
            if row.grid is not None:
                write_cog(temporary / f"{names[row.roi.id]}.tif", row, profile)


def write_cog(path: Path, row: Row, profile: Profile) -> None:
    """Write one grid: a band per dimension of the embedding, NaN where a cell is missing.

    The last band, `valid_share`, is the part of each cell that is valid ground of the ROI, by which
    cells are weighted where grids are joined.
    """
    import rasterio
    from rasterio.shutil import copy

    assert row.grid is not None
    assert row.shares is not None
    assert row.outcome["error"] is None
    # GDAL has no float16; the values are those of the store all the same.
    grid = np.concatenate([row.grid, row.shares[None]]).astype(np.float32)
    names = [*(f"dim_{i}" for i in range(len(row.grid))), VALID_SHARE]
    options = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": grid.shape[0],
        "height": grid.shape[1],
        "width": grid.shape[2],
        "crs": row.outcome["grid"]["crs"],
        "nodata": float("nan"),
        "transform": rasterio.Affine(*row.outcome["transform"]),
        "interleave": "pixel",
    }
    # A block holds every band, so GDAL's default of 512 px would pad a small grid to gigabytes.
    block = min(BLOCK_PX, -(-max(grid.shape[1:]) // 16) * 16)
    with replacing(path) as temporary, rasterio.MemoryFile() as memory:
        with memory.open(**options) as file:
            file.write(grid)
            file.descriptions = names
            file.update_tags(
                profile=profile.name,
                key=profile.node.key,
                roi=row.roi.id,
                lattice=lattice_of(profile, row.outcome),
            )
        copy(
            memory.name, temporary, driver="COG", compress="ZSTD", predictor="YES", blocksize=block
        )


def lattice_of(profile: Profile, outcome: StitchedRoi) -> str:
    """`shared` where cells lie on multiples of their size in UTM, so that grids join; else `roi`.

    A resized ROI's cells are of a size of its own.
    """
    return "roi" if outcome["mode"] == "resize" else str(profile.settings["lattice"])


def write_meta(study: Study, profile: Profile, path: Path) -> None:
    """Write everything that says what a profile is and what ran."""
    outcomes = [row.outcome for row in read_rows(study, profile)]
    records = {n.key: read_records(study, n) for n in profile.node.upstream()}
    meta = {
        "study": study.name,
        "profile": profile.name,
        "settings": portable(dict(profile.settings)),
        "keys": profile.keys(),
        "stages": [{**n.identity(), "key": n.key} for n in profile.node.upstream()],
        "rois": {
            r.id: {**r.definition(), "outcome": o}
            for r, o in zip(study.rois, outcomes, strict=True)
        },
        "runs": portable(records),
        "cost": _cost(study, profile, records),
        "seam": seam_of(study, profile),
        "versions": versions(),
    }
    write_json(path, meta)


def _cost(study: Study, profile: Profile, ran: Mapping[str, Records]) -> dict[str, Any]:
    """Seconds of each stage, tiles, peak memory and bytes of a profile, however it was shared.

    Seconds are of work: what loading networks took, which falls to whoever comes first, is
    `load_seconds`, and waiting for others is in neither. `records_lost` counts shards whose record
    is lost, which are estimated like the others.
    """
    rois = {shard.name: len(shard.rois) for shard in study.shards}
    cost: dict[str, Any] = {}
    for node in profile.node.upstream():
        name, records = f"{node.stage}_seconds", ran[node.key]
        cost[name] = round(cost.get(name, 0.0) + estimated(records, rois, "seconds"), 3)
        if node.stage == "infer":
            cost |= _infer_cost(records, rois)
        if node.stage == "fetch":
            cost |= _fetch_cost(records, cost)
        peaks = [record["peak_memory_mb"] for record in records.values() if record]
        for peak in ("peak_memory_mb", f"{node.stage}_peak_memory_mb"):
            cost[peak] = max([cost.get(peak, 0.0), *peaks])
    stages = {f"{node.stage}_seconds" for node in profile.node.upstream()}
    cost["seconds"] = round(sum(cost[name] for name in stages), 3)
    cost["records_lost"] = sum(not one for records in ran.values() for one in records.values())
    cost["bytes"] = _size(study, [profile.node])
    cost["stage_bytes"] = _size(study, profile.node.upstream())
    return cost


def _size(study: Study, nodes: Iterable[Node]) -> int:
    """Bytes of the files of nodes that are there."""
    store = Store(study.store)
    files = [store.path(node, shard.name) for node in nodes for shard in study.shards]
    return sum(f.stat().st_size for f in files if f.exists())


FETCHED = {
    "requests": "requests",
    "fetched_bytes": "bytes",
    "eecu_seconds": "eecu_seconds",
    "modelled_requests": "modelled_requests",
}
"""Name of a cost -> what records of fetching call it."""


def _fetch_cost(records: Records, before: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked of services, over sensors; nothing of imagery on disk or invented.

    Of a job that went on after it was stopped, what it asked for stands for its other ROIs too.
    """
    found: dict[str, Any] = {}
    for name, theirs in FETCHED.items():
        known = [_whole(record, theirs) for record in records.values() if theirs in record]
        if known:
            found[name] = round(before.get(name, 0.0) + sum(known), 3)
    return found


def _whole(record: Record, name: str) -> float:
    share = 1 - float(record.get("reused_rois", 0)) / max(float(record["rois"]), 1.0)
    return float(record[name]) / share if share else float(record[name])


def _infer_cost(records: Records, rois: Mapping[str, int]) -> dict[str, Any]:
    """What inference alone cost; energy where every device that ran told it."""
    known = [record for record in records.values() if record]
    tiles = round(estimated(records, rois, "tiles"))
    seconds = estimated(records, rois, "forward_seconds")
    cost = {
        "tiles": tiles,
        "forward_seconds": round(seconds, 3),
        "load_seconds": round(sum(record["load_seconds"] for record in known), 3),
        "s_per_1k_tiles": round(1000 * seconds / tiles, 3) if tiles else None,
        "device": "+".join(sorted({str(r["device"]) for r in known if "device" in r})),
    }
    if tiles and len(known) == len(records) and all("energy_wh" in r for r in known):
        cost["energy_wh"] = sum(r["energy_wh"] for r in known)
        cost["energy_wh_per_1k_tiles"] = 1000 * cost["energy_wh"] / tiles
    return cost


def grid_files(folder: Path) -> dict[str, Path]:
    """ROI -> its grid's file, by the id that the file itself tells."""
    import rasterio

    found = {}
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as raster:
            found[raster.tags().get("roi", path.stem)] = path
    return found
