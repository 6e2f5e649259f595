"""`rsweep describe KNOB`: what a knob means, to which models, and what a change runs again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from rsweep.core.knobs import Knob
from rsweep.models.card import ModelCard
from rsweep.plan.catalogue import allowed_values, cards, defaults
from rsweep.plan.profiles import knobs_of
from rsweep.plan.reruns import knob_reruns
from rsweep.report import words
from rsweep.report.text_page import pairs, render, table


def knob_names() -> list[str]:
    """Every knob that some model has."""
    return list(dict.fromkeys(name for card in cards() for name in knobs_of(card)))


def describe_knob(name: str, as_json: bool = False) -> str:
    """A knob of `knob_names`: a page, or JSON for programs."""
    having = {card.id: (card, knobs_of(card)[name]) for card in cards() if name in knobs_of(card)}
    facts = _facts(name, list(having.values()))
    return json.dumps(facts, indent=1) if as_json else render(list(_page(facts)))


def _facts(name: str, having: Sequence[tuple[ModelCard, Knob]]) -> dict[str, Any]:
    known = {card.id for card, _ in having}
    return {
        "name": name,
        "declarations": [
            {**words.knob_facts(knob), "stage": knob.stage, "models": ids}
            for knob, ids in _declarations(having)
        ],
        "models": [
            {
                "model": card.id,
                "default": defaults(card).get(name),
                "allowed": list(allowed_values(name, card)),
                "reruns": list(knob_reruns(name, card.id)),
            }
            for card, _ in having
        ],
        "without": [card.id for card in cards() if card.id not in known],
    }


def _declarations(having: Sequence[tuple[ModelCard, Knob]]) -> list[tuple[Knob, list[str]]]:
    """Knobs of this name with the models that have them: several models may declare their own."""
    found: dict[Knob, list[str]] = {}
    for card, knob in having:
        found.setdefault(knob, []).append(card.id)
    return list(found.items())


def _page(facts: dict[str, Any]) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(facts["name"], style="bold")]
    for one in facts["declarations"]:
        alone = len(facts["declarations"]) == 1
        parts.append(
            pairs(
                [
                    ("means", one["meaning"]),
                    ("stage", f"{one['stage']}: the first that reads it"),
                    ("default", words.value_text(one["default"])),
                    ("takes", words.allowed_text(one)),
                    *([] if alone else [("models", ", ".join(one["models"]))]),
                ]
            )
        )
    parts.append(Text("\nBy model, all else at its default", style="bold"))
    rows = [[*text, ", ".join(models)] for text, models in _alike(facts["models"]).items()]
    parts.append(table(("default", "takes", "a change reruns", "models"), rows))
    if facts["without"]:
        parts.append(Text(f"\nNot of: {', '.join(facts['without'])}"))
    return parts


def _alike(models: Sequence[dict[str, Any]]) -> dict[tuple[str, str, str], list[str]]:
    """Models of which the same is to be said."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in models:
        takes = ", ".join(map(str, one["allowed"])) or "as above"
        said = (words.value_text(one["default"]), takes, ", ".join(one["reruns"]) or "nothing")
        found.setdefault(said, []).append(one["model"])
    return found
