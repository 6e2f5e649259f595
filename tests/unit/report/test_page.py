"""The page: valid, self-contained, escaped, and true to the results."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from rsweep.models.envelope import Envelope
from rsweep.models.registry import find_card
from rsweep.report.page import write_page
from rsweep.results.ran import read_ran
from rsweep.results.table import read_distances, sweep_rows

VOID = {"meta", "img", "wbr", "br", "link", "input"}


class Checker(HTMLParser):
    """Elements that open and close in order, ids, references, and what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.ids, self.refs, self.loads, self.headings = [], [], [], [], []
        self.images, self.tags, self.words = [], [], []

    def handle_starttag(self, name, attributes):
        given = dict(attributes)
        self.tags.append(name)
        self.ids += [given["id"]] if "id" in given else []
        self.refs += [given["href"]] if "href" in given else []
        self.loads += [given["src"]] if "src" in given else []
        self.headings += [int(name[1])] if re.fullmatch("h[1-6]", name) else []
        self.images += [given] if name == "img" else []
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def html(study):
    return (study.folder / "report.html").read_text()


@pytest.fixture
def page(html):
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def words(page):
    return " ".join("".join(page.words).split())


def test_is_well_formed(html, page):
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "$" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert (
        html.count("<title>tiny: rsweep report</title>")
        == page.tags.count("main")
        == page.tags.count("h1")
        == 1
    )
    assert len(page.ids) == len(set(page.ids))
    assert all(ref[1:] in page.ids for ref in page.refs if ref.startswith("#"))


def test_links_lead_to_files(study, page):
    found = {ref for ref in page.refs if not ref.startswith("#")}
    assert {"sweep.csv", "verdict.json", "evaluation/design.json"} <= found
    assert all((study.folder / unquote(ref)).exists() for ref in found)


def test_is_self_contained(html, page):
    assert all(load.startswith("data:image/png;base64,") for load in page.loads)
    assert not {"link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://", re.sub(r"base64,[^\"]+", "", html))


def test_is_accessible(page):
    assert page.headings[0] == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(b - a <= 1 for a, b in steps)
    assert all(len(image["alt"]) > 5 for image in page.images)
    assert page.tags.count("caption") == page.tags.count("table")
    assert page.tags.count("button") == 0  # headings become buttons only where scripts run


def test_light_and_dark(html):
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme" content="light dark"' in html


def test_says_what_happened(study, page):
    said = words(page)
    for profile in study.profiles:
        assert profile.name in said
        for key in profile.keys().values():
            assert key in said
    assert "4 profiles over 7 ROIs" in said
    assert "Undecided" in said or "Use " in said
    assert "Chance is 0.500" in said
    assert "latitude 89" in said  # why the ROI at the pole has no embedding
    assert "1 of 7" in said
    assert "not a multiple of patch_size" in said  # why a combination was skipped
    assert "random: " not in said
    assert "6 of 7 ROIs have a label (a 3, b 3)" in said
    assert "sha256" in said
    assert "numpy" in said


def test_names_are_escaped(html, page):
    assert "<pole" not in html
    assert "&lt;pole &amp; friends&gt;" in html
    assert "<pole & friends>" in words(page)


def test_without_figures_or_quality(study, tmp_path):
    folder = tmp_path / "none"
    folder.mkdir()
    write_page(study, folder, study.folder / "study.lock.json", tmp_path / "r.html")
    checker = Checker()
    checker.feed((tmp_path / "r.html").read_text())
    assert checker.open == []
    assert "Maps of grids" not in words(checker)


def test_distances_from_native_grids_are_those_of_the_sweep_table(study, tmp_path):
    path = tmp_path / "sweep.csv"
    path.write_text("profile,status,native_distance\na,ok,0.25\nb,ok,\n")
    assert read_distances(path) == {"native_distance": {"a": 0.25}, "overlap_distance": {}}
    assert not any(read_distances(study.folder / "sweep.csv").values())


def test_needs_nothing_of_the_store(study, html, tmp_path):
    away = study.folder.parent / "store"
    away.rename(tmp_path / "store")
    try:
        write_page(study, study.folder / "figures", study.lock, tmp_path / "report.html")
    finally:
        (tmp_path / "store").rename(away)
    assert (tmp_path / "report.html").read_text() == html


def test_what_leaves_a_models_training_is_marked(study, tmp_path, monkeypatch):
    small = replace(find_card("rcf"), envelope=Envelope(source="a test", image_px=(None, 8)))
    monkeypatch.setattr("rsweep.plan.departures.find_card", lambda model: small)
    said = "image_size 16: trained on at most 8 px"
    rows = sweep_rows(study, read_ran(study), {})
    assert {row["outside_training"] for row in rows if row["status"] == "ok"} == {said}
    figures, lock = study.folder / "figures", study.folder / "study.lock.json"
    write_page(study, figures, lock, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().count(said) == 1


def test_the_page_says_what_imagery_each_profile_saw(study):
    (frame,) = next(iter(read_ran(study).values())).imagery
    assert (frame.sensor, frame.frame, frame.rois) == ("s2", 1, 6)
    assert frame.days == ("2022-06-01", "2022-07-01")
    assert frame.days[0] <= frame.dates[0] <= frame.dates[1] < frame.days[1]
    assert 1 <= frame.scenes[0] <= frame.scenes[1] <= 7
    assert frame.masks == ("scl",)
    page = (study.folder / "report.html").read_text()
    assert "Frames that the models were fed" in page
    assert "2022-06-01 to 2022-07-01" in page
