"""Generated docs: in step with the knob table and the cards."""

import re
from pathlib import Path

import pytest
import yaml

from rsweep.plan.catalogue import cards
from rsweep.plan.study import OPTIONS
from rsweep.plan.table import CORE
from rsweep.report.facts import card_facts, find_model
from rsweep.report.knob_docs import settings_page
from rsweep.report.markdown import table
from rsweep.report.model_docs import model_pages, write_pages
from rsweep.report.token_layout import draw_layout
from rsweep.sources.local import layout
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


def test_the_readme_lists_every_model():
    readme = (DOCS.parent / "README.md").read_text()
    for card in cards():
        assert f"(docs/models/{card.id}.md)" in readme, card.id


def test_the_reference_of_layouts_has_every_key_and_its_examples_read():
    text = (DOCS / "layouts.md").read_text()
    for name in (*layout._KEYS, *layout._LAYER_KEYS):
        assert f"`{name}`" in text, name
    examples = [yaml.safe_load(part) for part in re.findall(r"```yaml\n(.*?)```", text, re.S)]
    layouts = [example for example in examples if "base" not in example]
    assert len(layouts) == 4
    for example in layouts:
        sections, problems = layout.parse_layout(example, "layouts.md")
        assert not problems
        assert set(sections) == set(example)


def test_every_page_is_reached_and_every_link_leads_somewhere():
    pages = [DOCS.parent / "README.md", *DOCS.glob("*.md")]
    linked = set()
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+\.(?:md|yaml))(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
            linked.add((page.parent / target).resolve())
    assert {page.resolve() for page in DOCS.glob("*.md")} <= linked
