"""What a forecast is made of: volumes as files have them, fits, requests as services count them."""

import json
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
import ee_store as made
from ee_server import serve
from ee_server.charges import Prices

from rsweep.core.shards import Shard, own_days
from rsweep.core.store import Store
from rsweep.foresight.fits import fit
from rsweep.foresight.forecast import Amount, NodeCost, forecast
from rsweep.foresight.measured import group_of, measured
from rsweep.foresight.totals import money, totals, wall_seconds
from rsweep.foresight.volumes import Places, merged, volume_of
from rsweep.jobs.runner import run_job
from rsweep.plan.study import load_study
from rsweep.stages.job import Job


def write(folder, rows=None, **config):
    rows = rows or [f"r{i},{8.6 + 0.013 * i},{50.5 + 0.007 * i},150" for i in range(6)]
    (folder / "rois.csv").write_text("id,lon,lat,buffer_m\n" + "\n".join(rows))
    path = folder / "study.yaml"
    path.write_text(
        json.dumps(
            {
                "study": "s",
                "rois": str(folder / "rois.csv"),
                "results": str(folder / "results"),
                "shard_size": 4,
                "temporal": {"start": "2022-06-01", "end": "2022-07-16"},
                **config,
            }
        )
    )
    return load_study(path)


def run(study):
    store, options = Store(study.store), study.node_options()
    for node in study.nodes().values():
        for shard in study.shards:
            run_job(Job(node, shard, store, options))


def held(study, node, names):
    """Millions of values in datasets of these names, over all shards."""
    total = 0

    def visit(name, item):
        nonlocal total
        if isinstance(item, h5py.Dataset) and name.rsplit("/", 1)[-1] in names:
            total += item.size

    for shard in study.shards:
        with h5py.File(Store(study.store).path(node, shard.name)) as file:
            file.visititems(visit)
    return total / 1e6


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "rcf", "image_size": 32, "features": 16},
        {"model": "rcf", "image_size": 16, "features": 16, "output": "grid", "scale_m": 20},
        {"model": "rcf", "image_size": 64, "input_prep": "resize", "features": 16},
        {"model": "galileo", "variant": "nano", "weights": "random", "image_size": 16, "frames": 2},
    ],
)
def test_volumes_are_those_of_the_files(tmp_path, settings):
    study = write(tmp_path, base=settings)
    run(study)
    (profile,) = study.profiles
    nodes = {node.stage: node for node in profile.node.upstream()}
    places = merged(Places(s.extents, own_days(s.rois)) for s in study.shards)
    found = {stage: volume_of(node, places[0]) for stage, node in nodes.items()}
    assert len(places) == 1
    assert found["composite"].written == pytest.approx(
        held(study, nodes["composite"], {"frames"}), rel=0.15
    )
    tiles = sum(
        Store(study.store).read_record(nodes["infer"], s.name)["tiles"] for s in study.shards
    )
    assert found["infer"].tiles == pytest.approx(tiles, rel=0.35)
    assert found["prep"].written / found["prep"].tiles == pytest.approx(
        held(study, nodes["prep"], {"pixels"}) / tiles, rel=0.01
    )
    if settings.get("output") == "grid":
        cells = held(study, nodes["stitch"], {"grid"})
        assert found["stitch"].written == pytest.approx(cells, rel=0.35)


def test_volumes_of_jobs_are_their_sum(tmp_path):
    study = write(tmp_path, base={"model": "rcf", "image_size": 32})
    each = [Places(s.extents, own_days(s.rois)) for s in study.shards]
    assert len(each) > 1
    (together,) = merged(each)
    for node in study.nodes().values():
        volumes, whole = [volume_of(node, p) for p in each], volume_of(node, together)
        for name in ("jobs", "rois", "roi_days", "tiles", "read", "written", "gflops"):
            summed = sum(getattr(v, name) for v in volumes)
            assert getattr(whole, name) == pytest.approx(summed), (node.stage, name)


def test_windows_of_their_own_count_and_do_not_mix_with_others():
    own, other = Places({300: 2}, 10.0), Places({300: 6}, 30.0)
    bare = Places({300: 1})
    found = merged([own, bare, other, bare])
    assert [(p.own_days, p.jobs, sum(p.extents.values())) for p in found] == [
        (25.0, 2, 8),
        (None, 2, 2),
    ]


@given(
    parts=st.lists(st.floats(0.0, 20.0), min_size=3, max_size=3).filter(lambda p: sum(p) > 1),
    rows=st.lists(st.tuples(*[st.floats(0.5, 50.0)] * 3), min_size=12, max_size=20),
)
@settings(deadline=None)
def test_a_fit_adds_up_and_has_no_part_below_zero(parts, rows):
    costs = [sum(p * n for p, n in zip(parts, row, strict=True)) for row in rows]
    found = fit(rows, costs, (1.0, 1.0, 1.0))
    assert min(found.parts) >= 0
    assert sum(found.of(row) for row in rows) == pytest.approx(sum(costs), rel=1e-6)
    assert found.low <= 1 <= found.high


def test_a_fit_finds_parts_and_one_job_scales_the_guess():
    generator = np.random.default_rng(1)
    rows = generator.uniform(1, 30, (40, 3))
    costs = rows @ np.array([2.0, 0.0, 0.5])
    found = fit(rows.tolist(), costs.tolist(), (1.0, 1.0, 1.0))
    assert found.parts == pytest.approx((2.0, 0.0, 0.5), abs=0.02)
    single = fit([(1.0, 10.0)], [24.0], (2.0, 1.0))
    assert single.parts == pytest.approx((4.0, 2.0))
    assert (single.low, single.high) == pytest.approx((1 / 1.5, 1.5))


def test_records_of_a_run_forecast_the_same_work_again(tmp_path):
    study = write(tmp_path, base={"model": "rcf", "image_size": 32, "features": 16})
    run(study)
    other = [f"q{i},{9.6 + 0.013 * i},{50.5 + 0.007 * i},150" for i in range(16)]
    more = write(tmp_path, other, base={"model": "rcf", "image_size": 32, "features": 16})
    told = totals(forecast(more))
    run(more)
    store = Store(more.store)
    size = sum(
        store.path(n, s.name).stat().st_size for n in more.nodes().values() for s in more.shards
    )
    assert told["disk_bytes"].value == pytest.approx(size, rel=0.1)
    assert "measured here" in told["disk_bytes"].basis


def test_requests_and_bytes_are_those_that_a_service_counts(tmp_path):
    """Of each place one request for the list of its scenes, and one for their pixels."""
    builder = made.Builder(tmp_path / "ee")
    made._sentinel2(builder)
    at = serve(builder.root)
    at.prices = Prices()
    base = {
        "provider": "earthengine",
        "model": "rcf",
        "context_m": 0,
        "earthengine": {"url": at.url, "project": "p", "profile": "always"},
    }
    place = "x{},15.001,46.05,50"
    study = write(
        tmp_path,
        [place.format(i) for i in range(5)],
        base=base,
        temporal={"start": "2022-06-01", "end": "2022-07-01"},
        prices={"thousand_requests": 10, "eecu_hour": 2, "currency": "EUR"},
    )
    before = totals(forecast(study))
    assert before["requests"].value == 10  # and a look at the profile of each
    assert before["eecu_seconds"].basis == "guess"
    (node,) = [n for n in study.nodes().values() if n.stage == "fetch"]
    for shard in study.shards:
        run_job(Job(node, shard, Store(study.store), study.node_options()))
    assert Counter(entry["path"].rsplit(":", 1)[-1] for entry in at.log if "tag" in entry) == {
        "compute": 15,
        "computePixels": 5,
    }
    spent = sum(at.charged.values())
    at.close()
    more = write(
        tmp_path,
        [place.format(f"y{i}") for i in range(20)],
        base=base,
        temporal={"start": "2022-06-01", "end": "2022-07-01"},
        prices={"thousand_requests": 10, "eecu_hour": 2, "currency": "EUR"},
    )
    costs = forecast(more)
    told = totals(costs)
    assert told["eecu_seconds"].value == pytest.approx(4 * spent, rel=0.05)
    assert told["eecu_seconds"].basis == "ledger (10 requests told)"
    assert told["requests"].value == pytest.approx(80, rel=0.01)
    paid = money(more, costs)
    assert paid.value == pytest.approx(
        10 * told["requests"].value / 1000 + 2 * told["eecu_seconds"].value / 3600
    )
    assert paid.low < paid.value < paid.high


def test_money_is_of_what_has_a_price(tmp_path):
    study = write(tmp_path, base={"model": "rcf"}, prices={"cpu_hour": 3.0, "gb": 5.0})
    costs = forecast(study)
    core = sum(c.amounts["core_seconds"].value for c in costs)
    kept = sum(c.amounts["disk_bytes"].value for c in costs if c.node.stage == "stitch")
    assert money(study, costs).value == pytest.approx(3 * core / 3600 + 5 * kept / 1e9)
    assert money(write(tmp_path, base={"model": "rcf"}), costs) is None


@pytest.mark.parametrize("slots", [1, 2, 3, 50])
def test_wall_time_bounds_every_schedule_without_idle_slots(tmp_path, slots):
    study = write(tmp_path, base={"model": "rcf"}, sweep=[{"image_size": [32, 64]}])
    generator = np.random.default_rng(slots)
    seconds = {key: float(generator.uniform(1, 9)) for key in study.nodes()}
    costs = [_cost(node, len(study.shards), seconds[key]) for key, node in study.nodes().items()]
    wall = wall_seconds(study, costs, slots)
    took = _scheduled(study, seconds, slots)
    assert wall.low - 1e-9 <= took <= wall.high + 1e-9
    assert wall.low <= wall.seconds <= wall.high


def _cost(node, shards, seconds):
    total = seconds * shards
    return NodeCost(node, shards, 0, 1, {"core_seconds": Amount(total, total, total, "")})


def _scheduled(study, seconds, slots):
    """A greedy schedule of every job, by brute force."""
    left = {
        (n.key, s.name): {(i.key, s.name) for i in n.inputs.values()}
        for n in study.nodes().values()
        for s in study.shards
    }
    running, done, now = [], set(), 0.0
    while left or running:
        for job in [job for job, needs in left.items() if needs <= done]:
            if len(running) < slots:
                running.append((now + seconds[job[0]], job))
                del left[job]
        now = min(running)[0]
        done |= {job for end, job in running if end <= now}
        running = [(end, job) for end, job in running if end > now]
    return now


def test_costs_are_compared_within_a_network_and_a_way_of_stitching(tmp_path):
    study = write(tmp_path, base={"model": "rcf"}, sweep=[{"output": ["pooled", "grid"]}])
    groups = {group_of(p.node) for p in study.profiles}
    assert groups == {
        ("stitch", "pooled", "rcf", "gaussian"),
        ("stitch", "grid", "rcf", "gaussian"),
    }
    assert measured(Store(tmp_path / "nothing")) == {}


def test_shards_know_their_own_windows():
    assert own_days([]) is None
    assert own_days(Shard("x", []).rois) is None
