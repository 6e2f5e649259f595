"""Profiles under a budget: against every subset of small sweeps, and closed forms."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsweep.budget.cover import cheapest_cover, total
from rsweep.budget.design import choose_profiles
from rsweep.budget.effects import Candidate, rank, sweep_effects, variances


def grid(seed: int, sizes=(2, 3, 2)) -> tuple[list[Candidate], dict[str, float]]:
    """Profiles over knobs a, b, c; inference is shared by all c, fetch by all b and c."""
    draw = random.Random(seed)
    costs: dict[str, float] = {}
    found = []
    for a, b, c in itertools.product(*map(range, sizes)):
        nodes = {"fetch": f"f{a}", "infer": f"i{a}{b}", "stitch": f"s{a}{b}{c}"}
        for key in nodes.values():
            costs.setdefault(key, draw.choice([0.0, 1.0, 2.5, 7.0]))
        levels = {"a": a, "b": b, "c": c}
        found.append(Candidate(f"{a}{b}{c}", levels, {s: frozenset([k]) for s, k in nodes.items()}))
    return found, costs


def subsets(count: int, least: int):
    for size in range(least, count + 1):
        yield from itertools.combinations(range(count), size)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_the_cover_is_the_cheapest_of_all_subsets(seed):
    candidates, costs = grid(seed)
    rows = sweep_effects(candidates).matrix
    best = min(total(s, candidates, costs) for s in subsets(12, 5) if rank(rows[list(s)]) == 5)
    cover = cheapest_cover(rows, candidates, costs, seconds=20)
    assert rank(rows[list(cover.chosen)]) == 5
    assert cover.cost == pytest.approx(best)
    assert cover.bound <= best + 1e-6
    assert cover.gap < 1e-5


def test_a_bound_holds_where_there_was_no_time():
    candidates, costs = grid(3, (4, 4, 3))
    rows = sweep_effects(candidates).matrix
    hurried = cheapest_cover(rows, candidates, costs, seconds=0)
    patient = cheapest_cover(rows, candidates, costs, seconds=20)
    assert hurried.bound <= patient.cost <= hurried.cost
    assert rank(rows[list(hurried.chosen)]) == rank(rows)


def test_variances_are_those_of_least_squares():
    candidates, _ = grid(0)
    effects = sweep_effects(candidates, [("a", "b")])
    x = effects.matrix
    assert np.allclose(variances(effects, range(12)), np.diag(np.linalg.inv(x.T @ x))[1:])


def test_two_levels_measured_once_each_differ_by_twice_the_noise():
    pair = [Candidate(n, {"knob": n}, {"stitch": frozenset([n])}) for n in "ab"]
    effects = sweep_effects(pair)
    assert effects.names == ("knob: b against a",)
    assert variances(effects, [0, 1]) == pytest.approx([2.0])
    assert variances(effects, [0]) == [np.inf]


def test_what_always_changes_together_is_said_to_be_aliased():
    both = [Candidate(n, {"x": n, "y": n}, {"stitch": frozenset([n])}) for n in "ab"]
    effects = sweep_effects(both)
    assert effects.names == ("x: b against a",)
    assert effects.aliased == ("y: b against a",)


def test_a_knob_that_a_model_lacks_is_estimated_from_the_others():
    rows = [("m", 1), ("m", 2), ("n", None)]
    some = [
        Candidate(
            f"{m}{p}", {"model": m} | ({"patch": p} if p else {}), {"s": frozenset([f"{m}{p}"])}
        )
        for m, p in rows
    ]
    effects = sweep_effects(some)
    assert len(effects.names) == 2
    assert np.isfinite(variances(effects, [0, 1, 2])).all()
    assert np.isfinite(variances(effects, [0, 1])).tolist() == [False, True]


@pytest.mark.parametrize("budget", [8.0, 20.0, 40.0, 1000.0])
def test_a_design_stays_within_its_budget_and_says_what_it_lacks(budget):
    candidates, costs = grid(5, (3, 3, 2))
    design = choose_profiles(candidates, costs, budget, seconds=2)
    assert design.cost <= budget
    assert {*design.estimated, *design.missing} == set(sweep_effects(candidates).names)
    place = {c.name: i for i, c in enumerate(candidates)}
    assert design.cost == total([place[n] for n in design.chosen], candidates, costs)
    if budget >= design.least:
        assert not design.missing


def test_more_money_never_makes_effects_less_sure():
    candidates, costs = grid(5, (3, 3, 2))
    sums = [
        sum(choose_profiles(candidates, costs, b, seconds=2).estimated.values())
        for b in (60.0, 80.0, 1000.0)
    ]
    assert sums == sorted(sums, reverse=True)
    whole = variances(sweep_effects(candidates), range(len(candidates)))
    assert sums[-1] == pytest.approx(whole.sum())


def test_interactions_are_given_up_before_main_effects():
    candidates, costs = grid(5, (3, 3, 2))
    main = choose_profiles(candidates, costs, 1000, seconds=2)
    design = choose_profiles(candidates, costs, main.least, [("a", "b")], seconds=4)
    assert set(design.estimated) == set(main.estimated)
    assert all(" x " in name for name in design.missing)
    assert design.missing


def test_a_budget_below_the_cheapest_profile_is_an_error():
    candidates = [Candidate(n, {"knob": n}, {"stitch": frozenset([n])}) for n in "ab"]
    with pytest.raises(ValueError, match=r"budget 1 is below the cheapest profile \(2\)"):
        choose_profiles(candidates, {"a": 2.0, "b": 3.0}, 1.0)


def test_an_interaction_of_a_knob_that_does_not_vary_is_an_error():
    candidates, costs = grid(1)
    with pytest.raises(ValueError, match="d does not vary; varying: a, b, c"):
        choose_profiles(candidates, costs, 100.0, [("a", "d")])
