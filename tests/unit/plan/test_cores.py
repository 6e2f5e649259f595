"""Cores of jobs, and which inference job goes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rsweep.plan import cores
from rsweep.plan.workflow import Plan


def plan_of(folder: Path, **sections: Any) -> Plan:
    """Two shards of one ROI each."""
    rois = folder / "rois.csv"
    rois.write_text("id,lon,lat,buffer_m\na,10,50,200\nb,11,50,900\n")
    study = {
        "study": "s",
        "rois": str(rois),
        "results": str(folder / "results"),
        "shard_size": 1,
        "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
        **sections,
    }
    study["base"] = {"model": "rcf", "image_size": 32, **sections.get("base", {})}
    return Plan(study)


FOUR = {"sweep": {"image_size": [32, 64]}}
"""Two networks over two shards: four inference jobs."""


def test_inference_jobs_take_a_core_each_where_there_are_many(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, **FOUR)
    assert cores.inference_threads(plan, 2) == 1
    assert cores.inference_threads(plan, 3) == 2  # too few to keep three cores busy to the end
    assert cores.inference_threads(plan_of(tmp_path), 2) == 2


def test_a_cluster_and_a_gpu_are_left_as_they_are(tmp_path: Path) -> None:
    assert cores.inference_threads(plan_of(tmp_path, **FOUR), None) == 2
    assert cores.inference_threads(plan_of(tmp_path, **FOUR, gpus=1), 2) == 2


def test_no_more_networks_run_at_once_than_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path, **FOUR)
    need = max(plan.memory_mb(key, 1) for key, n in plan.nodes.items() if n.stage == "infer")
    monkeypatch.setattr(cores, "machine_mb", lambda: 2.0 * need)
    assert cores.inference_threads(plan, 2) == 1
    monkeypatch.setattr(cores, "machine_mb", lambda: 2.0 * need - 1)
    assert cores.inference_threads(plan, 2) == 2


def test_a_study_of_given_embeddings_alone_has_no_inference(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    plan.nodes = {}
    assert cores.inference_threads(plan, 2) == 2


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ({"provider": "synthetic"}, 1),
        ({"provider": "stac", "stac": {"url": "https://stac.invalid"}}, 2),
    ],
)
def test_a_fetch_takes_the_cores_that_its_provider_keeps_busy(
    tmp_path: Path, base: dict[str, Any], expected: int
) -> None:
    plan = plan_of(tmp_path, base=base)
    (key,) = [key for key, node in plan.nodes.items() if node.stage == "fetch"]
    assert cores.fetch_threads(plan, key) == expected


def test_longer_inference_jobs_go_first_and_none_before_what_feeds_them(tmp_path: Path) -> None:
    tokens = {"model": "thor", "weights": "random", "variant": "tiny", "image_size": 48}
    plan = plan_of(tmp_path, sweep=[{**tokens, "patch_size": [6, 24]}])
    shards = sorted(plan.shards.values(), key=lambda shard: max(shard.extents))
    by_patch = {
        node.settings["patch_size"]: [
            cores.priority(plan, key, node.file(shard.name)) for shard in shards
        ]
        for key, node in plan.nodes.items()
        if node.stage == "infer"
    }
    fine, coarse = by_patch[6], by_patch[24]
    assert fine[0] > coarse[0]  # more tokens
    assert fine[1] > fine[0]  # more tiles
    assert all(0 < p < cores.LONGEST < 10 for p in (*fine, *coarse))
