"""The verdict: common ROIs, effects of knobs from matched profiles, knobs that do nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_design import clusters, options, points

from rsweep.evaluate.alike import dead_knobs, likeness
from rsweep.evaluate.assemble import Held, make_verdict
from rsweep.evaluate.compare import Draws
from rsweep.evaluate.costs import costs_of, used
from rsweep.evaluate.curves import labels_needed
from rsweep.evaluate.design import make_design
from rsweep.evaluate.effects import effects_of
from rsweep.evaluate.evaluation import evaluate
from rsweep.evaluate.judge import compare_profiles
from rsweep.evaluate.matched import Lattice, axes
from rsweep.evaluate.measures import digest_of, effective_rank, traits_of
from rsweep.evaluate.verdict import Cost
from rsweep.results.ran import Ran


def world(size=240, seed=0, **own):
    """Two classes, places, and their design."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 2, size)
    design = make_design(
        points(clusters(size // 5, 5), [f"c{c}" for c in classes]), options(cv="random", **own)
    )
    return rng, classes, design


def embed(rng, classes, strength, dims=6):
    noise = rng.normal(size=(len(classes), dims))
    noise[:, 0] += strength * (2 * classes - 1)
    return noise.astype(np.float32)


def hold(profiles, design, settings=None, **own):
    """What is held of profiles: name -> features."""
    asked = options(probes=["linear"], strength=10.0, **own)
    found = {name: evaluate(features, design, asked) for name, features in profiles.items()}
    return Held(
        {name: evaluation for name, (evaluation, _) in found.items()},
        {name: predictions for name, (_, predictions) in found.items()},
        {name: digest_of(features) for name, features in profiles.items()},
        {
            name: Cost(float(i + 1), seconds_per_1k_rois=10.0 * (i + 1))
            for i, name in enumerate(profiles)
        },
        settings or {name: {"model": "rcf", "seed": i} for i, name in enumerate(profiles)},
    )


def test_profiles_are_compared_on_the_rois_that_all_have():
    """The same information, but one fails on the hardest ROIs: it used to come out ahead."""
    rng, classes, design = world()
    hard = rng.random(240) < 0.3
    full = embed(rng, classes, np.where(hard, 0.0, 1.2))
    lame = full.copy()
    lame[hard] = np.nan
    verdict, compared = make_verdict(hold({"full": full, "lame": lame}, design), design, 0.05)
    assert set(compared.rows) == set(np.flatnonzero(~hard))
    assert verdict.compared == (~hard).sum()
    by_name = {s.profile: s for s in verdict.standings}
    assert by_name["full"].quality.value == pytest.approx(by_name["lame"].quality.value, abs=0.02)
    assert by_name["lame"].lost == hard.sum()
    assert by_name["full"].probes["linear"]["balanced_accuracy"] < by_name["full"].quality.value
    assert any(f"{hard.sum()} of 240 scored ROIs are not compared" in n for n in verdict.notes)


def test_a_profile_that_has_next_to_nothing_does_not_void_the_rest():
    rng, classes, design = world()
    full, broken = embed(rng, classes, 1.0), embed(rng, classes, 1.0)
    broken[10:] = np.nan
    verdict, compared = make_verdict(hold({"full": full, "broken": broken}, design), design, 0.1)
    assert compared.names == ["full"]
    assert verdict.standings[-1].status == "not compared"
    assert "10 of 240" in verdict.standings[-1].note
    assert any("broken" in note for note in verdict.notes)


def test_clear_differences_are_recommended_and_rejected():
    rng, classes, design = world(600)
    good = embed(rng, classes, 1.5)
    profiles = {
        "poor": embed(rng, classes, 0.2),
        "good": good,
        "dear": good + 1e-3 * rng.normal(size=good.shape).astype(np.float32),
    }
    verdict, _ = make_verdict(hold(profiles, design), design, 0.05)
    status = {s.profile: s.status for s in verdict.standings}
    assert verdict.recommended == "good"
    assert status == {"poor": "worse", "good": "within", "dear": "within"}
    assert verdict.answer.startswith("Use good: it is within 0.05 balanced accuracy of the best")
    by_name = {s.profile: s for s in verdict.standings}
    assert by_name["poor"].front > 0.99  # the cheapest of all
    assert by_name["dear"].p_equivalent > 0.99
    assert by_name["poor"].p_worse > 0.99
    assert verdict.confusion.profile == "good"
    counts = np.array(verdict.confusion.counts)
    assert counts.sum() == 600
    assert counts.sum(axis=1).tolist() == [verdict.classes["c0"], verdict.classes["c1"]]


def test_saving_is_said():
    rng, classes, design = world(600)
    good = embed(rng, classes, 1.5)
    swapped = good.copy()
    swapped[classes == 1, 0] += 0.1
    verdict, _ = make_verdict(hold({"good": good, "best": swapped}, design), design, 0.05)
    assert verdict.best == "best"
    assert verdict.saving == 0.5
    assert "50% less than best, which scored highest" in verdict.answer


def test_noise_is_undecided_and_says_how_many_rois_would_decide():
    rng, classes, design = world(120)
    profiles = {f"p{i}": embed(rng, classes, 0.5) for i in range(4)}
    verdict, _ = make_verdict(hold(profiles, design), design, 0.01)
    assert verdict.recommended is None
    assert verdict.rois_to_decide > 600
    assert "Undecided" in verdict.answer
    assert f"{verdict.rois_to_decide:,}" in verdict.answer


def test_nothing_in_common_is_no_answer():
    _, _, design = world(60)
    nothing = np.full((60, 3), np.nan, np.float32)
    verdict, compared = make_verdict(hold({"a": nothing}, design), design, 0.01)
    assert compared is None
    assert verdict.answer.startswith("No answer")


def test_a_new_profile_leaves_the_scores_of_the_others_alone():
    rng, classes, design = world()
    one, two = embed(rng, classes, 1.0), embed(rng, classes, 0.5)
    alone, both = hold({"a": one}, design), hold({"a": one, "b": two}, design)
    assert alone.evaluations["a"] == both.evaluations["a"]


def test_repeats_are_averaged():
    rng, classes, design = world(repeats=3)
    held = hold({"a": embed(rng, classes, 1.0), "b": embed(rng, classes, 0.5)}, design)
    compared = compare_profiles(held.predictions, design, {"a": 1.0, "b": 2.0}, 0.01)
    expected = held.evaluations["a"].scores["linear"]["balanced_accuracy"]
    assert compared.draws.quality[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("each", [2, 3])
def test_places_of_a_block_count_as_one(each):
    """Blocks of twins say what their firsts say: the errors are those of single places."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 40)
    right = {name: rng.random(40) < 0.7 for name in "ab"}

    def errors(times):
        labels = [f"c{c}" for c in np.repeat(classes, times)]
        farms = [f"f{i}" for i in np.repeat(np.arange(40), times)]
        places = points(clusters(40 * times, 1), labels, farm=farms)
        design = make_design(places, options(cv="group", column="farm", folds=5))
        told = {
            name: {("linear", 0): np.repeat(np.where(own, classes, 1 - classes), times)[None]}
            for name, own in right.items()
        }
        return compare_profiles(told, design, {"a": 1.0, "b": 1.0}, 0.01).pairs.error[0, 1]

    assert errors(each) == pytest.approx(errors(1), rel=0.1)


SWEEP = [
    {"model": m, "patch_size": p, "image_size": s, "bands": f"of {m}"}
    for m in ("a", "b")
    for p in (8, 16)
    for s in (32, 64)
]


def test_axes_are_what_varies_within_a_model_and_the_model():
    assert axes(SWEEP) == {
        "patch_size": ["8", "16"],
        "image_size": ["32", "64"],
        "model": ["a", "b"],
    }


def test_steps_pair_profiles_that_differ_in_nothing_else():
    steps = {(s.knob, s.low, s.high): s.pairs for s in Lattice(SWEEP).steps()}
    assert set(steps) == {
        ("patch_size", "8", "16"),
        ("image_size", "32", "64"),
        ("model", "a", "b"),
    }
    assert set(steps["patch_size", "8", "16"]) == {(0, 2), (1, 3), (4, 6), (5, 7)}
    assert set(steps["model", "a", "b"]) == {(0, 4), (1, 5), (2, 6), (3, 7)}


def test_effects_are_means_of_matched_differences_only():
    """Cells are missing: a mean by value would say something else."""
    sweep = [s for i, s in enumerate(SWEEP) if i not in (2, 5)]
    quality = np.array([0.1 * (s["patch_size"] == 16) + 0.3 * (s["model"] == "b") for s in sweep])
    rng = np.random.default_rng(0)
    draws = Draws(quality, 0.001 * rng.normal(size=(2000, len(sweep))), 100)
    names = [str(i) for i in range(len(sweep))]
    costs = np.array([float(s["image_size"]) for s in sweep])
    effects, interactions = effects_of(sweep, names, draws, costs)
    found = {(e.knob, e.low, e.high): e for e in effects}
    patch = found["patch_size", "8", "16"]
    assert patch.bought.value == pytest.approx(0.1)
    assert patch.bought.low > 0.09
    assert len(patch.pairs) == 2
    assert found["model", "a", "b"].bought.value == pytest.approx(0.3)
    size = found["image_size", "32", "64"]
    assert size.bought.low < 0 < size.bought.high
    assert size.cost_ratio == pytest.approx(2.0)
    assert not any(i.shown for i in interactions)
    assert patch.depends_on == []


def test_an_interaction_is_found_and_marks_the_effect():
    quality = np.array([0.2 * (s["patch_size"] == 16) * (s["model"] == "b") for s in SWEEP])
    draws = Draws(quality, 0.001 * np.random.default_rng(0).normal(size=(2000, 8)), 100)
    effects, interactions = effects_of(SWEEP, list("abcdefgh"), draws, np.ones(8))
    shown = {(i.knob, i.other): i.change.value for i in interactions if i.shown}
    assert shown["patch_size", "model"] == pytest.approx(-0.2)  # at a, minus at b
    assert set(shown) == {("patch_size", "model"), ("model", "patch_size")}
    assert {e.knob: e.depends_on for e in effects} == {
        "patch_size": ["model"],
        "model": ["patch_size"],
        "image_size": [],
    }


def test_dead_knobs():
    rng, _, design = world(60)
    features = rng.normal(size=(60, 5)).astype(np.float32)
    near = features * np.float32(1 + 1e-6)
    other = rng.normal(size=(60, 5)).astype(np.float32)
    all_of = [features, features.copy(), near, other]
    settings = [
        {"model": "m", "normalization": n, "layer": y}
        for n, y in (("x", "last"), ("y", "last"), ("x", "2"), ("y", "2"))
    ]
    found = dead_knobs(
        settings,
        list("abcd"),
        [traits_of(f, design) for f in all_of],
        [digest_of(f) for f in all_of],
    )
    told = {(d.knob, d.how): (list(d.values), list(d.profiles)) for d in found}
    assert told == {
        ("normalization", "identical"): (["x", "y"], ["a", "b"]),
        ("layer", "rounding"): (["2", "last"], ["a", "c"]),
    }


def test_likeness_is_that_of_the_definitions():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0].astype(np.float32)
    y = (x[:, :2] + 0.5 * rng.normal(size=(60, 2))).astype(np.float32)
    found = likeness(["x", "turned", "y"], [digest_of(f) for f in (x, 3 * x @ turn, y)])
    assert found.cka[0][1] == pytest.approx(1, abs=1e-4)  # blind to turning and scaling
    assert found.neighbours[0][1] == pytest.approx(1, abs=0.01)
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    by_hand = np.linalg.norm(a.T @ b) ** 2 / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b)
    assert found.cka[0][2] == pytest.approx(by_hand, abs=1e-4)
    assert found.neighbours[0][2] < 0.8


def test_effective_rank():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(200, 7)))[0]
    assert effective_rank(basis.astype(np.float32)) == pytest.approx(7, abs=0.01)
    assert effective_rank(np.outer(np.arange(1, 9), np.ones(5)).astype(np.float32)) < 1.01


def test_labels_needed_lie_between_those_tried():
    assert labels_needed([5, 10, 20], [0.5, 0.6, 0.7], 0.65) == pytest.approx(14.14, abs=0.01)
    assert labels_needed([5, 10, 20], [0.5, 0.6, 0.7], 0.5) == 5
    assert labels_needed([5, 10, 20], [0.5, 0.6, 0.7], 0.71) is None


def test_curves_say_labels_saved():
    rng, classes, design = world()
    profiles = {"weak": embed(rng, classes, 0.7), "strong": embed(rng, classes, 2.0)}
    held = hold(profiles, design, labels_per_class=[5, 40])
    verdict, _ = make_verdict(held, design, 0.05)
    assert verdict.curve_reference == "weak"
    curves = {c.profile: c for c in verdict.curves}
    assert curves["weak"].needed == pytest.approx(40, abs=36)
    assert curves["strong"].needed < curves["weak"].needed
    assert curves["strong"].quality[1] > curves["weak"].quality[1]


def test_costs_alone_and_shared_and_in_money():
    ran = {
        name: Ran(
            {"fetch1": {"s": {"seconds": 60.0}}, key: {"s": {"seconds": 30.0}}},
            {
                "seconds": 90.0,
                "infer_seconds": 30.0,
                "device": "NVIDIA H100 80GB HBM3",
                "bytes": 2e9,
                "forward_seconds": 20.0,
                "requests": 500,
                "fetched_bytes": 3e9,
                "eecu_seconds": 1800.0,
                "energy_wh": 40.0,
                "stage_bytes": 8_000_000,
            },
            4,
            {},
            1.0,
            1.0,
        )
        for name, key in (("a", "infer1"), ("b", "infer2"))
    }
    rois = points(clusters(2, 2), ["x"] * 4, buffer_m=500)
    prices = {
        "gpu_hour": 3.6,
        "cpu_hour": 0.36,
        "gb": 0.01,
        "kwh": 0.25,
        "thousand_requests": 0.4,
        "fetched_gb": 0.09,
        "eecu_hour": 0.5,
        "currency": "EUR",
    }
    study = SimpleNamespace(rois=rois, options={"prices": prices})
    cost = costs_of(study, ran)["a"]
    assert (cost.seconds, cost.shared_seconds) == (90.0, 60.0)
    assert cost.seconds_per_1k_rois == 22_500
    assert cost.seconds_per_km2 == pytest.approx(90 / 4, rel=1e-3)
    fetched = 0.5 * 0.4 + 3 * 0.09 + 0.5 * 0.5
    assert cost.money == pytest.approx(30 * 0.001 + 60 * 0.0001 + 0.02 + 0.04 * 0.25 + fetched)
    assert cost.money_per_1k_rois == pytest.approx(250 * cost.money)
    assert cost.per_1k_rois == pytest.approx(
        {
            "device_seconds": 5000,
            "requests": 125_000,
            "fetched_bytes": 7.5e11,
            "energy_wh": 10_000,
            "eecu_seconds": 450_000,
            "stage_bytes": 2e9,
            "money": cost.money_per_1k_rois,
        }
    )
    assert cost.per_km2["requests"] == pytest.approx(500 / 4, rel=1e-3)
    assert cost.per_km2["money"] == pytest.approx(cost.money / 4, rel=1e-3)
    on_cpu = used({"seconds": 10.0, "infer_seconds": 10.0, "device": "cpu"})
    assert on_cpu["gpu_hour"] == 0
    assert on_cpu["cpu_hour"] == pytest.approx(10 / 3600)
