"""Models side by side: what is counted, and what the filters keep."""

import json

import pytest

from rsweep.cli import main
from rsweep.models.registry import find_card
from rsweep.plan.catalogue import cards
from rsweep.report.compare import allows, compare
from rsweep.report.count_operations import count
from rsweep.report.describe import list_models
from rsweep.report.operations import counted


def by_model(**filters):
    return {row.model: row for row in compare(**filters)}


def test_every_model_is_counted():
    assert set(counted()) == {card.id for card in cards()}, "run: make docs"


@pytest.mark.parametrize("model", ["rcf", "dofa", "galileo", "remoteclip", "satmae", "thor"])
def test_the_file_holds_what_is_counted(model):
    assert count(find_card(model)) == pytest.approx(counted()[model], rel=1e-3), "run: make docs"


def test_operations_of_a_plain_transformer_in_closed_form():
    width, depth, tokens, patches = 1024, 24, 197, 196
    block = 2 * tokens * 12 * width**2 + 2 * 2 * tokens**2 * width  # linear layers; attention
    embedding = 2 * patches * 3 * 16**2 * width
    assert counted()["satmae"] == pytest.approx((depth * block + embedding) / 1e9, rel=1e-3)


def test_operations_of_series_of_pixels_in_closed_form():
    """A pass every five days is 73 observations, which fill a sequence of 80."""
    width, hidden, steps, pixels = 768, 2048, 80, 16**2
    layer = 2 * steps * (4 * width**2 + 2 * width * hidden) + 4 * steps**2 * width
    pooling = 2 * steps * (6 * width**2 + width)
    sensors = sum(2 * steps * (bands * width + width**2) + 4 * layer + pooling for bands in (10, 2))
    reducer = 2 * (2 * width * 4 * width + 4 * width * 192)
    expected = pixels * (sensors + reducer) / 1e9
    assert counted()["tessera"] == pytest.approx(expected, rel=1e-3)


def test_what_is_not_computed_is_counted_alike():
    """A network that looks at values is run with zeros; its blocks still cost what they cost."""
    half = count(find_card("dofa"), layer="6")
    whole = count(find_card("dofa"))
    width, tokens = 768, 197
    block = (2 * tokens * 12 * width**2 + 2 * 2 * tokens**2 * width) / 1e9
    assert whole - half == pytest.approx(6 * block, rel=1e-3)


def test_a_square_kilometre_is_a_tile_s_operations_over_its_area():
    row = by_model()["satmae"]
    assert row.gflop_per_km2 == pytest.approx(counted()["satmae"] / 2.24**2, rel=5e-3)
    assert row.token_m == [160.0]
    assert by_model()["thor"].token_m == [80.0, 160.0]
    assert by_model()["satvision"].token_m == [32000.0]


def test_only_modalities_that_need_nothing_else_are_kept():
    found = by_model(sensors=["s1"])
    assert found["galileo"].modalities == {"s1": ["s1"]}
    assert "satmae" not in found
    assert set(by_model(sensors=["s2", "s1"])["galileo"].modalities) == {"s1", "s2", "s1+s2"}


@pytest.mark.parametrize(
    ("licence", "asked", "answer"),
    [
        ("Apache-2.0", "commercial", True),
        ("data CC-BY-4.0, Google", "commercial", True),
        ("none: there are no weights", "commercial", True),
        ("CC-BY-NC-4.0", "commercial", False),
        ("CC-BY-NC-SA-4.0", "commercial", False),
        ("OlmoEarth Artifact License: no military use", "commercial", False),
        ("unknown", "commercial", False),
        ("not stated", "commercial", False),
        ("Apache-2.0", "apache", True),
        ("MIT", "apache", False),
        ("unknown", "", True),
    ],
)
def test_licences(licence, asked, answer):
    assert allows(licence, asked) is answer


def test_table_is_narrow_and_json_has_it_all():
    text = list_models(["s2", "s1"], "commercial")
    assert max(map(len, text.splitlines())) <= 100
    assert "GFLOP/km²" in text
    rows = json.loads(list_models(as_json=True))
    assert {row["model"] for row in rows} == {card.id for card in cards()}
    assert rows[0]["pretraining"] == find_card(rows[0]["model"]).pretraining


def test_the_command(capsys):
    assert main(["describe", "--for", "s2, s1", "--license", "mit", "--json"]) == 0
    found = {row["model"] for row in json.loads(capsys.readouterr().out)}
    assert {"anysat", "galileo"} <= found
    assert "dofa" not in found
    assert main(["describe", "--for", "s22"]) != 0
    assert "did you mean 's2'" in capsys.readouterr().err
    assert main(["describe", "thor", "--for", "s2"]) != 0
    assert "leave thor out" in capsys.readouterr().err
