"""What stages say of the types of their settings holds for the nodes of every model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from rsweep.models.registry import families, find_card
from rsweep.plan.nodes import build_nodes
from rsweep.plan.profiles import resolve
from rsweep.stages.composite.spec import CompositeSettings
from rsweep.stages.fetch.spec import FetchSettings
from rsweep.stages.prep.spec import PrepSettings
from rsweep.stages.stitch.spec import StitchSettings

TYPES = {
    "fetch": FetchSettings,
    "composite": CompositeSettings,
    "prep": PrepSettings,
    "stitch": StitchSettings,
}
WINDOW = {"start": "2022-01-01", "end": "2023-01-01"}
SHAPES = (
    {},
    {"input_prep": "native"},
    {"input_prep": "auto", "frames": "auto"},
    {"output": "grid"},
    {"mask_dilation": 2, "cloud_mask": "clear"},
    {"fetch_bands": "model", "pooling": "cls"},
    {"provider": "earthengine", "fetch_granularity": "composite"},
)


def nodes():
    """Every node of every model that a provider without options serves, under several settings."""
    for family in families():
        name = {"timm": "timm:resnet18"}.get(family, family)
        for own in SHAPES:
            for provider in ("synthetic", "earthengine"):
                base = {"weights": "random"} if "random" in find_card(name).weights else {}
                asked = {"model": name, "temporal": WINDOW, "provider": provider, **base, **own}
                settings, errors = resolve(asked, {})
                if not errors:
                    yield from build_nodes(settings).upstream()
                    break


def fits(value: Any, kind: Any) -> bool:
    """True if a value is of a type, as deep as the type says."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        needed = {name for name, one in hints.items() if get_origin(one) is not NotRequired}
        return needed <= set(value) <= set(hints) and all(fits(value[n], hints[n]) for n in value)
    if origin is NotRequired:
        return fits(value, inside[0])
    if origin in (list, Sequence):
        return isinstance(value, list | tuple) and all(fits(one, inside[0]) for one in value)
    if isinstance(origin, type) and issubclass(dict, origin):
        return all(fits(one, inside[1]) for one in value.values())
    if inside:  # a union, or literals
        return any(
            fits(value, one) if isinstance(one, type) or get_args(one) else value == one
            for one in inside
        )
    return isinstance(value, (int, float) if kind is float else kind or type(None))


@pytest.mark.parametrize("stage", TYPES)
def test_every_node_is_of_its_type(stage):
    found = {node.key: node for node in nodes() if node.stage == stage}
    assert len(found) > 10
    wrong = [dict(n.settings) for n in found.values() if not fits(n.settings, TYPES[stage])]
    assert not wrong


def test_a_setting_that_is_not_told_of_does_not_fit():
    (node, *_) = (n for n in nodes() if n.stage == "fetch")
    assert fits(node.settings, FetchSettings)
    assert not fits({**node.settings, "new": 1}, FetchSettings)
    assert not fits({**node.settings, "scale_m": "10"}, FetchSettings)
    assert not fits({n: v for n, v in node.settings.items() if n != "bands"}, FetchSettings)


def test_knobs_of_a_model_are_read_by_inference():
    """A card's own knob enters the key there; of another stage it would be read by none."""
    for family in families():
        if family != "timm":
            assert {knob.stage for knob in find_card(family).knobs} <= {"infer"}, family
