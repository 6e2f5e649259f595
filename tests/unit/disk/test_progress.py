"""What is done, running and failed, from files that a run leaves."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from rsweep.cli import main
from rsweep.core.files import put
from rsweep.core.store import Store
from rsweep.disk.progress import study_progress
from rsweep.plan.study import load_study


@pytest.fixture
def study_file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"r{i},{8.6 + 0.01 * i},50.5,90\n" for i in range(8))
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\n" + rows)
    config = {
        "study": "s",
        "rois": "rois.csv",
        "shard_size": 1,
        "base": {"model": "rcf", "temporal": {"year": 2022}, "context_m": 60},
    }
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(config))
    return path


def test_done_running_failed_and_rate(study_file, capsys):
    study = load_study(study_file)
    store = Store(study.store)
    fetch = next(node for node in study.nodes().values() if node.stage == "fetch")
    names = [shard.name for shard in study.shards]
    assert len(names) == 8
    for i, name in enumerate(names[:4]):
        with store.write(fetch, name) as file:
            put(file, "x", np.arange(3))
        at = time.time() - 60 * (4 - i)
        os.utime(store.path(fetch, name), (at, at))
    (store.folder(fetch) / f".{names[4]}.h5.123.abc.tmp").touch()
    log = Path("results/logs/fetch") / fetch.key / f"{names[5]}.log"
    log.parent.mkdir(parents=True)
    log.write_text("2026 INFO start\n2026-01-01 ERROR ROI r5: the service is down\n")
    found = {stage.stage: stage for stage in study_progress(study)}
    assert list(found) == ["fetch", "composite", "prep", "infer", "stitch"]
    one = found["fetch"]
    assert (one.files, one.done, one.running) == (8, 4, 1)
    assert one.per_minute == pytest.approx(1.0, rel=0.05)
    assert one.minutes_left == pytest.approx(4.0, rel=0.05)
    assert [(f.shard, f.reason) for f in one.failed] == [(names[5], "ROI r5: the service is down")]
    assert found["stitch"].done == 0
    assert found["stitch"].minutes_left is None
    assert main(["status", str(study_file)]) == 0
    told = capsys.readouterr().out
    assert "fetch      4 of 8 (50 %), 1 running" in told
    assert "the service is down" in told
    assert str(log) in told


def test_a_job_that_failed_and_then_went_well_is_no_failure(study_file):
    study = load_study(study_file)
    fetch = next(node for node in study.nodes().values() if node.stage == "fetch")
    name = study.shards[0].name
    with Store(study.store).write(fetch, name) as file:
        put(file, "x", np.arange(3))
    log = Path("results/logs/fetch") / fetch.key / f"{name}.log"
    log.parent.mkdir(parents=True)
    log.write_text("2026-01-01 ERROR once\n")
    assert study_progress(study)[0].failed == ()
