"""Knobs: one value has one form, and a wrong one is told what would be right."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsweep.core.knobs import Knob, nearest, parse_date
from rsweep.plan.table import CORE

INT = Knob("n", "prep", "int", 1, "", minimum=1, maximum=1000, words=("auto",), unit="px")
FLOAT = Knob("x", "fetch", "float", 1.0, "")
WORD = Knob("w", "prep", "str", "median", "", allowed=("median", "mean"))


@pytest.mark.parametrize("value", [224, 224.0, "224", " 224 ", "224.0", "2.24e2"])
def test_one_whole_number(value):
    assert (INT.parse(value), type(INT.parse(value))) == (224, int)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_the_same_as_number_and_as_text(number):
    assert repr(FLOAT.parse(number)) == repr(FLOAT.parse(repr(number))) == repr(number + 0.0)


def test_forms_of_other_kinds():
    names = Knob("bands", "prep", "names", None, "")
    assert names.parse("B4, B3,B2") == names.parse(["B4", "B3", "B2"]) == ["B4", "B3", "B2"]
    assert names.parse(["B2", "B3"]) != names.parse(["B3", "B2"])
    yes = Knob("b", "infer", "bool", True, "")
    assert [yes.parse(v) for v in (True, "true", " False ")] == [True, True, False]
    layer = Knob("layer", "infer", "str", "last", "")
    assert layer.parse(12) == layer.parse(12.0) == layer.parse("12") == "12"
    assert FLOAT.parse(-0.0) == 0
    assert math.copysign(1, FLOAT.parse("-0.0")) == 1
    assert INT.parse(" auto ") == "auto"


@pytest.mark.parametrize(
    "knob, value, text",
    [
        (INT, 0, "is 0; expected a whole number from 1 to 1000 (px) or auto"),
        (INT, 1001, "is 1001; expected a whole number from 1 to 1000"),
        (INT, 2.5, "is 2.5; expected a whole number"),
        (INT, True, "is True; expected a whole number"),
        (INT, "atuo", "did you mean 'auto'?"),
        (INT, 10**400, "expected a whole number"),
        (FLOAT, "nan", "is 'nan'; expected a number"),
        (FLOAT, float("inf"), "is inf; expected a number"),
        (FLOAT, [1.0], "is [1.0]; expected a number"),
        (WORD, "medain", "is 'medain'; allowed: median, mean; did you mean 'median'?"),
        (WORD, "MEAN", "allowed: median, mean; did you mean 'mean'?"),
        (WORD, ["mean"], "is ['mean']; allowed: median, mean"),
        (Knob("b", "infer", "bool", True, ""), "maybe", "expected true or false"),
        (Knob("l", "prep", "names", None, ""), [1, 2], "expected a list of names"),
        (Knob("m", "fetch", "mapping", None, ""), "x", "expected a mapping"),
    ],
)
def test_what_is_refused_is_told_what_is_taken(knob, value, text):
    with pytest.raises(ValueError) as error:
        knob.parse(value)
    assert text in str(error.value)


def test_nothing_close_is_not_suggested():
    assert nearest("zzz", ["median", "mean"]) == ""


@pytest.mark.parametrize(
    "text, day",
    [
        ("2022-06-01", "2022-06-01"),
        ("2022-06-01T10:20:30Z", "2022-06-01"),
        ("2022-06-01 00:00:00", "2022-06-01"),
        ("2022-06-01x", None),
        ("June", None),
        ("2022-02-30", None),
        ("", None),
    ],
)
def test_dates(text, day):
    if day:
        assert parse_date(text) == day
    else:
        with pytest.raises(ValueError, match="expected a date such as 2022-06-01"):
            parse_date(text)


@pytest.mark.parametrize("name", CORE)
def test_every_knob_of_the_table_says_what_it_is(name):
    knob = CORE[name]
    assert knob.name == name
    assert knob.meaning
    assert knob.expected().startswith(("allowed: ", "expected "))
