"""Markdown for the generated pages of docs/."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; cells may not hold line breaks."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell(c) for c in line) + " |" for line in lines) + "\n"


def cell(value: Any) -> str:
    """A value in a table, in which a bar would start a new column."""
    return str(value).replace("|", "\\|").replace("\n", " ")


def code(value: Any) -> str:
    """A value as a study file has it."""
    return f"`{value}`"


def codes(values: Iterable[Any]) -> str:
    """Several values."""
    return ", ".join(code(v) for v in values)


def heading(level: int, title: str) -> str:
    """A heading with the space that belongs around it."""
    return f"\n{'#' * level} {title}\n"
