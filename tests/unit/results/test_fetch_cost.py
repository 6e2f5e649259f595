"""What was asked of services, in meta.json and in the sweep table."""

import pytest

from rsweep.results.profile import _fetch_cost
from rsweep.results.table import _flat


def record(**own):
    return {
        "rois": 10,
        "seconds": 1.0,
        "requests": 40,
        "bytes": 5000,
        "eecu_seconds": 2.5,
        "modelled_requests": 4,
        **own,
    }


def test_requests_are_summed_over_shards_and_sensors():
    one = _fetch_cost({"a": record(), "b": record(requests=2)}, {})
    assert one == {
        "requests": 42,
        "fetched_bytes": 10_000,
        "eecu_seconds": 5.0,
        "modelled_requests": 8,
    }
    both = _fetch_cost({"a": record()}, one)
    assert both["requests"] == 82


def test_a_job_that_went_on_stands_for_the_rois_that_it_found():
    found = _fetch_cost({"a": record(reused_rois=5)}, {})
    assert found["requests"] == 80
    assert found["eecu_seconds"] == pytest.approx(5.0)
    assert _fetch_cost({"a": record(reused_rois=10)}, {})["requests"] == 40


def test_imagery_on_disk_asks_nothing_and_a_lost_record_is_not_guessed():
    assert _fetch_cost({"a": {"rois": 10, "seconds": 1.0, "reused_rois": 0}, "b": {}}, {}) == {}


def test_costs_by_size_have_a_column_each():
    cost = {
        "seconds": 1.0,
        "money": 2.0,
        "per_1k_rois": {"requests": 5.0, "energy_wh": 7.0},
        "per_km2": {"requests": 0.1},
    }
    assert _flat(cost) == {
        "cost_money": 2.0,
        "cost_requests_per_1k_rois": 5.0,
        "cost_energy_wh_per_1k_rois": 7.0,
        "cost_requests_per_km2": 0.1,
    }
