"""What there is to choose from, for whoever lists it: the schema, `rsweep describe`, the docs."""

from __future__ import annotations

import importlib
from typing import Any

from rsweep.core.knobs import Knob
from rsweep.core.settings import ProfileSettings
from rsweep.models.card import ModelCard
from rsweep.models.registry import families, find_card
from rsweep.plan.profiles import knobs_of, resolve
from rsweep.sources.registry import PROVIDERS, find_provider


def multi_model_families() -> list[str]:
    """Families that hold many models, which a study names as `family:name` (timm)."""
    return [family for family in families() if hasattr(_card_module(family), "card_for")]


def cards() -> list[ModelCard]:
    """The cards of all other families, by id."""
    many = multi_model_families()
    return [find_card(family) for family in families() if family not in many]


def allowed_values(name: str, card: ModelCard) -> tuple[Any, ...]:
    """Values of a knob that a model takes; empty if the knob table alone decides."""
    named = {
        "variant": card.variants,
        "modality": card.modalities,
        "normalization": card.normalizations,
        "weights": (),
    }
    return tuple(named.get(name) or card.allowed.get(name, ()))


def defaults(card: ModelCard) -> ProfileSettings:
    """Every setting of a model's default profile."""
    settings, _ = resolve({"model": card.id}, {})
    return settings


def providers(card: ModelCard, modality: str) -> list[str]:
    """Providers that have all the sensors of a modality."""
    sensors = {needed.sensor for needed in card.modalities[modality]}
    return [p for p in PROVIDERS if sensors <= set(find_provider(p).collections)]


def shared_knobs(card: ModelCard) -> list[Knob]:
    """Knobs of a model that other models have too."""
    own = {knob.name for knob in card.knobs}
    return [knob for name, knob in knobs_of(card).items() if name not in own]


def _card_module(family: str) -> Any:
    return importlib.import_module(f"rsweep.models.{family}.card")
