"""Parts of the page: names, axes, charts, and what is warned of."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsweep.evaluate.verdict import (
    Cost,
    Curve,
    Interval,
    Likeness,
    Standing,
    Verdict,
)
from rsweep.report import page
from rsweep.report.labels import short_names
from rsweep.report.plots import Point, front_of
from rsweep.report.quality import cost_ratio, possible, quality_view, renamed
from rsweep.report.svg import Axis, axis_of, tag
from rsweep.report.tables import failure_table, listed, profile_table
from rsweep.results.ran import Ran, read_ran

LONG = {"a_model-x_patch-4": "x · 4", "a_model-x_patch-8": "x · 8"}


def standing(name, status="undecided", quality=0.9):
    return Standing(
        name,
        status,
        Interval(quality, quality - 0.1, quality + 0.2),
        Interval(0.0, -0.05, 0.02),
        0.1,
        0.6,
        0.3,
        0.5,
        {"knn": {"r2": quality}},
        20,
        0,
        Cost(60.0, seconds_per_1k_rois=3000.0),
    )


@pytest.fixture
def verdict():
    dear, cheap = LONG
    return Verdict(
        "yield",
        "regression",
        "r2",
        0.01,
        "told by the judge",
        cheap,
        dear,
        0.4,
        None,
        0.0,
        {},
        20,
        20,
        20,
        "5 folds",
        9,
        [standing(dear, "within"), standing(cheap, "within", 0.8)],
        curves=[Curve(dear, (5, 10, 50), (0.2, 0.5, 0.9), 10.0), Curve(cheap, (5,), (0.1,))],
        curve_reference=dear,
        likeness=Likeness([*LONG], [[1, 0.75], [0.75, 1]], [[1, 0.5], [0.5, 1]]),
    )


def test_the_answer_calls_profiles_by_the_settings_that_differ(verdict):
    view = quality_view(verdict, None, LONG)
    assert view.answer == (
        "Use x · 8: it is within 0.01 R² of the best of 2 profiles with 95 % confidence, and costs "
        "50.0 min for 1,000 ROIs, 40% less than x · 4, which scored highest."
    )


def test_no_long_name_is_left(verdict):
    assert not any(name in repr(renamed(verdict, LONG)) for name in LONG)


def test_where_nothing_compares_the_judges_words_stand(verdict):
    none = replace(verdict, best=None, recommended=None)
    assert quality_view(none, None, LONG).answer == "told by the judge"


def test_differences_are_signed_towards_the_best(verdict):
    first, second = quality_view(verdict, None, LONG).differences.rows
    assert (first.words, first.kind) == ("the best", "within")
    assert (second.words, second.kind) == ("0 (-0.020 to +0.050)", "recommended")


def test_curves_say_how_many_labels_are_needed(verdict):
    drawn = quality_view(verdict, None, LONG).curves
    assert [line.words for line in drawn.legend] == [
        "x · 4: as good with about 10 labels",
        "x · 8: never as good",
    ]
    assert drawn.chart.count("<circle") == 4
    assert drawn.chart.count('class="line c0"') == drawn.chart.count('class="line c1"') == 1


def test_likeness_has_both_measures(verdict):
    first, second = quality_view(verdict, None, LONG).likeness.rows
    assert [first.cells[1], second.cells[0]] == [("0.75", 0.75), ("0.50", 0.5)]


def test_names_tell_all_profiles_apart():
    base = {"model": "m", "frames": 1, "output": "grid", "note": None}
    found = short_names(
        {
            "long_a": base,
            "long_b": {**base, "frames": 4},
            "other": {**base, "model": "n"},
            "again": {**base, "model": "n"},
        }
    )
    assert found == {
        "long_a": "m · frames 1",
        "long_b": "m · frames 4",
        "other": "n (other)",
        "again": "n (again)",
    }


def test_names_of_many_knobs_have_what_is_unusual():
    base = {"model": "m", **dict.fromkeys("abcde", 1)}
    found = short_names({"base": base} | {f"{k}2": {**base, k: 2} for k in "abcde"})
    assert found == {"base": "m"} | {f"{k}2": f"{k} 2" for k in "abcde"}
    crossed = short_names({f"{a}{b}": {**base, "a": a, "b": b} for a in (1, 2) for b in (1, 2)})
    assert crossed["11"] == "a 1 · b 1"


def test_names_warn_of_random_weights():
    base = {"model": "m", "weights": "random", "frames": 1}
    assert short_names({"a": base}) == {"a": "m · random weights"}
    both = {"a": base, "b": {**base, "weights": "pretrained"}}
    assert list(short_names(both).values()) == ["m · random weights", "m · pretrained weights"]


def test_scores_are_what_can_be():
    wide = Interval(0.9, -0.2, 1.3)
    assert possible(wide, "balanced_accuracy") == Interval(0.9, 0.0, 1.0)
    assert possible(wide, "r2") == Interval(0.9, -0.2, 1.0)
    assert axis_of([0.9, 1.0], 0.0, 1.0).high == 1.0


@given(st.floats(-100, 100), st.floats(1e-3, 100), st.booleans())
def test_ticks_lie_inside_and_are_few(low, span, log):
    low = abs(low) + 0.01 if log else low
    axis = Axis(low, low + span, log)
    ticks = axis.ticks()
    assert len(ticks) <= 12
    assert ticks == sorted(ticks)
    assert all(0 <= axis.at(tick) <= 1 for tick in ticks)


def test_front_is_of_those_that_no_cheaper_one_reaches():
    costs = [(1, 0.5), (2, 0.4), (3, 0.9), (3, 0.8), (4, 0.9)]
    points = [Point(i, "", cost, Interval(q, q, q), "", False) for i, (cost, q) in enumerate(costs)]
    assert [p.number for p in front_of(points)] == [0, 2]


def test_text_is_escaped():
    assert tag("p", "a < b", tag("b", "&"), class_='"x"', id=None) == (
        '<p class="&#34;x&#34;">a &lt; b<b>&amp;</b></p>'
    )


@pytest.mark.parametrize(
    "ratio, words",
    [
        (2.13, "costs 2.1 times as much"),
        (1.2, "costs 20 % more"),
        (0.82, "costs 18 % less"),
        (1.001, "costs the same"),
    ],
)
def test_cost_in_words(ratio, words):
    assert cost_ratio(ratio) == words


def test_equal_reasons_are_counted_over_profiles():
    failed = {"a": {"r1": "cloud", "r2": "cloud"}, "b": {"r1": "cloud", "r3": "sea"}}
    ran = {name: Ran({}, {}, 3, own, 1.0, 1.0) for name, own in failed.items()}
    table = failure_table(ran, {"a": "A", "b": "B"})
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["cloud", "2", "r1; r2", "all"],
        ["sea", "1", "r3", "B"],
    ]
    assert listed(list("abcde")) == "a; b; c and 2 more"


def test_untrained_networks_and_filled_in_pixels_are_warned_of(study):
    ran = read_ran(study)
    names = {p.name: p.name for p in study.profiles}
    assert page._alerts(study, ran, names) == []
    first = study.profiles[0]
    drawn = replace(
        study, profiles=[replace(first, settings={**first.settings, "weights": "random"})]
    )
    ran = {first.name: replace(ran[first.name], mostly_filled=2)}
    random, filled = page._alerts(drawn, ran, names)
    assert random.startswith(f"Random weights: {first.name}. These networks were not trained")
    assert filled.startswith("Less than half of what the network saw was measured")


def test_distances_from_native_grids_are_shown_where_known():
    row = {
        "profile": "a",
        "seconds": 1.0,
        "infer_seconds": 1.0,
        "tiles": 1,
        "peak_memory_mb": 9.0,
        "bytes": 1e6,
        "valid_share": 1.0,
        "real_share": 0.3,
        "rois_failed": 0,
    }
    names = {"a": "A", "b": "B"}
    rows = [{**row, "native_distance": 0.25}, {**row, "profile": "b"}]
    table = profile_table(rows, names, None)
    place = [column.name for column in table.columns].index("Distance from native grid")
    assert [line[place].text for line in table.rows] == ["0.25", ""]
    real = [column.name for column in table.columns].index("Real share of input")
    assert (table.rows[0][real].text, table.rows[0][real].kind) == ("30%", "bad")
    without = profile_table([row], names, None)
    assert "Distance from native grid" not in [column.name for column in without.columns]
