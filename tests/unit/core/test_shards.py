"""Shards: an edit of a table touches one of them, on any machine."""

import json
import os
import subprocess
import sys
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rsweep.core.roi import Roi
from rsweep.core.shards import make_shards

TARGET = 40


def roi(name: object, lon: float = 1.0) -> Roi:
    return Roi(f"roi{name}", {"type": "point", "lon": lon, "lat": 2.0, "buffer_m": 100.0})


TABLE = [roi(i) for i in range(1000)]
SHARDS = make_shards(TABLE, TARGET)
NAMES = {shard.name for shard in SHARDS}


def fresh(rois: list[Roi]) -> list:
    """Shards of a changed table that a store of the old one lacks."""
    return [shard for shard in make_shards(rois, TARGET) if shard.name not in NAMES]


def holders(names: set[str]) -> int:
    """How many old shards had these ROIs."""
    return sum(any(r.id in names for r in shard.rois) for shard in SHARDS)


def test_a_table_in_order_cut_into_groups_around_the_target():
    assert [r for shard in SHARDS for r in shard.rois] == TABLE
    assert len(NAMES) == len(SHARDS)
    large = make_shards([roi(i) for i in range(50_000)], 256)
    sizes = sorted(len(shard.rois) for shard in large)
    assert 256 / 1.3 < 50_000 / len(large) < 256 * 1.3
    assert sizes[-1] < 10 * 256


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999))
def test_editing_one_touches_its_shard_alone(at):
    changed = fresh([*TABLE[:at], replace(TABLE[at], shape=roi(0, 3.0).shape), *TABLE[at + 1 :]])
    assert len(changed) == 1
    assert TABLE[at].id in {r.id for r in changed[0].rois}
    assert holders({r.id for r in changed[0].rois}) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999))
def test_removing_one_changes_at_most_one_shard(at):
    assert len(fresh([*TABLE[:at], *TABLE[at + 1 :]])) <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(1000, 99_999))
def test_adding_one_recomputes_at_most_one_old_shard(at, new):
    changed = fresh([*TABLE[:at], roi(new), *TABLE[at:]])
    assert 1 <= len(changed) <= 2  # two if the new one ends a shard
    assert holders({r.id for shard in changed for r in shard.rois}) <= 1


def test_labels_change_no_shard():
    assert fresh([replace(r, properties={"label": "x"}) for r in TABLE]) == []


def test_the_same_in_another_process_under_other_hash_seeds():
    code = (
        "import json; from rsweep.core.roi import Roi\n"
        "from rsweep.core.shards import make_shards\n"
        "shape = {'buffer_m': 100.0, 'lat': 2.0, 'lon': 1.0, 'type': 'point'}\n"
        "rois = [Roi(f'roi{i}', shape) for i in range(1000)]\n"
        f"print(json.dumps([s.name for s in make_shards(rois, {TARGET})]))"
    )
    for seed in ("0", "4711"):
        found = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert json.loads(found.stdout) == [shard.name for shard in SHARDS]
