"""The types of settings name what knobs there are, and say of what kind they are."""

from typing import Any, get_args, get_type_hints

import pytest

from rsweep.core.places import Places
from rsweep.core.settings import NetworkSettings, OwnKnobs, ProfileSettings
from rsweep.plan.catalogue import cards, defaults, providers
from rsweep.plan.evaluation import OPTIONS, EvaluateOptions
from rsweep.plan.nodes import build_nodes
from rsweep.plan.table import CORE
from rsweep.sources.registry import PROVIDERS

PROFILE = get_type_hints(ProfileSettings, localns={"Places": Places})
NETWORK = get_type_hints(NetworkSettings)
EVALUATE = get_type_hints(EvaluateOptions)
OWN = {knob.name: knob for card in cards() for knob in card.knobs}
KINDS = {"str": str, "int": int, "float": float, "bool": bool}


def test_a_profile_has_every_knob_and_no_other():
    assert set(OwnKnobs.__annotations__) == set(OWN)
    assert set(PROFILE) == {*CORE, *OWN, "places"} - set(PROVIDERS)


@pytest.mark.parametrize("knob", [*CORE.values(), *OWN.values()], ids=lambda knob: knob.name)
def test_types_are_those_of_knobs(knob):
    said = PROFILE.get(knob.name, Any)
    if knob.kind in KINDS and said is not Any:
        assert KINDS[knob.kind] in (said, *get_args(said))


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_types_are_those_of_options_of_evaluation(option):
    said = EVALUATE[option.name]
    if option.kind in KINDS and said is not Any:
        assert KINDS[option.kind] in (said, *get_args(said))


def test_evaluation_has_every_option_and_no_other():
    assert set(EVALUATE) == set(OPTIONS)
    assert {name for name, said in EVALUATE.items() if said is Any} == {"k", "strength", "block_km"}


def test_any_is_for_knobs_that_take_words_too_or_mean_two_things():
    assert {name for name, said in PROFILE.items() if said is Any} == {"frames", "features"}


SERVED = [card for card in cards() if "synthetic" in providers(card, next(iter(card.modalities)))]


@pytest.mark.parametrize("card", SERVED, ids=lambda card: card.id)
def test_a_network_is_built_from_what_its_type_names(card):
    settings = defaults(card) | {"temporal": {"start": "2022-01-01", "end": "2023-01-01"}}
    published = card.variants[settings["variant"]].checkpoint and not settings["weights_sha256"]
    settings |= {"weights_sha256": "0" * 64} if published else {"weights": "random"}
    (infer,) = (n for n in build_nodes(settings).upstream() if n.stage == "infer")
    assert set(infer.settings) <= set(NETWORK)
