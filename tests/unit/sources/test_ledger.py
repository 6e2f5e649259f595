"""The ledger of Earth Engine: what is charged is written down, and a budget is never passed.

The genuine ee client talks to the stand-in, whose prices rsweep's model of cost is not made of.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ee_store as made
import pytest
from ee_server import serve
from ee_server.charges import Prices
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from rsweep.core.errors import BudgetError, SourceError, StudyError, TransientError
from rsweep.core.grid import Grid
from rsweep.core.store import Store
from rsweep.jobs.runner import run_job
from rsweep.plan.study import load_study
from rsweep.sources.earthengine import ledger as ledger_module
from rsweep.sources.earthengine.charges import (
    ENOUGH,
    GUESS,
    Asked,
    Fit,
    at_most,
    expected,
    read_profile,
)
from rsweep.sources.earthengine.client import Client
from rsweep.sources.earthengine.ledger import HOUR, Ledger
from rsweep.sources.earthengine.reduce import composite_frames
from rsweep.sources.earthengine.source import EarthEngine
from rsweep.stages.composite.rules import MASK_RULES
from rsweep.stages.job import Job

PIXELS = "computePixels"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    builder = made.Builder(tmp_path_factory.mktemp("ledger_store"))
    made._sentinel2(builder)
    return builder.root


@pytest.fixture
def at(images):
    server = serve(images)
    server.prices = Prices()
    yield server
    server.close()


def opened(at, store, key="k", bands=("B4",), budget=None, profile="always", **settings):
    client = Client(at.url, "project", sleep=lambda seconds: None, **settings)
    source = EarthEngine(client, made.SR, bands, profile=profile)
    source.meter(key, store, {} if budget is None else {"eecu_hours": budget})
    return source


def fetch(source, side, days=30, how="scenes"):
    """One place of a study: its scenes, or one composite of them."""
    grid = Grid(made.CRS, made.GRID.x0, made.GRID.y0, 10.0, side, side)
    scenes = source.scenes(grid, "2022-06-01", f"2022-06-{days:02d}")
    if how == "scenes":
        return list(source.read(scenes, grid))
    rules = {"scl": MASK_RULES["scl"].constants(None)}
    return list(composite_frames(source, [scenes], grid, "median", rules))


def fetch_often(source):
    for _ in range(100):
        fetch(source, 20)


def charged(at):
    return sum(at.charged.values())


def test_what_is_charged_is_written_down_under_the_key_that_asked(at, tmp_path):
    for key, side in (("aa", 20), ("bb", 40)):
        source = opened(at, tmp_path, key)
        fetch(source, side)
        assert source.stats["modelled_requests"] == 0
        assert source.stats["eecu_seconds"] == pytest.approx(at.charged[f"rsweep-{key}"])
    month = Ledger(tmp_path, "project").read()
    for key, spent in month.spent.items():
        assert spent.eecu_seconds == pytest.approx(at.charged[f"rsweep-{key}"])
        assert (spent.requests, spent.told, spent.unanswered) == (2, 2, 0)
    assert {entry.get("tag") for entry in at.log if PIXELS in entry["path"]} == {
        "rsweep-aa",
        "rsweep-bb",
    }


def test_charges_of_some_studies_predict_others(at, tmp_path):
    """Fitted on small places of few bands, told; then larger ones, of which nothing is told."""
    for side in (10, 16, 24, 30):
        for bands in (("B4",), ("B4", "B3", "B2")):
            source = opened(at, tmp_path, "seen", bands)
            fetch(source, side)
            fetch(source, side, how="composite")
    at.silent, before = True, charged(at)
    unseen = {}
    for key, bands, side, days, how in (
        ("u1", ("B4", "B3"), 40, 30, "scenes"),
        ("u2", ("B2", "B3", "B4", "B8"), 36, 15, "scenes"),
        ("u3", ("B4", "B3"), 40, 30, "composite"),
        ("u4", ("B8",), 20, 20, "composite"),
    ):
        source = opened(at, tmp_path, key, bands)
        fetch(source, side, days, how)
        assert source.stats["modelled_requests"] == 2
        unseen[key] = source.stats["eecu_seconds"]
    for key, predicted in unseen.items():
        assert predicted == pytest.approx(at.charged[f"rsweep-{key}"], rel=0.2)
    assert sum(unseen.values()) == pytest.approx(charged(at) - before, rel=0.1)


def test_without_a_profile_the_model_says_it_and_nothing_is_asked_twice(at, tmp_path):
    source = opened(at, tmp_path, profile="budget")
    fetch(source, 20)
    assert source.stats["modelled_requests"] == source.stats["requests"] == 2
    assert at.count("compute") == 2
    spent = Ledger(tmp_path, "project").read().spent["k"]
    assert spent.told == 0
    assert spent.eecu_seconds == pytest.approx(source.stats["eecu_seconds"])


def test_a_request_that_is_turned_away_costs_nothing_and_a_broken_one_stays_set_aside(at, tmp_path):
    source = opened(at, tmp_path)
    at.faults = [{"path": "value:compute", "code": 429, "times": 3}]
    fetch(source, 20)
    spent = Ledger(tmp_path, "project").read().spent["k"]
    assert (spent.requests, spent.told, spent.unanswered) == (5, 2, 0)
    assert spent.eecu_seconds == pytest.approx(charged(at))
    at.faults = [{"path": PIXELS, "cut": True, "times": 1}]
    fetch(source, 20)
    spent = Ledger(tmp_path, "project").read().spent["k"]
    assert spent.unanswered == 1
    assert spent.eecu_seconds > charged(at)  # what was cut off was charged, too


def test_a_budget_is_never_passed_and_the_next_month_goes_on(at, tmp_path, monkeypatch):
    budget = 10 / HOUR
    source = opened(at, tmp_path, budget=budget, profile="budget")
    with pytest.raises(BudgetError, match=r"eecu_hours .* next month"):
        fetch_often(source)
    assert 0.8 * 10 < charged(at) <= 10
    sent = at.count("compute")
    with pytest.raises(BudgetError):
        fetch(opened(at, tmp_path, budget=budget), 20)
    assert at.count("compute") == sent
    fits, spent = Ledger(tmp_path, "project").read().fits, charged(at)
    monkeypatch.setattr(ledger_module, "this_month", lambda: "2099-01")
    assert Ledger(tmp_path, "project").read().fits == fits
    fetch(opened(at, tmp_path, budget=budget), 20)
    assert Ledger(tmp_path, "project").read().eecu_seconds == pytest.approx(charged(at) - spent)


def test_a_guess_that_is_far_too_low_does_not_pass_a_budget(at, tmp_path):
    """Charges are ten to twenty times the guess; four threads ask before any is known."""
    at.prices = Prices(request=2.0, node=0.0)
    at.latency_s = 0.05
    source = opened(at, tmp_path, budget=7 / HOUR, bands=("B2", "B3", "B4", "B8"))
    with ThreadPoolExecutor(4) as pool:
        errors = [pool.submit(fetch, source, 20).exception() for _ in range(12)]
    assert any(isinstance(error, BudgetError) for error in errors)
    assert 1 < charged(at) <= 7


def test_under_a_budget_the_first_requests_of_a_kind_take_turns(at, tmp_path):
    ledger = Ledger(tmp_path, "project", budget_hours=1)
    inside, most = [], []

    def ask(_):
        with ledger.turn("scenes"):
            inside.append(1)
            reserved = ledger.reserve("k", Asked("scenes", 1.0))
            time.sleep(0.02)
            most.append((len(most), len(inside)))
            inside.pop()
            ledger.settle(reserved, 0.5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(20)))
    assert {count for number, count in most if number < ENOUGH} == {1}
    assert max(count for _, count in most) > 1


def test_where_nobody_says_what_a_request_cost_the_budget_counts_the_most_it_may_have(at, tmp_path):
    at.prices, at.silent = Prices(request=0.6), True
    source = opened(at, tmp_path, budget=12 / HOUR)
    with pytest.raises(BudgetError):
        fetch_often(source)
    assert 0 < charged(at) <= 12
    month = Ledger(tmp_path, "project").read()
    assert month.eecu_seconds < charged(at)  # by the guess, which is too low
    assert charged(at) <= month.most <= 12


ASKED = st.builds(Asked, st.sampled_from(["list", "scenes", "composite"]), st.floats(0, 50))


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries({kind: st.tuples(st.floats(0, 9), st.floats(0, 9)) for kind in GUESS}),
    st.lists(st.tuples(ASKED, st.floats(0.8, 1.2)), min_size=1, max_size=60),
    st.floats(1, 1000),
)
def test_no_budget_is_passed_whatever_is_charged_within_reach_of_the_guess(prices, asked, budget):
    """A kind's own price and its price by value are each up to nine times the guess."""
    fits, spent = {}, 0.0
    for one, scatter in asked:
        own, slope = (p * g for p, g in zip(prices[one.kind], GUESS[one.kind], strict=True))
        charge = scatter * (own + slope * one.millions)
        if spent + at_most(one, fits) <= budget:
            spent += charge
            fits[one.kind] = fits.get(one.kind, Fit()).with_charge(one, charge)
    assert spent <= budget


FETCHER = """
import sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from test_ledger import fetch, opened
from types import SimpleNamespace
at, side = SimpleNamespace(url=sys.argv[3]), int(sys.argv[6])
source = opened(at, Path(sys.argv[4]), f"k{side}", budget=float(sys.argv[5]), attempts=3)
from rsweep.core.errors import BudgetError
try:
    for _ in range(200):
        fetch(source, side)
except BudgetError:
    sys.exit(7)
"""


def test_jobs_at_once_do_not_pass_a_budget_together(at, tmp_path):
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1] / "standins")]
    budget = 12 / HOUR
    at.latency_s = 0.02
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", FETCHER, *paths, at.url, str(tmp_path), str(budget), side]
        )
        for side in ("20", "40")
    ]
    assert [job.wait(120) for job in jobs] == [7, 7]
    assert set(at.charged) == {"rsweep-k20", "rsweep-k40"}
    month = Ledger(tmp_path, "project").read()
    assert month.eecu_seconds == pytest.approx(charged(at))
    assert 0.8 * 12 < charged(at) <= 12


def write_study(folder, at, budget):
    lonlat = Transformer.from_crs(32633, 4326, always_xy=True)
    rows = ["id,lon,lat,buffer_m"]
    for i in range(8):
        lon, lat = lonlat.transform(
            made.GRID.x0 + 100 + 65 * (i % 4), made.GRID.y0 - 120 - 125 * (i // 4)
        )
        rows.append(f"r{i},{lon},{lat},50")
    (folder / "rois.csv").write_text("\n".join(rows))
    config = {
        "study": "s",
        "rois": str(folder / "rois.csv"),
        "results": str(folder / "results"),
        "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
        "budget": {"eecu_hours": budget},
        "base": {
            "provider": "earthengine",
            "model": "rcf",
            "context_m": 0,
            "earthengine": {"url": at.url, "project": "project", "parallel": 1},
        },
    }
    path = folder / "study.yaml"
    path.write_text(json.dumps(config))
    return path


def fetch_job(path):
    study = load_study(path)
    (node,) = [n for n in study.nodes().values() if n.stage == "fetch"]
    (shard,) = study.shards
    return Job(node, shard, Store(study.store), study.node_options())


def places(at):
    return Counter(
        (e["grid"]["affineTransform"]["translateX"], e["grid"]["affineTransform"]["translateY"])
        for e in at.log
        if PIXELS in e["path"] and e["code"] == 200
    )


JOB = """
import sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from test_ledger import fetch_job, run_job
run_job(fetch_job(Path(sys.argv[3])))
"""


def test_a_study_that_is_killed_and_then_stopped_by_its_budget_asks_for_nothing_twice(at, tmp_path):
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1] / "standins")]
    at.latency_s = 0.1
    path = write_study(tmp_path, at, 100)
    killed = subprocess.Popen(
        [sys.executable, "-c", JOB, *paths, str(path)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while at.count(PIXELS, 200) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    time.sleep(0.5)  # the answer to who is no longer there
    at.latency_s = 0.0
    ledger = Ledger(tmp_path / "results" / "store", "project")
    assert ledger.read().eecu_seconds >= charged(at) - 1e-9  # what was on its way is set aside
    budget = ledger.read().eecu_seconds + 3.3
    with pytest.raises(BudgetError):
        run_job(fetch_job(write_study(tmp_path, at, budget / HOUR)))
    assert charged(at) <= budget
    before = places(at)
    assert 3 < len(before) < 8
    job = fetch_job(write_study(tmp_path, at, 100))
    run_job(job)
    found = places(at)
    assert len(found) == 8
    assert sum(found.values()) <= 8 + 1  # of the ROI that was being fetched when it was killed
    record = job.store.read_record(job.node, job.shard.name)
    assert record["reused_rois"] >= len(before) - 1
    assert record["modelled_requests"] == 0
    assert 0 < record["eecu_seconds"] < charged(at)
    assert ledger.read().spent[job.node.key].eecu_seconds >= charged(at) - 1e-9


def test_a_damaged_ledger_is_an_error_and_not_a_fresh_start(at, tmp_path):
    fetch(opened(at, tmp_path), 20)
    (path,) = (tmp_path / "ledger").rglob("*.json")
    path.write_bytes(path.read_bytes().replace(b'"told":2', b'"told":1'))
    with pytest.raises(SourceError, match="not known what was spent"):
        fetch(opened(at, tmp_path), 20)


def test_a_service_that_fails_keeps_the_reason(at, tmp_path):
    source = opened(at, tmp_path, attempts=2)
    at.faults = [{"path": "value:compute", "code": 500, "times": 9}]
    with pytest.raises(TransientError, match="500"):
        fetch(source, 20)


@pytest.mark.parametrize("budget", [{"eecu": 5}, {"eecu_hours": -1}, {"eecu_hours": "much"}])
def test_a_budget_that_cannot_be_read_is_an_error_of_the_study(at, tmp_path, budget):
    path = write_study(tmp_path, at, 1)
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "budget": budget}))
    with pytest.raises(StudyError, match=r"budget\.eecu"):
        load_study(path)


def test_a_budget_is_in_no_key(at, tmp_path):
    first = fetch_job(write_study(tmp_path, at, 1))
    second = fetch_job(write_study(tmp_path, at, 2))
    assert first.node.key == second.node.key


@given(st.floats(0.01, 5), st.floats(0.01, 5), st.lists(st.floats(0.1, 50), min_size=8))
def test_a_line_is_found_again(own, slope, sizes):
    fit = Fit()
    for size in [*sizes, 1.0, 40.0]:
        fit = fit.with_charge(Asked("scenes", size), own + slope * size)
    assert expected(Asked("scenes", 20.0), fit) == pytest.approx(own + 20 * slope, rel=1e-3)
    assert at_most(Asked("scenes", 100.0), {"scenes": fit}) >= own + slope * 100


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), max_size=30))
def test_no_charges_whatever_give_a_cost_below_zero(charges):
    fit = Fit()
    for size, cost in charges:
        fit = fit.with_charge(Asked("composite", size), cost)
    for size in (0.0, 1.0, 100.0):
        asked = Asked("composite", size)
        assert 0 <= expected(asked, fit) <= at_most(asked, {"composite": fit})


def test_a_profile_is_summed_over_its_rows():
    text = "EECU·s PeakMem Count Description\n  0.024 2.0M 36 Image.load\n  1.5 96k 1 (plumbing)\n"
    assert read_profile(text) == pytest.approx(1.524)
    assert read_profile("nothing of the kind") is None
