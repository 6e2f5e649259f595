"""Embed places in one call: no study file, no Snakemake, the same plan, stages and store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsweep.core.errors import RsweepError
from rsweep.core.nodes import Node
from rsweep.core.shards import Shard
from rsweep.core.store import Store
from rsweep.library.frames import EmbeddingFrame, Grids, read_frame
from rsweep.plan.pinning import pinned_study
from rsweep.plan.study import Study

if TYPE_CHECKING:
    import pandas

NAME = "embed"


def embed(
    rois: str | Path | pandas.DataFrame | Mapping[str, Any],
    model: str = "rcf",
    start: str | None = None,
    end: str | None = None,
    store: str | Path = "results/store",
    threads: int = 1,
    progress: bool = False,
    **settings: Any,
) -> EmbeddingFrame | Grids:
    """Embeddings of places.

    A second call with the same places and settings reads the store and runs nothing; a study with
    these settings and this store shares every stage with it.

    Args:
        rois: a ROI table's path; a DataFrame with id, lon, lat and buffer_m (and start, end); a
            GeoDataFrame of polygons with an id; or one place as a mapping of these columns.
        model: what to embed with; `rsweep describe` lists the models.
        start, end: the window, ISO dates, end exclusive; not needed if `temporal` is given or the
            table has its own.
        store: folder of cached stages.
        threads: cores for each stage.
        progress: print a line per stage and shard that runs.
        settings: any other knob, as in a study file.

    Returns:
        A GeoDataFrame with a row per ROI; with `output="grid"` a mapping of ROI to an xarray
        DataArray. Both have `.meta`.

    Raises:
        StudyError: a setting is wrong; every problem at once.
        RsweepError: a stage cannot run.
    """
    with tempfile.TemporaryDirectory(prefix="rsweep-embed-") as folder:
        table = _table(rois, Path(folder))
        base = {"model": model, **settings}
        if start is not None or end is not None:
            base["temporal"] = {"start": start, "end": end}
        config = {
            "study": NAME,
            "rois": str(table),
            "results": folder,
            "store": str(store),
            "base": base,
            "max_failed": 1.0,
        }
        study = pinned_study(config, "embed")
        for node, shard in _absent(study):
            if progress:
                print(f"{node.stage} {node.key}: {len(shard.rois)} ROIs")
            _run(study, node, shard, threads)
        return _result(study)


def _table(rois: str | Path | pandas.DataFrame | Mapping[str, Any], folder: Path) -> Path:
    """The path of a ROI table that holds these places."""
    if isinstance(rois, str | Path):
        return Path(rois)
    import geopandas
    import pandas as pd

    frame = pd.DataFrame([rois]) if isinstance(rois, Mapping) else rois
    if "id" not in frame.columns:
        frame = frame.assign(id=[str(name) for name in frame.index])
    if isinstance(frame, geopandas.GeoDataFrame):
        if frame.crs is None:
            raise RsweepError("the GeoDataFrame has no crs; set_crs(4326) says that it is degrees")
        path = folder / "rois.parquet"
        frame.to_crs(4326).to_parquet(path, index=False)
        return path
    path = folder / "rois.csv"
    frame.to_csv(path, index=False)
    return path


def _absent(study: Study) -> Iterator[tuple[Node, Shard]]:
    """What the store lacks of a study's last stage, and of what that is made of; sources first."""
    store = Store(study.store)
    for shard in study.shards:
        wanted: dict[str, Node] = {}
        for profile in study.profiles:
            _want(profile.node, shard, store, wanted)
        yield from ((node, shard) for node in wanted.values())


def _want(node: Node, shard: Shard, store: Store, wanted: dict[str, Node]) -> None:
    if node.key in wanted or store.is_sound(node, shard.name):
        return
    for source in node.inputs.values():
        _want(source, shard, store, wanted)
    wanted[node.key] = node


def _run(study: Study, node: Node, shard: Shard, threads: int) -> None:
    from rsweep.jobs.runner import run_job
    from rsweep.stages.job import Job

    policy = study.options["on_roi_error"]
    run_job(Job(node, shard, Store(study.store), study.node_options(), policy, threads))


def _result(study: Study) -> EmbeddingFrame | Grids:
    """What the last stage made, read as a study's results are."""
    import json

    from rsweep.results.profile import grid_files, write_embeddings, write_grids, write_meta

    (profile,) = study.profiles
    folder = study.folder
    write_meta(study, profile, folder / "meta.json")
    meta = json.loads((folder / "meta.json").read_text())
    if profile.settings["output"] == "pooled":
        write_embeddings(study, profile, folder / "embeddings.parquet")
        return read_frame(folder / "embeddings.parquet", meta)
    write_grids(study, profile, folder / "grids")
    return Grids(grid_files(folder / "grids"), meta).load()
