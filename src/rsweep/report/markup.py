"""Small pieces of HTML: text is escaped here and nowhere else."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any


class Html(str):
    """Text that is markup already."""


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers are aligned to the right."""

    name: str
    number: bool = False


def text(value: Any) -> Html:
    """Anything as markup, escaped unless it is markup."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def join(parts: Iterable[Any], between: str = "") -> Html:
    """Pieces one after the other."""
    return Html(between.join(text(part) for part in parts))


def breakable(name: str) -> Html:
    """A name that may go on in the next line after each underscore."""
    return join(name.split("_"), "_<wbr>")


def tag(name: str, *content: Any, **attributes: Any) -> Html:
    """An element; `class_` and the like lose their underscore, None leaves an attribute out."""
    given = {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items() if v is not None}
    opened = "".join(f' {key}="{escape(str(value))}"' for key, value in given.items())
    return Html(f"<{name}{opened}>{join(content)}</{name}>")


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]],
          classes: Sequence[str] = ()) -> Html:  # fmt: skip
    """A table whose first column names its rows, in a box that scrolls when it is too wide."""
    head = join(tag("th", c.name, scope="col", class_=_class(c)) for c in columns)
    body = [
        tag("tr", *(_cell(c, cell, place) for place, (c, cell) in
                    enumerate(zip(columns, row, strict=True))),
            class_=classes[number] or None if number < len(classes) else None)
        for number, row in enumerate(rows)
    ]  # fmt: skip
    found = tag("table", tag("caption", caption), tag("thead", tag("tr", head)),
                tag("tbody", join(body, "\n")))  # fmt: skip
    return tag("div", found, class_="wide", role="region", aria_label=caption, tabindex="0")


def _class(column: Column) -> str | None:
    return "number" if column.number else None


def _cell(column: Column, cell: Any, place: int) -> Html:
    if place == 0:
        return tag("th", cell, scope="row")
    return tag("td", cell, class_=_class(column))


def picture(path: Path, alt: str, caption: str) -> Html:
    """A PNG inside the page, with what it shows in words."""
    data = base64.b64encode(path.read_bytes()).decode()
    image = Html(f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}">')
    return tag("figure", image, tag("figcaption", caption))


def section(title: str, *content: Any) -> Html:
    """A part of the page under a heading that the contents link to."""
    name = anchor(title)
    return tag("section", tag("h2", title, id=name), *content, aria_labelledby=name)


def anchor(title: str) -> str:
    """A heading's id."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def cards(facts: Mapping[str, tuple[Any, Any]]) -> Html:
    """Facts as a row of cards: name -> (what it is, a word more)."""
    boxes = [
        tag("div", tag("dt", name), tag("dd", what, *([tag("small", more)] if more else [])))
        for name, (what, more) in facts.items()
    ]
    return tag("dl", *boxes, class_="cards")
