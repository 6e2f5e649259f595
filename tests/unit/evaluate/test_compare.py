"""Comparison: closed forms, an independent bootstrap, and claims that hold as often as said."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.metrics import balanced_accuracy_score, r2_score

from rsweep.evaluate.compare import (
    Draws,
    Outcomes,
    compare,
    contrast,
    decide,
    draw,
    front,
    split_factor,
)


def outcomes(profiles=4, rois=300, task="classification", seed=0, per_block=1):
    rng = np.random.default_rng(seed)
    blocks = np.arange(rois) // per_block
    if task == "regression":
        truth = rng.normal(size=rois)
        gains = rng.normal(0, 0.5, (profiles, rois)) ** 2
    else:
        truth = rng.choice(3, rois, p=[0.6, 0.3, 0.1])
        gains = (rng.random((profiles, rois)) < 0.7).astype(float)
    return Outcomes(task, truth, blocks, gains)


def test_quality_is_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 200, p=[0.6, 0.3, 0.1])
    guess = np.where(rng.random(200) < 0.6, truth, rng.choice(3, 200))
    found = Outcomes("classification", truth, np.arange(200) // 7, (guess == truth)[None] * 1.0)
    assert found.of(found.gains)[0] == pytest.approx(balanced_accuracy_score(truth, guess))
    values = rng.normal(3, 2, 200)
    near = values + rng.normal(size=200)
    found = Outcomes("regression", values, np.arange(200) // 7, ((near - values) ** 2)[None])
    assert found.of(found.gains)[0] == pytest.approx(r2_score(values, near))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("per_block", [1, 6])
def test_errors_are_those_of_a_bootstrap_that_draws_blocks(task, per_block):
    data = outcomes(task=task, per_block=per_block)
    rng, count, found = np.random.default_rng(1), data.count, []
    for _ in range(1500):
        weights = np.bincount(rng.integers(0, count, count), minlength=count)[None].astype(float)
        found.append(data.quality(weights)[0])
    drawn = np.array(found)
    expected = (drawn[:, :, None] - drawn[:, None]).std(axis=0)
    errors = draw([data]).errors()
    off = ~np.eye(4, dtype=bool)
    assert errors[off] == pytest.approx(expected[off], rel=0.15)


def test_equal_profiles_differ_by_exactly_nothing():
    data = outcomes(2)
    twin = Outcomes(data.task, data.truth, data.blocks, data.gains[[0, 0, 1]])
    pairs = compare(draw([twin]))
    assert pairs.low[0, 1] == pairs.high[0, 1] == 0
    assert pairs.above(0.0)[0, 1] == 0
    assert pairs.above(-0.01)[0, 1] == 1


def test_nadeau_and_bengio():
    """Their equation 9 for 5 folds of 100 ROIs, drawn r times: (1/5r + 20/80) of a fold's 5/1."""
    for repeats in (1, 3, 10):
        expected = 5 * (1 / (5 * repeats) + 20 / 80)
        assert split_factor(repeats, 5, 20, 80) == pytest.approx(expected)
    assert split_factor(1, 1, 25, 75) == pytest.approx(1 + 1 / 3)  # one hold-out


def test_a_factor_widens_all():
    data = outcomes()
    plain, wide = compare(draw([data])), compare(draw([data], factor=4.0))
    assert wide.error == pytest.approx(2 * plain.error)
    assert wide.critical == pytest.approx(plain.critical)


def gaussian(quality, error, correlation=0.0, size=4000, seed=0):
    """Draws of qualities whose scatter is normal."""
    rng, count = np.random.default_rng(seed), len(quality)
    common, own = rng.normal(size=(size, 1)), rng.normal(size=(size, count))
    scatter = error * (np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own)
    return Draws(np.asarray(quality, float), scatter, 1e6)


def test_intervals_of_all_pairs_are_tukeys():
    """The studentised range of 8 normal variates of known variance is 4.286, over sqrt 2."""
    assert compare(gaussian([0.5] * 8, 0.02)).critical == pytest.approx(
        4.286 / np.sqrt(2), rel=0.03
    )
    assert compare(gaussian([0.5] * 2, 0.02)).critical == pytest.approx(1.96, rel=0.03)


def test_few_blocks_widen_as_students_t():
    few = gaussian([0.5] * 2, 0.02)
    few = Draws(few.quality, few.scatter, 4)
    assert compare(few).critical == pytest.approx(2.776, rel=0.03)


def test_bounds_against_the_best_are_dunnetts():
    """One-sided, seven others, equal errors: P(all others are below) = integral of Phi(.)^7 phi."""
    z = np.linspace(-8, 8, 4001)

    def covered(half):
        return np.trapezoid(stats.norm.cdf(half * np.sqrt(2) + z) ** 7 * stats.norm.pdf(z), z)

    exact = optimize.brentq(lambda half: covered(half) - 0.95, 1, 4)
    pairs = compare(gaussian([0.5] * 8, 0.02, size=40_000))
    assert pairs.reach == pytest.approx([exact] * 8, rel=0.02)
    few = gaussian([0.5] * 2, 0.02)
    few = Draws(few.quality, few.scatter, 4)
    assert compare(few).reach == pytest.approx([2.132] * 2, rel=0.03)


@pytest.mark.parametrize("truth", [[0.5] * 6, [0.5, 0.5, 0.4, 0.3, 0.2, 0.1], [0.6] + [0.5] * 5])
def test_bounds_against_the_best_hold_for_all_profiles_at_once(truth):
    """Also where errors are unequal, whichever is the best, and chosen by score or not."""
    truth, rng = np.array(truth), np.random.default_rng(0)
    error = np.array([0.01, 0.02, 0.05, 0.05, 0.02, 0.01])
    draws = Draws(truth, error * rng.normal(size=(4000, 6)), 1e6)
    pairs, behind, held = compare(draws), truth.max() - truth, 0
    for quality in truth + error * rng.normal(size=(2000, 6)):
        found = replace(pairs, difference=quality[:, None] - quality[None])
        held += (found.behind >= behind - 1e-12).all()
    assert held / 2000 >= 0.94


def test_probabilities_of_a_difference():
    pairs = compare(gaussian([0.52, 0.5], 0.01 / np.sqrt(2)))  # the difference's error is 0.01
    assert pairs.above(0.0)[0, 1] == pytest.approx(0.977, abs=0.005)
    assert pairs.above(0.02)[0, 1] == pytest.approx(0.5, abs=0.02)
    assert pairs.above(0.02)[1, 0] < 1e-3


def test_the_cheapest_within_the_margin_is_recommended():
    pairs = compare(gaussian([0.70, 0.796, 0.80, 0.80], 0.0005))
    found = decide(pairs, np.array([1.0, 2.0, 3.0, 4.0]), 0.01)
    assert found.recommended == 1
    assert found.within.tolist() == [False, True, True, True]
    assert found.worse.tolist() == [True, False, False, False]
    assert found.more is None
    strict = decide(pairs, np.array([1.0, 2.0, 3.0, 4.0]), 0.003)
    assert strict.recommended == 2


def test_undecided_says_how_many_more():
    pairs = compare(gaussian([0.80, 0.80], 0.02))
    found = decide(pairs, np.array([1.0, 2.0]), 0.01)
    assert found.recommended is None
    assert not found.worse.any()
    assert found.more == pytest.approx((1.645 * 0.02 * np.sqrt(2) / 0.01) ** 2, rel=0.15)
    wider = compare(gaussian([0.80, 0.80], 0.02 / np.sqrt(found.more * 1.2)))
    assert decide(wider, np.array([1.0, 2.0]), 0.01).recommended == 0
    assert decide(pairs, np.array([1.0, 2.0]), 0.0).more is None


def test_front():
    draws = gaussian([0.5, 0.7, 0.7, 0.6], 0.0001)
    found = front(draws, np.array([1.0, 2.0, 3.0, 4.0]))
    assert found[:2] == pytest.approx([1, 1], abs=0.01)
    assert found[2] == pytest.approx(0.5, abs=0.05)
    assert found[3] == 0
    assert front(draws, np.array([4.0, 3.0, 2.0, 1.0]))[[0, 3]] == pytest.approx([0, 1])


def test_contrasts_are_simultaneous():
    draws = gaussian([0.5, 0.6, 0.7, 0.8], 0.01)
    rows = np.array([[-1.0, 1, 0, 0], [0, 0, -1, 1], [-0.5, -0.5, 0.5, 0.5]])
    values, halves = contrast(draws, rows)
    assert values == pytest.approx([0.1, 0.1, 0.2])
    # Three independent normal contrasts: 2.388 standard errors.
    assert halves == pytest.approx(2.388 * 0.01 * np.array([2**0.5, 2**0.5, 1]), rel=0.05)


@pytest.mark.parametrize("profiles", [2, 12])
def test_equal_profiles_are_seldom_told_apart(profiles):
    """Of 12 equal profiles the former rule told some apart in 59 of 80 studies."""
    told = 0
    for seed in range(100):
        pairs = compare(draw([outcomes(profiles, 150, seed=seed)], split_factor(3, 5, 20, 80)))
        told += bool((pairs.low > 0).any())
    assert told <= 11  # 5 % of 100, and 2.5 standard deviations
