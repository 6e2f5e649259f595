"""A page of 500 profiles over 10,000 ROIs, and pages in a browser."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from browser import CHROMIUM, measure

from rsweep.evaluate.design import Design
from rsweep.evaluate.verdict import (
    Confusion,
    Cost,
    Curve,
    Effect,
    Interaction,
    Interval,
    Standing,
    Verdict,
)
from rsweep.report import page
from rsweep.results.imagery import Imagery
from rsweep.results.ran import Ran

PROFILES, ROIS, FAILED = 500, 10_000, 200
MOST_BYTES = 10e6
STAGES = ("fetch", "composite", "prep", "infer", "stitch")


def invented_profiles(settings):
    values = itertools.product((16, 32, 48, 64, 96), (8, 16, 32, 64), range(25))
    found = []
    for number, (size, features, seed) in enumerate(values):
        own = {**settings, "image_size": size, "features": features, "seed": seed}
        keys = {
            "fetch": "f" * 16,
            "composite": "c" * 16,
            "prep": f"{size:016d}",
            "infer": f"{number:016d}",
            "stitch": f"{number + 10**6:016d}",
        }
        name = f"rcf_image_size-{size}_features-{features}_seed-{seed}"
        found.append(SimpleNamespace(name=name, settings=own, keys=lambda keys=keys: keys))
    return found


def invented_verdict(profiles):
    standings = [
        Standing(
            p.name,
            "undecided",
            Interval(0.97 - i / 1000, 0.94 - i / 1000, 1.02),
            Interval(i / 1000, -0.02, 0.05 + i / 1000),
            0.1,
            0.5,
            0.4,
            0.01,
            {"knn": {"balanced_accuracy": 0.9}, "linear": {"balanced_accuracy": 0.95}},
            ROIS - FAILED,
            FAILED,
            Cost(10.0 + i, seconds_per_1k_rois=1.0 + i),
            rank=12.0,
        )
        for i, p in enumerate(profiles)
    ]
    step = Interval(0.01, -0.01, 0.03)
    effects = [Effect("seed", str(i), str(i + 1), step, 1.2, [("a", "b")] * 20) for i in range(24)]
    changes = [
        Interaction("seed", str(i), str(i + 1), "image_size", "16", "32", step, False)
        for i in range(24)
    ]
    classes = [f"class {i}" for i in range(12)]
    return Verdict(
        "crop",
        "classification",
        "balanced_accuracy",
        0.01,
        "",
        None,
        profiles[0].name,
        None,
        900,
        1 / 12,
        dict.fromkeys(classes, 800),
        ROIS,
        ROIS - FAILED,
        ROIS - FAILED,
        "5 folds of whole blocks of 7 km",
        300,
        standings,
        effects,
        changes,
        curves=[Curve(p.name, (5, 10, 50), (0.5, 0.6, 0.8)) for p in profiles],
        confusion=Confusion(
            profiles[0].name, "knn", classes, np.eye(12, dtype=int).tolist(), [1.0] * 12
        ),
    )


def invented_design():
    rng = np.random.default_rng(0)
    lonlat = (rng.uniform(0, 1, (ROIS, 2)) * [20, 10] + [5, 45]).tolist()
    blocks = [int(lon) * 15 + int(lat) for lon, lat in lonlat]
    return Design(
        "crop",
        "classification",
        "spatial",
        [str(i) for i in range(ROIS)],
        ["a"] * ROIS,
        lonlat,
        [[100, 100]] * ROIS,
        blocks,
        [[block % 5 for block in blocks]],
        7.0,
        7.0,
        0.0,
    )


def invented_ran(profiles):
    failed = {f"roi-{i}": "every scene is above cloudy_pct" for i in range(FAILED)}
    seen = (
        Imagery(
            "s2",
            1,
            ROIS,
            ("2022-06-01", "2022-07-01"),
            ("2022-06-14", "2022-06-16"),
            (3, 9),
            ("scl",),
            (),
        ),
    )
    run = {"shard": {"seconds": 1.0, "weights": {"source": "none"}, "device": "cpu"}}
    return {
        p.name: Ran(
            dict.fromkeys(p.keys().values(), run),
            {"seconds": 5.0},
            ROIS,
            failed,
            0.9,
            0.4,
            seen,
            ROIS,
        )
        for p in profiles
    }


def invented_rows(profiles):
    return [
        {
            "profile": p.name,
            "status": "ok",
            "seconds": 10.0 + i,
            "infer_seconds": 3.0,
            "tiles": 40_000,
            "peak_memory_mb": 900.0,
            "bytes": 5e7,
            "valid_share": 0.9,
            "real_share": 0.4,
            "rois": ROIS,
            "rois_failed": FAILED,
            "quality": 0.97 - i / 1000,
        }
        for i, p in enumerate(profiles)
    ]


@pytest.fixture(scope="module")
def large(study):
    """The page of an invented study, made as that of a real one is."""
    profiles = invented_profiles(study.profiles[0].settings)
    own = {
        "name": "large",
        "profiles": profiles,
        "rois": range(ROIS),
        "skipped": [],
        "folder": study.folder,
        "options": {**study.options, "rois": "rois.csv"},
        "evaluate": {"label": "crop"},
        "config": {"study": "large"},
    }
    stand_in = SimpleNamespace(**{**vars(study), **own})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "read_ran", lambda study: invented_ran(profiles))
        patch.setattr(page, "sweep_rows", lambda *given: invented_rows(profiles))
        patch.setattr(page, "_verdict", lambda study: invented_verdict(profiles))
        patch.setattr(page, "_design", lambda study: invented_design())
        return page.render(page.page_view(stand_in, study.folder, study.lock))


def test_is_small(large):
    assert len(large.encode()) < MOST_BYTES


def test_long_tables_fold(large):
    outside = "".join(part.split("</details>")[-1] for part in large.split("<details>"))
    assert large.count("<tr") > 3 * PROFILES
    assert outside.count("<tr") < 200
    assert outside.count("<svg") < 100


def test_every_profile_is_there_and_reasons_are_counted(large):
    assert all(f"seed {s} · features {f}" in large for f in (8, 64) for s in (0, 24))
    assert large.count("every scene is above cloudy_pct") == 1
    assert "roi-0; roi-1; roi-2; roi-3; roi-4 and 195 more" in large


def test_scores_and_their_intervals_stay_within_what_is_possible(large):
    assert "1.020" not in large
    assert "0.940 to 1.000" in large


def test_what_networks_saw_is_warned_of(large):
    assert "Less than half of what the network saw was measured" in large


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("which", ["tiny", "large"])
def test_fits_a_phone_a_tablet_and_a_screen(study, large, which, tmp_path):
    html = large if which == "large" else (study.folder / "report.html").read_text()
    found = measure(html, (390, 800, 1400), tmp_path)
    assert [inner for inner, *_ in found] == [390, 800, 1400]
    for inner, wide, buttons, beside, sorted_ in found:
        assert wide <= inner
        assert beside == []
        assert buttons > 20
        assert len(sorted_) > 3
        assert sorted_ == sorted(sorted_, reverse=True)
