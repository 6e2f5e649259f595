"""describe: every model, as a page within 100 columns and as JSON that says all of its card."""

import json

import pytest

from rsweep.cli import main
from rsweep.core.errors import RsweepError
from rsweep.models.registry import find_card
from rsweep.plan.catalogue import cards, multi_model_families
from rsweep.plan.profiles import resolve
from rsweep.report.describe import describe_model, list_models
from rsweep.report.facts import card_facts, find_model

CARDS = [*cards(), find_card("timm:vit_tiny_patch16_224"), find_card("timm:resnet18")]
each_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


def squeezed(text):
    return " ".join(text.split())


def test_list_has_every_model():
    text = list_models()
    for card in cards():
        assert any(line.split()[:1] == [card.id] for line in text.splitlines())
    for family in multi_model_families():
        assert f"{family}:NAME" in text
    assert max(map(len, text.splitlines())) <= 100


@each_card
def test_page_is_plain_and_narrow(card):
    text = describe_model(card.id)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100


@each_card
def test_page_says_what_the_card_says(card):
    text = squeezed(describe_model(card.id))
    for said in (
        card.title,
        card.licence_code,
        card.licence_weights,
        card.pretraining,
        card.notes,
        *card.variants,
        *card.normalizations,
        *(k.name for k in card.knobs),
        *(k.meaning.split()[0] for k in card.knobs),
        *card.vectors,
    ):
        assert squeezed(said) in text
    for variant in card.variants.values():
        if variant.checkpoint and not variant.checkpoint.url:
            assert variant.checkpoint.repository in text.replace(" ", "")  # a long one is folded


@each_card
def test_json_says_what_the_card_says(card):
    facts = json.loads(describe_model(card.id, as_json=True))
    assert list(facts["variants"]) == list(card.variants)
    for name, needed in card.modalities.items():
        bands = [sensor["bands"] for sensor in facts["modalities"][name]["sensors"]]
        assert bands == [list(sensor.bands) for sensor in needed]
    for name, constants in card.normalizations.items():
        for sensor, n in constants.items():
            found = facts["normalizations"][name][sensor]
            assert {b: (found["mean"][b], found["std"][b]) for b in found["mean"]} == dict(n.stats)
            assert found["source"] == n.source
    knobs = facts["knobs"]["own"] + facts["knobs"]["shared"]
    settings, _ = resolve({"model": card.id}, {})
    assert {knob["name"] for knob in knobs} == set(settings)


@each_card
def test_every_modality_has_a_normalisation_and_tokens(card):
    facts = card_facts(card)
    for name in card.modalities:
        modality = facts["modalities"][name]
        own = {"model": card.id, "modality": name, "normalization": modality["normalizations"][0]}
        needs_no_options = [p for p in modality["providers"] if p not in ("local", "chips")]
        for provider in needs_no_options[:1]:  # maps that are in folders alone have none
            assert resolve({**own, "provider": provider}, {})[1] == []
        assert all(group["side"] >= 1 for group in facts["token_groups"][name])


def test_constraints_are_found_by_asking():
    found = {c["knob"]: c["takes"] for c in card_facts(find_model("thor"))["constraints"]}
    assert found["image_size"] == "multiples of 16"
    assert found["patch_size"].startswith("1, 2, 3, 4, 6, 8")
    assert found["frames"] == "1"
    agrifm = {c["knob"]: c["takes"] for c in card_facts(find_model("agrifm"))["constraints"]}
    assert agrifm["frames"] == "multiples of 4"
    anysat = {c["knob"]: c["takes"] for c in card_facts(find_model("anysat"))["constraints"]}
    assert anysat["scale_m"] == "10"


@pytest.mark.parametrize("wrong, right", [("galile", "galileo"), ("Thor", "thor")])
def test_unknown_model_names_the_nearest(wrong, right, capsys):
    with pytest.raises(RsweepError, match=f"did you mean '{right}'"):
        describe_model(wrong)
    assert main(["describe", wrong]) == 1
    assert right in capsys.readouterr().err


def test_family_of_many_says_how_to_name_one():
    for family in multi_model_families():
        with pytest.raises(RsweepError, match=f"{family}:NAME"):
            describe_model(family)


def test_command_prints(capsys):
    assert main(["describe"]) == 0
    assert "galileo" in capsys.readouterr().out
    assert main(["describe", "rcf", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "rcf"
