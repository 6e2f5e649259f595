"""Published numbers beside what a study gave."""

import csv

import pytest

from rsweep.core.errors import RsweepError, StudyError
from rsweep.plan.published import read_published
from rsweep.plan.study import make_study
from rsweep.report.published import published_view, write_published_figure
from rsweep.results.published import (
    read_regenerated,
    regenerated_line,
    require_passed,
    write_regenerated,
)

HEAD = "what,profile,minus,measure,published,tolerance,source\n"


def compare(folder, *rows):
    """Rows of published numbers beside a sweep table of three profiles."""
    (folder / "told.csv").write_text(HEAD + "\n".join(rows) + "\n")
    (folder / "sweep.csv").write_text(
        "profile,linear_accuracy,knn_accuracy\na,0.80,0.7\nb,0.90,\nc,0.97,0.9\n"
    )
    write_regenerated(folder / "told.csv", folder / "sweep.csv", folder / "published.csv")
    return read_regenerated(folder / "published.csv")


def test_one_profile_a_mean_of_several_and_a_difference(tmp_path):
    one, mean, gain, edge, off = compare(
        tmp_path,
        "one,a,,linear_accuracy,0.81,0.02,Table 1",
        "mean,a; b,,linear_accuracy,0.85,0,Table 1",
        "gain,c,a; b,linear_accuracy,0.12,0.001,Table 1",
        "edge,a,,linear_accuracy,0.9,0.1,Table 1",
        "off,a,,linear_accuracy,0.9,0.0999,Table 1",
    )
    assert [row["status"] for row in (one, mean, gain, edge)] == ["pass"] * 4
    assert off["status"] == "fail"
    assert float(mean["regenerated"]) == pytest.approx(0.85)
    assert float(gain["regenerated"]) == pytest.approx(0.12)
    assert float(one["difference"]) == pytest.approx(-0.01)
    with pytest.raises(RsweepError, match="1 of 5 published numbers did not come out again"):
        require_passed(tmp_path / "published.csv")
    assert regenerated_line(off) == ("fail: off: published 0.9 ± 0.0999, regenerated 0.8 (-0.1)")


def test_what_a_study_does_not_have_fails_with_the_reason(tmp_path):
    rows = compare(
        tmp_path,
        "empty,b,,knn_accuracy,0.8,1,Table 1",
        "column,a,,forest_accuracy,0.8,1,Table 1",
        "profile,d,,knn_accuracy,0.8,1,Table 1",
    )
    assert [row["status"] for row in rows] == ["fail"] * 3
    assert [row["reason"] for row in rows] == [
        "b has no knn_accuracy",
        "the sweep table has no column forest_accuracy",
        "no profile d",
    ]


def test_a_comparison_that_passes_is_said_to(tmp_path):
    compare(tmp_path, "one,a,,linear_accuracy,0.8,0,Table 1")
    require_passed(tmp_path / "published.csv")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("what,profile\na,b\n", "expected rows with the columns"),
        (HEAD, "it has 0 rows"),
        (HEAD + "a,b,,m,much,0,s\n", "row 1: published is 'much'; expected a number"),
        (HEAD + "a,b,,m,nan,0,s\n", "expected a number"),
        (HEAD + "a,b,,m,1,-1,s\n", "tolerance is -1"),
        (HEAD + "a,b,,m,1,1,\n", "row 1: source is empty"),
        (HEAD + "a,b,,m,1,1,s\na,c,,m,1,1,s\n", "two rows are called 'a'"),
        (HEAD[:-1] + ",extra\na,b,,m,1,1,s,x\n", "at most minus"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path, text, reason):
    (tmp_path / "told.csv").write_text(text)
    with pytest.raises(RsweepError, match=reason):
        read_published(tmp_path / "told.csv")


def test_a_study_refuses_numbers_of_profiles_that_it_lacks(tmp_path):
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.7,50.5,90\n")
    (tmp_path / "told.csv").write_text(HEAD + "x,cheep,,linear_accuracy,0.8,0,Table 1\n")
    config = {
        "study": "s",
        "rois": str(tmp_path / "rois.csv"),
        "published": str(tmp_path / "told.csv"),
        "temporal": {"year": 2022},
        "profiles": {"cheap": {"model": "rcf"}},
    }
    with pytest.raises(StudyError, match="profile 'cheep', which the study lacks; did you mean"):
        make_study(config, "study.yaml")
    with pytest.raises(StudyError, match="published"):
        make_study({**config, "published": str(tmp_path / "none.csv")}, "study.yaml")
    (tmp_path / "told.csv").write_text(HEAD + "x,cheap,,linear_accuracy,0.8,0,Table 1\n")
    study = make_study(config, "study.yaml")
    bare = make_study({k: v for k, v in config.items() if k != "published"}, "study.yaml")
    assert set(study.nodes()) == set(bare.nodes())  # it is in no key


def test_the_figure_is_the_same_each_time_and_the_page_has_it(tmp_path):
    assert published_view(tmp_path) is None
    compare(
        tmp_path,
        "one,a,,linear_accuracy,0.81,0.02,Table 1",
        "far,b,,linear_accuracy,0.1,0.02,Table 1",
        "gain,c,a,linear_accuracy,0.17,0.02,Table 1",
        "none,b,,knn_accuracy,0.1,0.02,Table 1",
    )
    for name in ("published.svg", "again.svg"):
        write_published_figure(tmp_path / "published.csv", tmp_path / name)
    assert (tmp_path / "published.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
    view = published_view(tmp_path)
    assert view.words == "2 of 4 published numbers came out again within their tolerance."
    assert view.failed
    assert [row[5].text for row in view.table.rows] == ["pass", "fail", "pass", "fail"]
    with (tmp_path / "published.csv").open(newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == ["Table 1"] * 4
