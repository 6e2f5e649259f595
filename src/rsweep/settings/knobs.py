"""What a knob is: one named setting, the stage that reads it, and the values that it takes."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

STAGES = ("fetch", "composite", "prep", "infer", "stitch")
Stage = Literal["fetch", "composite", "prep", "infer", "stitch"]
Kind = Literal["int", "float", "str", "bool", "names", "mapping"]

MODEL = object()
"""Default of a knob whose value comes from the model's card."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a study: where (`study.yaml: base.frames`), and what would be right."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Knob:
    """A setting that changes an embedding.

    Attributes:
        name: what the study file calls it.
        stage: the first stage that reads it.
        kind: type of its value; `names` is an ordered list of strings ("B4,B3,B2" is one too).
        default: value of an unset knob; `MODEL` when the model's card supplies it; None when unset
            has a meaning of its own, which `meaning` gives.
        meaning: one line.
        allowed: the values it takes; words beside numbers ("auto") are listed in `words`.
        minimum, maximum: inclusive bounds of a number.
        words: strings that a number may also be.
        unit: unit of a number.
    """

    name: str
    stage: Stage
    kind: Kind
    default: Any
    meaning: str
    allowed: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    words: tuple[str, ...] = ()
    unit: str = ""

    def parse(self, value: Any) -> Any:
        """The canonical form of `value`: 224, 224.0 and "224" are one int, "B4,B3" is a list.

        Raises:
            ValueError: `value` is not one that this knob takes; the text says which are.
        """
        if isinstance(value, str) and value.strip() in self.words:
            return value.strip()
        parsed = _PARSERS[self.kind](value)
        if parsed is None:
            raise ValueError(f"is {value!r}, which is not {self.expected()}")
        self._check(parsed)
        return parsed

    def _check(self, value: Any) -> None:
        if self.allowed and value not in self.allowed:
            raise ValueError(f"is {value!r}; {self.expected()}{nearest(value, self.allowed)}")
        low, high = self.minimum, self.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(f"is {value!r}; {self.expected()}")

    def expected(self) -> str:
        """The values that the knob takes, in words."""
        if self.allowed:
            options = [str(v) for v in (*self.allowed, *self.words)]
            return "allowed: " + ", ".join(options)
        text = _KIND_WORDS[self.kind]
        if self.minimum is not None or self.maximum is not None:
            low = "" if self.minimum is None else f" from {self.minimum:g}"
            high = "" if self.maximum is None else f" to {self.maximum:g}"
            text += low + high
        if self.unit:
            text += f" ({self.unit})"
        return " or ".join([text, *self.words])


def nearest(value: Any, options: Any) -> str:
    """The end of a message: the option spelt most like `value`, if one is close."""
    close = difflib.get_close_matches(str(value), [str(o) for o in options], n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _int(value: Any) -> int | None:
    number = _float(value)
    return int(number) if number is not None and number == int(number) else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _str(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip()


def _bool(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).strip().lower())


def _names(value: Any) -> list[str] | None:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(i, str) for i in items):
        return None
    return [i.strip() for i in items if i.strip()] or None


def _mapping(value: Any) -> dict[str, Any] | None:
    return dict(value) if isinstance(value, Mapping) else None


_KIND_WORDS = {
    "int": "a whole number", "float": "a number", "str": "a word", "bool": "true or false",
    "names": "a list of names", "mapping": "a mapping",
}  # fmt: skip
_PARSERS: dict[str, Any] = {
    "int": _int, "float": _float, "str": _str, "bool": _bool, "names": _names, "mapping": _mapping,
}  # fmt: skip
