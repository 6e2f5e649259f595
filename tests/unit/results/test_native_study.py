"""The sweep table says how far tiled and resized grids of a study are from its native one."""

from __future__ import annotations

import pytest

from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.study import make_study
from rsweep.results.native import native_distances
from rsweep.stages.job import Job

RCF = {"model": "rcf", "features": 8, "patch_size": 8, "bands": "B4,B8", "output": "grid"}


@pytest.mark.parametrize("lattice, near, far", [("roi", 0.9, 0.9), ("auto", 1e-6, 0.5)])
def test_tiles_are_near_the_native_grid_and_resizing_is_far(
    tmp_path, monkeypatch, lattice, near, far
):
    """On a shared lattice the cells of rcf, which sees patches alone, are the native ones."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.7,50.5,320\nb,8.75,50.5,70\n")
    study = make_study(
        {
            "study": "s",
            "rois": "rois.csv",
            "temporal": {"start": "2022-06-01", "end": "2022-06-20"},
            "base": {**RCF, "lattice": lattice},
            "profiles": {
                "native": {"input_prep": "native"},
                "tiles": {"image_size": 32},
                "resized": {"input_prep": "resize", "image_size": 32},
                "other": {"image_size": 32, "features": 4},
            },
        },
        "study",
    )
    store, options = Store(study.store), study.node_options()
    for node in study.nodes().values():
        for shard in study.shards:
            run_job(Job(node, shard, store, options))
    found = native_distances(study)
    assert set(found) == {"tiles", "resized"}  # `other` differs in more than its input
    assert found["tiles"] <= near
    assert found["resized"] > far
