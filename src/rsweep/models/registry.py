"""Which models there are: the folders of `rsweep.models`, and every timm network."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

from rsweep.core.knobs import nearest
from rsweep.models.card import ModelCard


@functools.cache
def families() -> tuple[str, ...]:
    """Ids of the model families: every folder here with a card."""
    return tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/card.py")))


@functools.cache
def find_card(model: str) -> ModelCard:
    """The card of a model: a family's id, or `family:name` where a family holds many (timm).

    Raises:
        ValueError: there is no such model; the text names those there are.
    """
    family, _, name = model.partition(":")
    if family not in families():
        options = ", ".join(families())
        raise ValueError(f"is {model!r}; models: {options}{nearest(family, families())}")
    module: Any = importlib.import_module(f"rsweep.models.{family}.card")
    if hasattr(module, "card_for"):
        found = module.card_for(name)
        assert isinstance(found, ModelCard)
        return found
    if name:
        raise ValueError(f"is {model!r}; {family} has variants by the `variant` knob, not by name")
    card = module.CARD
    assert isinstance(card, ModelCard)
    return card


def network_module(model: str) -> Any:
    """The module that builds a model's network; imports torch."""
    return importlib.import_module(f"rsweep.models.{model.partition(':')[0]}.network")
