from pathlib import Path

import pytest

from rsweep.plan.workflow import Plan, missing_files


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    rois = tmp_path / "rois.csv"
    rois.write_text("id,lon,lat,buffer_m\na,10,50,200\nb,11,50,200\n")
    return Plan(
        {
            "study": "s",
            "rois": str(rois),
            "results": str(tmp_path / "results"),
            "shard_size": 1,
            "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
            "base": {"provider": "synthetic", "model": "rcf", "image_size": 32},
        }
    )


def test_missing_files_are_those_that_the_store_lacks(plan: Plan) -> None:
    files = {Path(plan.file(node, shard)) for node in plan.nodes.values() for shard in plan.shards}
    assert missing_files(plan) == files
    made = sorted(files)[::2]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.with_name("another-shard.h5").touch()
    assert missing_files(plan) == files - set(made)
