"""A folder of scenes over three places far apart, a study of it, and a run of what is absent."""

import json
from pathlib import Path

import numpy as np
import rasterio
from rasterio.warp import transform

from rsweep.core import digests
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.study import Study, load_study
from rsweep.results.lock import write_lock
from rsweep.results.profile import write_embeddings, write_meta
from rsweep.sources import local, stac
from rsweep.stages.job import Job

CORNERS = {"a": (478_000, 5_595_000), "b": (498_000, 5_595_000), "c": (518_000, 5_595_000)}
"""Place -> the top-left corner of its scenes, in metres of UTM zone 32."""
LAYOUT = """
s2:
  files: 'S2_(?P<scene>(?P<date>\\d{8})_.*)\\.tif'
  bands: {B2: 1, B3: 2, B4: 3}
"""


def write_scene(day: str, place: str, seed: int = 0) -> Path:
    """A scene of 1 km around a place, or elsewhere for a place that no ROI has."""
    x, y = CORNERS.get(place, (600_000, 5_700_000))
    path = Path("scenes") / f"S2_{day}_{place}.tif"
    path.unlink(missing_ok=True)
    values = np.random.default_rng(int(day) + seed).integers(1000, 1500, (3, 100, 100))
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="uint16",
        count=3,
        height=100,
        width=100,
        nodata=0,
        crs="EPSG:32632",
        transform=rasterio.Affine(10, 0, x, 0, -10, y),
    ) as file:
        file.write(values.astype("uint16"))
    return path


def write_study(**other: object) -> Path:
    """Three ROIs, each a shard of its own, in the working directory."""
    Path("scenes").mkdir(exist_ok=True)
    Path("scenes/layout.yaml").write_text(LAYOUT)
    rows = ["id,lon,lat,buffer_m"]
    for place, (x, y) in CORNERS.items():
        (lon,), (lat,) = transform("EPSG:32632", "EPSG:4326", [x + 500], [y - 500])
        rows.append(f"{place},{lon},{lat},100")
    Path("rois.csv").write_text("\n".join(rows) + "\n")
    config = {
        "study": "tiny",
        "rois": "rois.csv",
        "shard_size": 1,
        "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
        "base": {
            "model": "rcf",
            "features": 8,
            "image_size": 32,
            "context_m": 60,
            "bands": "B4,B3,B2",
            "provider": "local",
            "local": {"path": "scenes"},
        },
        **other,
    }
    Path("study.yaml").write_text(json.dumps(config))
    return Path("study.yaml")


def study() -> Study:
    """The study as another process finds it now."""
    local.open_folder.cache_clear()
    local._held.cache_clear()
    stac._held.cache_clear()
    stac._catalogue.cache_clear()
    digests._memory.clear()
    return load_study("study.yaml")


def absent(found: Study) -> list[tuple[str, str]]:
    """Stage and ROI of the files that are not there."""
    store = Store(found.store)
    return [
        (node.stage, shard.rois[0].id)
        for node in found.nodes().values()
        for shard in found.shards
        if not store.path(node, shard.name).exists()
    ]


def run(found: Study) -> None:
    """Make what is absent, then the tables and the lock."""
    store, options = Store(found.store), found.node_options()
    for node in found.nodes().values():
        for shard in found.shards:
            if not store.path(node, shard.name).exists():
                run_job(Job(node, shard, store, options))
    for profile in found.profiles:
        folder = found.folder / "profiles" / profile.name
        write_embeddings(found, profile, folder / "embeddings.parquet")
        write_meta(found, profile, folder / "meta.json")
    if not found.options["frozen"]:
        write_lock(found, found.lock)
