"""Costs are of whole records: a lost or damaged one is said, and estimated like the others."""

from __future__ import annotations

import json
import logging
import time

import pytest

from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.study import make_study
from rsweep.results.profile import write_meta
from rsweep.results.records import estimated, read_records
from rsweep.stages.job import Job


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    lines = [f"r{i},{8.7 + 0.01 * i},50.5,60" for i in range(6)]
    (folder / "rois.csv").write_text("\n".join(["id,lon,lat,buffer_m", *lines]) + "\n")
    study = make_study(
        {
            "study": "s",
            "rois": str(folder / "rois.csv"),
            "results": str(folder / "results"),
            "temporal": {"start": "2022-06-01", "end": "2022-06-20"},
            "shard_size": 2,
            "base": {"model": "rcf", "features": 8, "image_size": 16},
        },
        "study",
    )
    assert len(study.shards) > 1
    store, options = Store(study.store), study.node_options()
    for node in study.nodes().values():
        for shard in study.shards:
            run_job(Job(node, shard, store, options))
    return study


def cost(study, tmp_path):
    write_meta(study, study.profiles[0], tmp_path / "meta.json")
    return json.loads((tmp_path / "meta.json").read_text())["cost"]


def record_path(study):
    infer = study.profiles[0].node.inputs["tokens"]
    return infer, sorted(Store(study.store).folder(infer).glob("*.run.json"))[0]


def test_work_loading_and_waiting_are_apart(study, tmp_path):
    found = cost(study, tmp_path)
    infer, _ = record_path(study)
    records = read_records(study, infer).values()
    assert all(r["wait_seconds"] >= 0 and r["load_seconds"] >= 0 for r in records)
    assert found["infer_seconds"] == pytest.approx(sum(r["seconds"] for r in records), abs=1e-3)
    assert found["load_seconds"] == pytest.approx(sum(r["load_seconds"] for r in records), abs=1e-3)
    stages = ("fetch", "composite", "prep", "infer", "stitch")
    assert found["seconds"] == pytest.approx(sum(found[f"{s}_seconds"] for s in stages), abs=1e-2)
    assert found["records_lost"] == 0


def test_what_loading_takes_is_not_charged_as_inference(study, monkeypatch):
    from rsweep.stages.infer import networks

    load = networks.load_embedder

    def slow(*given):
        time.sleep(0.5)
        return load(*given)

    infer, _ = record_path(study)
    store, shard = Store(study.store), study.shards[0]
    monkeypatch.setattr(networks, "load_embedder", slow)
    store.discard(infer, shard.name)
    began = time.perf_counter()
    run_job(Job(infer, shard, store, study.node_options()))
    took = time.perf_counter() - began
    record = store.read_record(infer, shard.name)
    assert record["load_seconds"] >= 0.5
    assert record["seconds"] + record["load_seconds"] <= took + 0.01
    assert record["forward_seconds"] <= record["seconds"] + 0.01


@pytest.mark.parametrize(
    "bad",
    [
        None,
        '{"seconds": "x"}',
        '{"tiles": "8", "seconds": 1}',
        "[1]",
        "nul",
        '{"seconds": NaN}',
        '{"peak_memory_mb": null}',
        '{"seconds": -1}',
    ],
)
def test_a_lost_or_damaged_record_is_said_and_never_summed(study, tmp_path, bad, caplog):
    whole = cost(study, tmp_path)
    _, path = record_path(study)
    before = path.read_text()
    try:
        path.unlink()
        if bad is not None:
            path.write_text(bad)
        with caplog.at_level(logging.WARNING, "rsweep"):
            found = cost(study, tmp_path)
    finally:
        path.write_text(before)
    assert found["records_lost"] == 1
    assert f"1 of {len(study.shards)} records of runs are lost or damaged" in caplog.text
    assert found["tiles"] == whole["tiles"]  # as many per ROI
    others = {k: v for k, v in whole.items() if k not in ("records_lost", "energy_wh_per_1k_tiles")}
    assert all(
        found[k] > 0
        for k, v in others.items()
        if isinstance(v, float) and v > 0 and k != "load_seconds"
    )


def test_what_is_lost_is_reckoned_by_rois():
    records = {"a": {"seconds": 6.0}, "b": {}, "c": {"seconds": 2.0}}
    assert estimated(records, {"a": 3, "b": 4, "c": 1}, "seconds") == 16
    assert estimated({"a": {}, "b": {}}, {"a": 3, "b": 4}, "seconds") == 0


def test_a_record_is_there_before_its_file(study, tmp_path, monkeypatch):
    """A kill between the two leaves a record without a file, never a file without a record."""
    seen = []
    node, shard = study.profiles[0].node, study.shards[0]
    store = Store(study.store)
    write = Store.write_record

    def noted(self, node, shard, record):
        seen.append((self.path(node, shard).exists(), record["seconds"] >= 0))
        write(self, node, shard, record)
        raise KeyboardInterrupt

    store.discard(node, shard.name)
    monkeypatch.setattr(Store, "write_record", noted)
    with pytest.raises(KeyboardInterrupt):
        run_job(Job(node, shard, store, study.node_options()))
    assert seen == [(False, True)]
    assert not store.path(node, shard.name).exists()
    monkeypatch.undo()
    run_job(Job(node, shard, store, study.node_options()))
    assert store.is_sound(node, shard.name)
