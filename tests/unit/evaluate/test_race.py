"""Who goes on in a race, and which shards come first: properties, closed forms, error rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_design import options
from test_judge import embed, world

from rsweep.evaluate.compare import Outcomes, Pairs, compare, draw
from rsweep.evaluate.evaluation import evaluate
from rsweep.evaluate.race import LEAST_BLOCKS, beaten, draw_parts, look_confidence, take_look

QUALITY = st.lists(st.floats(0, 1).map(lambda q: round(q, 3)), min_size=1, max_size=8)


def pairs_of(quality, error, critical=2.0):
    """All pairs with one standard error."""
    quality = np.array(quality)
    errors = np.full((len(quality),) * 2, error)
    np.fill_diagonal(errors, 0)
    reach = np.full(len(quality), critical)
    return Pairs(quality[:, None] - quality[None], errors, critical, reach, 30.0)


def stopped(pairs, matters):
    return {one.profile for one in beaten(pairs, matters)}


@given(QUALITY, st.floats(0, 0.2), st.floats(0, 0.2))
def test_stops_those_whose_distance_from_the_top_is_surely_more_than_matters(quality, error, m):
    """With one error for all pairs the top is the one that is ahead the most surely."""
    top = max(quality)
    expected = {i for i, own in enumerate(quality) if own < top and top - own - 2 * error > m}
    assert stopped(pairs_of(quality, error), m) == expected


@given(QUALITY, st.floats(0, 0.2), st.floats(0, 0.2), st.integers(0, 99))
def test_one_goes_on_and_names_do_not_matter(quality, error, m, seed):
    found = stopped(pairs_of(quality, error), m)
    assert int(np.argmax(quality)) not in found
    order = np.random.default_rng(seed).permutation(len(quality))
    again = stopped(pairs_of(np.array(quality)[order], error), m)
    assert {int(order[i]) for i in again} == found


@given(QUALITY, st.floats(0, 0.2), st.floats(0, 0.1), st.floats(0, 0.1))
def test_a_larger_margin_and_a_larger_error_stop_no_more(quality, error, m, more):
    found = stopped(pairs_of(quality, error), m)
    assert stopped(pairs_of(quality, error), m + more) <= found
    assert stopped(pairs_of(quality, error + more), m) <= found


def test_says_who_is_better_and_by_how_much():
    (one,) = beaten(pairs_of([0.7, 0.9, 0.88], 0.05), 0.05)
    assert (one.profile, one.better) == (0, 1)
    assert one.behind.value == pytest.approx(0.2)
    assert (one.behind.low, one.behind.high) == (pytest.approx(0.1), pytest.approx(0.3))


@given(st.floats(0.5, 0.999), st.integers(1, 20))
def test_errors_of_all_looks_add_up_to_that_of_the_race(confidence, looks):
    at_each = look_confidence(confidence, looks)
    assert looks * (1 - at_each) == pytest.approx(1 - confidence)


def test_equal_profiles_are_stopped_at_any_of_the_looks_in_few_races():
    """Blocks of places alike; whoever stops in any of three looks is stopped in error."""
    wrong, races, looks = 0, 150, (100, 200, 300)
    for seed in range(races):
        rng = np.random.default_rng(seed)
        of_block = rng.beta(3, 3, (5, 40))[:, np.repeat(np.arange(40), 10)]
        gains = (rng.random((5, 400)) < of_block).astype(float)
        truth, order = rng.integers(0, 2, 400), rng.permutation(400)
        for places in looks:
            rows = order[:places]
            blocks = np.unique(np.repeat(np.arange(40), 10)[rows], return_inverse=True)[1]
            outcomes = Outcomes("classification", truth[rows], blocks, gains[:, rows])
            pairs = compare(draw([outcomes]), look_confidence(0.95, len(looks)))
            if beaten(pairs, 0.0):
                wrong += 1
                break
    assert wrong / races <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / races)


SHARDS = st.lists(st.integers(1, 30), min_size=3, max_size=12)


@given(SHARDS, st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=60)
def test_parts_are_nested_reach_their_share_and_leave_something(sizes, classes, seed):
    rng, shares = np.random.default_rng(seed), (0.25, 0.5)
    shard_of = np.repeat(np.arange(len(sizes)), sizes)
    kinds = rng.integers(0, classes, len(shard_of))
    first, second = draw_parts(shard_of, np.array(sizes), [kinds], shares)
    assert set(first) < set(second) < set(range(len(sizes)))
    for after, part, share in ((2, first, shares[0]), (1, second, shares[1])):
        if len(part) < len(sizes) - after:  # not held back for what comes after it
            assert sum(sizes[i] for i in part) >= share * sum(sizes) - 1e-9
    assert (first, second) == tuple(draw_parts(shard_of, np.array(sizes), [kinds], shares))


def test_the_first_part_covers_blocks_and_classes():
    """Eight shards of a class and a block each; and one that is large and has nothing new."""
    shard_of = np.repeat(np.arange(9), [4] * 8 + [12])
    blocks = np.repeat([0, 0, 1, 1, 2, 2, 3, 3, 0], [4] * 8 + [12])
    kinds = np.repeat([0, 0, 1, 1, 0, 0, 1, 1, 0], [4] * 8 + [12])
    (part,) = draw_parts(shard_of, np.bincount(shard_of), [blocks, kinds], [0.3])
    assert {blocks[shard_of == shard][0] for shard in part} == {0, 1, 2, 3}
    assert 8 not in part


def look_at(strengths, rows, **own):
    rng, classes, design = world()
    asked = options(probes=["linear"], strength=10.0)
    found = {}
    for name, strength in strengths.items():
        features = embed(rng, classes, strength)
        features[rows:] = np.nan
        found[name] = evaluate(features, design, asked)[1]
    return take_look(found, design, own.get("matters", 0.05), 0.975)


def test_a_look_at_a_part_compares_what_is_there_and_stops_the_worst():
    look = look_at({"good": 1.5, "twin": 1.5, "bad": 0.0}, rows=120)
    assert look.rois == 120
    assert [look.names[one.profile] for one in look.beaten] == ["bad"]
    assert look.note == ""


def test_nobody_stops_on_few_blocks():
    look = look_at({"good": 3.0, "bad": 0.0}, rows=LEAST_BLOCKS - 1)
    assert look.beaten == []
    assert f"takes {LEAST_BLOCKS}" in look.note
