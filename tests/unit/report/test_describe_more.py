"""describe KNOB and describe SOURCE say what the knob table and the providers declare."""

from __future__ import annotations

import json

import pytest

from rsweep.cli import main
from rsweep.core.sensors import SENSORS
from rsweep.models.registry import families, find_card
from rsweep.plan.catalogue import cards, defaults
from rsweep.plan.profiles import knobs_of
from rsweep.plan.reruns import knob_reruns, reruns
from rsweep.report.describe_knob import describe_knob, knob_names
from rsweep.report.describe_source import describe_source
from rsweep.sources.registry import PROVIDERS, find_provider
from rsweep.stages.registry import STAGES


def knob(name: str) -> dict:
    return json.loads(describe_knob(name, as_json=True))


def test_a_knob_says_meaning_models_defaults_and_what_reruns():
    found = knob("image_size")
    (declared,) = found["declarations"]
    table = next(k for stage in STAGES.values() for k in stage.knobs if k.name == "image_size")
    assert (declared["meaning"], declared["stage"]) == (table.meaning, "prep")
    by_model = {row["model"]: row for row in found["models"]}
    assert set(by_model) | set(found["without"]) == {card.id for card in cards()}
    for card in cards():
        if card.id in by_model:
            row = by_model[card.id]
            assert row["default"] == defaults(card)["image_size"]
    # It decides how far around a ROI is read.
    assert by_model["rcf"]["reruns"] == list(STAGES)
    assert {tuple(row["reruns"]) for row in knob("pooling")["models"]} == {("stitch",)}


def test_a_knob_of_one_model_says_which_lack_it():
    found = knob("features")
    having = {card.id for card in cards() if "features" in knobs_of(card)}
    assert {row["model"] for row in found["models"]} == having
    assert "rcf" in having
    assert "galileo" in found["without"]
    page = describe_knob("features")
    assert "Not of: " in page
    assert "\x1b" not in page
    assert max(map(len, page.splitlines())) <= 100


def test_every_knob_has_a_name_to_ask_for():
    assert set(knob_names()) == {n for card in cards() for n in knobs_of(card)}


def test_one_knob_reruns_what_all_knobs_say():
    for name in knobs_of(find_card("rcf")):
        assert knob_reruns(name, "rcf") == reruns("rcf")[name]


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_source_says_what_it_serves_and_needs(name):
    provider, found = find_provider(name), json.loads(describe_source(name, as_json=True))
    assert (found["about"], found["needs"]) == (provider.about, provider.needs)
    assert provider.about
    assert provider.needs
    served = [(c["sensor"], c["collection"]) for c in found["collections"]]
    assert served == [(s, c) for s, names in provider.collections.items() for c in names]
    for one in found["collections"]:
        assert one["unit"] == SENSORS[one["sensor"]].unit
        assert one["bands"] is None or set(one["bands"]) <= set(SENSORS[one["sensor"]].bands)
    assert [o["name"] for o in found["options"]] == [o.name for o in provider.options]
    page = describe_source(name)
    assert max(map(len, page.splitlines())) <= 100
    for option in provider.options:
        assert option.name in page


def test_masks_and_levels_of_a_known_collection():
    found = json.loads(describe_source("synthetic", as_json=True))["collections"]
    by_sensor = {one["sensor"]: one for one in found}
    assert by_sensor["s2"]["masks"] == ["scl", "cloud", "scene"]
    assert by_sensor["s2"]["level"] == "L2A"
    assert by_sensor["s1"]["masks"] == by_sensor["dem"]["masks"] == []


def test_no_name_means_two_things():
    assert not set(knob_names()) & set(families())


@pytest.mark.parametrize(
    ("name", "said"), [("stac", "STAC API"), ("composite", "stage"), ("rcf", "random")]
)
def test_the_command_finds_what_a_name_means(name, said, capsys):
    assert main(["describe", name]) == 0
    assert said in capsys.readouterr().out.replace("convolutional", "random")


def test_a_name_of_nothing_has_a_hint(capsys):
    assert main(["describe", "imagesize"]) == 1
    assert "did you mean 'image_size'" in capsys.readouterr().err
