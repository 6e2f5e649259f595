"""What a study file can set: knobs of the stages, and options of all else."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

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


class Setting:
    """What a study file can set: the values that it takes.

    Attributes:
        name: what the study file calls it.
        kind: type of its value; `names` is an ordered list of strings ("B4,B3,B2" is one too).
        default: value of an unset one; `MODEL` when the model's card supplies it; None when unset
            has a meaning of its own, which `meaning` gives.
        meaning: one line.
        allowed: the values it takes; words beside numbers ("auto") are listed in `words`.
        minimum, maximum: inclusive bounds of a number.
        words: strings that a number may also be.
        unit: unit of a number.
    """

    name: str
    kind: Kind
    default: Any
    meaning: str
    allowed: tuple[Any, ...]
    minimum: float | None
    maximum: float | None
    words: tuple[str, ...]
    unit: str

    def parse(self, value: Any) -> Any:
        """The canonical form of `value`: 224, 224.0 and "224" are one int, "B4,B3" is a list.

        Raises:
            ValueError: `value` is not one that it takes; the text says which are.
        """
        if isinstance(value, str) and value.strip() in self.words:
            return value.strip()
        parsed = _PARSERS[self.kind](value)
        if parsed is None or not self._takes(parsed):
            hint = nearest(value, (*self.allowed, *self.words))
            raise ValueError(f"is {value!r}; {self.expected()}{hint}")
        return parsed

    def _takes(self, value: Any) -> bool:
        if self.allowed and value not in self.allowed:
            return False
        low, high = self.minimum, self.maximum
        return (low is None or value >= low) and (high is None or value <= high)

    def expected(self) -> str:
        """The values that it takes, in words."""
        if self.allowed:
            return "allowed: " + ", ".join(map(str, (*self.allowed, *self.words)))
        text = _KIND_WORDS[self.kind]
        if self.minimum is not None or self.maximum is not None:
            low = "" if self.minimum is None else f" from {self.minimum:g}"
            high = "" if self.maximum is None else f" to {self.maximum:g}"
            text += low + high
        if self.unit:
            text += f" ({self.unit})"
        return "expected " + " or ".join([text, *self.words])


@dataclass(frozen=True)
class Knob(Setting):
    """A setting of a stage, which changes an embedding.

    Attributes:
        stage: the stage that it is about, which is the first to read it.
        otherwise: value where `default` is `MODEL` and the model's card gives none.
    """

    name: str
    stage: str
    kind: Kind
    default: Any
    meaning: str
    allowed: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    words: tuple[str, ...] = ()
    unit: str = ""
    otherwise: Any = None


@dataclass(frozen=True)
class Option(Setting):
    """A setting of a study, of its evaluation or of a provider."""

    name: str
    kind: Kind
    default: Any
    meaning: str
    allowed: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    words: tuple[str, ...] = ()
    unit: str = ""


def nearest(value: Any, options: Iterable[Any]) -> str:
    """The end of a message: the option spelt most like `value` in any case, if one is close."""
    spelt = {str(option).lower(): str(option) for option in options}
    close = difflib.get_close_matches(str(value).lower(), spelt, n=1, cutoff=0.6)
    return f"; did you mean {spelt[close[0]]!r}?" if close else ""


def parse_date(value: Any) -> str:
    """A day as ISO text: of a date, a time, or text that begins with one.

    Raises:
        ValueError: it is none of these.
    """
    text = str(value).strip()
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        day = None
    if day is None or text[10:11] not in ("", "T", " "):
        raise ValueError(f"is {text!r}; expected a date such as 2022-06-01")
    return day.isoformat()


def _int(value: Any) -> int | None:
    number = _float(value)
    return int(number) if number is not None and number == int(number) else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value) + 0.0  # which makes -0.0 the 0.0 that it is
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _str(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()


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
    "int": "a whole number",
    "float": "a number",
    "str": "a word",
    "bool": "true or false",
    "names": "a list of names",
    "mapping": "a mapping",
}
_PARSERS: dict[str, Any] = {
    "int": _int,
    "float": _float,
    "str": _str,
    "bool": _bool,
    "names": _names,
    "mapping": _mapping,
}
