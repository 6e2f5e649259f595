"""Packs: what goes together, what comes back, and how long it may take."""

from types import SimpleNamespace

import pytest

from rsweep.core.errors import WeightsError
from rsweep.core.roi import Roi
from rsweep.core.shards import extent_m
from rsweep.core.store import Store
from rsweep.jobs import packs, script
from rsweep.plan import estimates
from rsweep.plan.workflow import Plan


@pytest.fixture
def plan(tmp_path):
    rows = [f"r{i},14.{i:02d},46.0,200" for i in range(30)]
    (tmp_path / "rois.csv").write_text("\n".join(["id,lon,lat,buffer_m", *rows]) + "\n")
    thor = {"model": "thor", "weights": "random", "variant": "tiny", "image_size": 48}
    return Plan(
        {
            "study": "s",
            "rois": str(tmp_path / "rois.csv"),
            "results": str(tmp_path / "results"),
            "shard_size": 3,
            "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
            "base": {"provider": "synthetic", "model": "rcf"},
            "sweep": [
                thor | {"patch_size": [8, 12]},
                thor | {"patch_size": 8, "seed": 1},
                {"model": "rcf", "image_size": [32, 64]},
            ],
        }
    )


def infer(plan):
    return [node for node in plan.nodes.values() if node.stage == "infer"]


@pytest.fixture
def output(plan, monkeypatch):
    """A finished cell, in a job of a cluster."""
    monkeypatch.setenv(packs.PACKED, "1")
    store, node = Store(plan.store), infer(plan)[0]
    with store.write(node, "0" * 16) as file:
        file["x"] = [1, 2, 3]
    return store.path(node, "0" * 16)


def test_cells_of_one_weights_go_together_and_others_do_not(plan):
    shard = next(iter(plan.shards))
    by_weights = {}
    for node in infer(plan):
        weights = (node.settings["model"], node.settings.get("seed"))
        by_weights.setdefault(weights, set()).add(packs.pack_name(plan, node.key, shard))
    assert all(len(names) == 1 for names in by_weights.values())
    assert len(set.union(*by_weights.values())) == len(by_weights)


def test_a_pack_is_consecutive_shards_of_about_the_time_wanted(plan, monkeypatch):
    monkeypatch.setattr(packs, "PACK_S", 400.0)
    packs._shards_per_pack.cache_clear()
    node = infer(plan)[0]
    names = [packs.pack_name(plan, node.key, shard) for shard in plan.shards]
    assert len(set(names)) > 1
    assert names == sorted(names, key=names.index)


def test_a_cell_that_failed_is_alone_the_next_time(plan, monkeypatch):
    monkeypatch.setenv(packs.PACKED, "1")
    node, shard = infer(plan)[0], next(iter(plan.shards))
    together = packs.pack_name(plan, node.key, shard)
    packs.note_failure(Store(plan.store).path(node, shard))
    assert packs.pack_name(plan, node.key, shard) == f"infer-{node.key}-{shard}" != together


def run_cell(output, monkeypatch, run_job):
    """The cell of an output as its rule runs it; `run_job` runs a stage."""
    store = SimpleNamespace(path=lambda node, shard: output)
    job = SimpleNamespace(store=store, node=None, shard=SimpleNamespace(name="s"))
    monkeypatch.setattr(script, "find_job", lambda *given: job)
    monkeypatch.setattr(script, "run_job", run_job)
    script.run_inference("0" * 16, output.stem, "1", "1000")


def test_a_cell_that_is_done_is_not_run_again(output, monkeypatch):
    run_cell(output, monkeypatch, lambda job: pytest.fail("it ran again"))
    assert output.exists()


@pytest.mark.parametrize("spoil", [b"x", b""])
def test_a_damaged_cell_is_not_taken_for_done(output, spoil):
    output.write_bytes(output.read_bytes()[:-1] + spoil)
    assert not packs.is_done(output)


def test_outside_a_cluster_nothing_is_noted(output, monkeypatch):
    monkeypatch.delenv(packs.PACKED)
    packs.note_failure(output)
    assert not (output.parent / packs.FOLDER).exists()
    assert not packs.is_done(output)


def test_success_clears_the_note_of_a_failure_and_the_end_clears_all(output, plan):
    packs.note_failure(output)
    packs.note_success(output)
    assert not list((output.parent / packs.FOLDER).iterdir())
    packs.release(plan)
    assert not (output.parent / packs.FOLDER).exists()
    assert output.exists()


def test_a_cell_that_fails_is_noted_and_fails(output, monkeypatch):
    def fail(job):
        raise WeightsError("no such file")

    output.unlink()
    with pytest.raises(WeightsError, match="no such file"):
        run_cell(output, monkeypatch, fail)
    assert (output.parent / packs.FOLDER / f"{output.stem}.failed").exists()
    run_cell(output, monkeypatch, lambda job: None)
    assert not list((output.parent / packs.FOLDER).iterdir())


def test_time_grows_with_the_shard_the_network_and_the_attempt(plan):
    shard = max(plan.shards.values(), key=lambda s: len(s.rois))
    small, large = (n for n in infer(plan)[:2])
    assert small.settings["patch_size"] == 8
    assert estimates.seconds_of(small, shard, 2, 0) > estimates.seconds_of(large, shard, 2, 0)
    assert estimates.seconds_of(small, shard, 2, 1) < estimates.seconds_of(small, shard, 2, 0)
    first, second = (estimates.runtime_min(small, shard, a, 2, 0) for a in (1, 2))
    assert second == 2 * first
    assert first >= estimates.LEAST_MIN


@pytest.mark.parametrize(
    "shape, metres",
    [
        ({"type": "point", "lon": 14, "lat": 46, "buffer_m": 250}, 500),
        ({"type": "box", "minlon": 14, "maxlon": 14.1, "minlat": 0, "maxlat": 0.01}, 11132),
        ({"type": "Polygon", "coordinates": [[[0, 60], [0.1, 60], [0.1, 60.1], [0, 60]]]}, 11132),
        ({"type": "MultiPolygon", "coordinates": [[[[0, 0], [0.1, 0], [0, 0.1], [0, 0]]]]}, 11132),
    ],
)
def test_the_extent_of_every_kind_of_roi_is_known(shape, metres):
    assert extent_m(Roi("r", shape)) == pytest.approx(metres, rel=0.01)
