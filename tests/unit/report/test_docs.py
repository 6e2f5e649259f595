"""Generated docs: in step with the knob table and the cards."""

from pathlib import Path

import pytest

from rsweep.plan.catalogue import cards
from rsweep.plan.study import OPTIONS
from rsweep.plan.table import CORE
from rsweep.report.facts import card_facts, find_model
from rsweep.report.knob_docs import settings_page
from rsweep.report.markdown import table
from rsweep.report.model_docs import model_pages, write_pages
from rsweep.report.token_layout import draw_layout
from rsweep.sources.registry import PROVIDERS, find_provider

DOCS = Path(__file__).parents[3] / "docs"
PAGES = model_pages()


def test_settings_page_is_in_step():
    committed = (DOCS / "settings.md").read_text()
    assert committed == settings_page(), "run: python -m rsweep.report.knob_docs > docs/settings.md"


def test_settings_page_has_every_knob():
    page = settings_page()
    own = [knob for card in cards() for knob in card.knobs]
    options = [knob for p in PROVIDERS for knob in find_provider(p).options]
    for knob in (*CORE.values(), *OPTIONS.values(), *own, *options):
        assert f"| `{knob.name}` |" in page
        assert knob.meaning.replace("|", "\\|") in page


@pytest.mark.parametrize("name", PAGES)
def test_model_pages_are_in_step(name):
    committed = (DOCS / "models" / name).read_text()
    assert committed == PAGES[name], "run: python -m rsweep.report.model_docs docs/models"


def test_every_page_has_its_small_picture():
    for name in PAGES:
        if name != "README.md":
            picture = DOCS / "models" / name.replace(".md", ".svg")
            assert picture.stat().st_size < 40_000
            assert f"({picture.name})" in PAGES[name]


def test_no_page_is_left_over():
    assert {path.name for path in (DOCS / "models").glob("*.md")} == set(PAGES)


def test_pictures_are_the_same_each_time(tmp_path):
    facts = card_facts(find_model("thor"))
    for name in ("a.svg", "b.svg"):
        draw_layout(facts, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "36 x 36 tokens" in (tmp_path / "a.svg").read_text()


def test_write_pages(tmp_path):
    write_pages(tmp_path / "models")
    assert {p.name for p in (tmp_path / "models").glob("*.md")} == set(PAGES)


def test_bars_are_escaped():
    assert table(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"
