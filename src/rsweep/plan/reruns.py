"""What a change of a knob runs again: found by changing it and comparing keys."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from rsweep.core.canonical import canonical_json
from rsweep.core.errors import RsweepError
from rsweep.core.knobs import Knob
from rsweep.models.card import ModelCard
from rsweep.models.registry import find_card
from rsweep.plan.catalogue import allowed_values, cards, providers
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import knobs_of, resolve
from rsweep.stages.registry import STAGES

Settings = dict[str, Any]
Keys = dict[str, tuple[str, ...]]
"""Stage -> keys of its nodes."""

URL = "https://example.org/weights.pt"
DIGESTS = ("a" * 64, "b" * 64)
OTHERS: Mapping[str, tuple[Any, ...]] = {
    "temporal": ({"year": 2021},),
    "collection": (["COPERNICUS/S2_HARMONIZED"],),
    "bands": ("B4,B3,B2", "B4,B3", "VV"),
    "weights": ("random", "pretrained"),
    "weights_sha256": DIGESTS[1:],
    "layer": ("1", "-2"),
    "synthetic": ({"seed": 1},),
    "stac": ({"url": "planetary-computer"},),
    "earthengine": ({"project": "other"},),
}
"""Values to try of knobs of which neither type nor bounds nor a model's card tell one."""
NUMBERS = (1, 2, 3, 4, 5, 7, 8, 10, 12, 14, 16, 20, 24, 28, 30, 32, 48, 60, 64, 96, 112, 128, 224)
ENOUGH = 4
"""Numbers that a model takes, of which at least two are not its default or alike in effect."""
CONTEXTS: tuple[Settings, ...] = (
    {},
    {"weights": "random"},
    {"input_prep": "resize", "resample": "nearest"},
    {"frames": 2},
    {"tile_overlap": 16},
    {"tile_overlap": 56},
    {"input_prep": "native"},
    {"input_prep": "auto"},
    {"provider": "stac", "collection": ["sentinel-2-l2a"]},
    {"provider": "earthengine"},
    {"weights": URL, "weights_sha256": DIGESTS[0]},
)
"""Settings under which a knob counts that the defaults leave unread; the first that does is taken.
"""


@functools.cache
def reruns(model: str) -> dict[str, tuple[str, ...]]:
    """Knob -> the stages that a change of it can run again, all else being at a model's defaults.

    Where the defaults leave a knob unread, settings under which it is read take their place. A knob
    of which no other value can be tried without data is taken by the stage that declares it.
    """
    return {name: knob_reruns(name, model) for name in knobs_of(find_card(model))}


@functools.cache
def knob_reruns(knob: str, model: str) -> tuple[str, ...]:
    """The same of one knob that a model has."""
    card = find_card(model)
    return _reruns(knobs_of(card)[knob], card)


def _reruns(knob: Knob, card: ModelCard) -> tuple[str, ...]:
    tried = False
    for context in _contexts(card):
        before = _keys_of({"model": card.id, **context})
        found = list(_after(knob, card, context)) if before else []
        tried |= bool(found)
        changed = {stage for after in found for stage in after if after[stage] != before[stage]}
        if changed:
            return tuple(stage for stage in STAGES if stage in changed)
    names = list(STAGES)
    return () if tried else tuple(names[names.index(knob.stage) :])


def _after(knob: Knob, card: ModelCard, context: Settings) -> Iterator[Keys]:
    """Keys under other values of a knob: all that are listed, and some numbers."""
    asked = ({"model": card.id, **context, knob.name: value} for value in _listed(knob, card))
    yield from filter(None, map(_keys_of, asked))
    if knob.kind in ("int", "float"):
        asked = ({"model": card.id, **context, knob.name: value} for value in NUMBERS)
        yield from islice(filter(None, map(_keys_of, asked)), ENOUGH)


def _contexts(card: ModelCard) -> Iterator[Settings]:
    for context in CONTEXTS:
        for modality in card.modalities:
            served = providers(card, modality)
            yield {"modality": modality, "provider": served[0] if served else "local", **context}


def _listed(knob: Knob, card: ModelCard) -> tuple[Any, ...]:
    """Values of a knob that have names; a model may not take all of them."""
    if knob.name == "model":
        return tuple(other.id for other in cards())
    if knob.name in OTHERS:
        return OTHERS[knob.name]
    if knob.kind == "bool":
        return (True, False)
    return (*allowed_values(knob.name, card), *knob.allowed, *knob.words)


def _keys_of(own: Settings) -> Keys:
    """Keys of a profile; nothing of one that cannot run."""
    return _keys(canonical_json(own))


@functools.lru_cache(maxsize=4096)
def _keys(own: str) -> Keys:
    """Keys of a profile beside pooled ones and grids of its model, which share a lattice."""
    settings, errors = resolve({"temporal": {"year": 2022}, **json.loads(own)}, {})
    settings |= {"lattice": "roi"} if settings.get("lattice") == "auto" else {}
    found: Keys = {}
    try:
        for node in () if errors else build_nodes(settings).upstream():
            found[node.stage] = (*found.get(node.stage, ()), node.key)
    except (RsweepError, ValueError):
        return {}
    return found
