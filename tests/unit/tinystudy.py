"""A tiny study: its file, and everything that verify looks at."""

import json
from pathlib import Path

from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.study import load_study
from rsweep.results.lock import write_lock
from rsweep.results.profile import write_embeddings, write_grids, write_meta
from rsweep.stages.job import Job


def write_study(folder: Path, **other) -> Path:
    """A study of two ROIs with a pooled and a grid profile."""
    (folder / "rois.csv").write_text(
        "id,lon,lat,buffer_m\na,8.7,50.5,90\nb,8.71,50.5,90\nc,8.72,50.5,90\n"
    )
    config = {
        "study": "tiny",
        "rois": str(folder / "rois.csv"),
        "results": str(folder / "results"),
        "temporal": {"start": "2022-06-01", "end": "2022-06-20"},
        "shard_size": 2,
        "base": {"model": "rcf", "features": 8, "image_size": 32, "context_m": 60},
        "profiles": {"pooled": {}, "grid": {"output": "grid", "patch_size": 8}},
        **other,
    }
    path = folder / "study.yaml"
    path.write_text(json.dumps(config))
    return path


def run_study(path: Path) -> Path:
    """Run everything that verify looks at; the folder of results."""
    study = load_study(path)
    store, options = Store(study.store), study.node_options()
    for node in study.nodes().values():
        for shard in study.shards:
            run_job(Job(node, shard, store, options))
    for profile in study.profiles:
        folder = study.folder / "profiles" / profile.name
        write_embeddings(study, profile, folder / "embeddings.parquet")
        write_meta(study, profile, folder / "meta.json")
        if profile.settings["output"] == "grid":
            write_grids(study, profile, folder / "grids")
    write_lock(study, study.folder / "study.lock.json")
    return study.folder
