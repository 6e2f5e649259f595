"""The glossary has every word that the study schema and the pages lean on, each once."""

import re
from pathlib import Path

from rsweep.sources.registry import PROVIDERS
from rsweep.stages.registry import STAGES

REPO = Path(__file__).resolve().parents[2]
TEXT = (REPO / "docs/glossary.md").read_text()
WORDS = {
    "ROI",
    "scene",
    "frame",
    "composite",
    "tile",
    "token",
    "token map",
    "grid",
    "pooled",
    "setting",
    "knob",
    "option",
    "profile, setting profile",
    "study",
    "plan",
    "sweep",
    "stage",
    "node",
    "key",
    "shard",
    "job",
    "pack",
    "worker",
    "store",
    "lock",
}


def rows() -> list[tuple[str, str]]:
    return re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)[1:]


def test_words_of_the_project_are_explained_once():
    words = [word for word, _ in rows()][1:]
    assert len(words) == len(set(words))
    assert set(words) >= WORDS
    assert all(len(meaning) > 15 for _, meaning in rows()[1:])


def test_it_names_the_stages_and_providers_that_there_are():
    told = dict(rows())
    assert all(stage in told["stage"] for stage in STAGES)
    assert all(f"`{provider}`" in told["provider"] for provider in PROVIDERS)


def test_the_readme_leads_to_it():
    assert "docs/glossary.md" in (REPO / "README.md").read_text()
