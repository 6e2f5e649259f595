"""How a command answers: in colour in a terminal, plain in a pipe, as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rsweep.core.errors import RsweepError, StudyError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HIGHLIGHTS = [
    r"(?P<red>^\s*(failed|damaged|differs|missing|cannot run)\b.*)",
    r"(?P<yellow>^\s*(skipped|outside training|not asked|warning)\b.*)",
    r"(?P<cyan>\b[0-9a-f]{16}\b)",
    r"(?P<bold>^\s*(fetch|composite|prep|infer|stitch)\b|->)",
    r"(?P<green>\b\d+ %)",
]
"""What is in colour in a terminal: patterns whose groups are named by their colours."""


@dataclass(frozen=True)
class Rows:
    """A table in an answer; columns of numbers are to the right.

    Attributes:
        heads: the columns.
        rows: a text per column.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def plain(self) -> Iterator[str]:
        """Lines with columns of one width each."""
        every = [self.heads, *self.rows]
        widths = [max(len(row[i]) for row in every) for i in range(len(self.heads))]
        for row in every:
            places = zip(row, widths, self.right, strict=True)
            cells = (cell.rjust(w) if right else cell.ljust(w) for cell, w, right in places)
            yield "  ".join(cells).rstrip()

    @property
    def right(self) -> list[bool]:
        """For each column, whether all its cells begin with a digit."""
        return [
            all(row[i][:1].isdigit() or not row[i] for row in self.rows)
            for i in range(len(self.heads))
        ]

    def drawn(self) -> Table:
        """The table for a terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
        for head, right in zip(self.heads, self.right, strict=True):
            table.add_column(head, justify="right" if right else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table


Part = str | Rows


def answer(as_json: bool, data: Any, parts: Iterable[Part]) -> None:
    """Print what a command found.

    Args:
        as_json: True for programs.
        data: what JSON says.
        parts: what a person reads: lines and tables.
    """
    if as_json:
        print(json.dumps(data, indent=1))
    elif sys.stdout.isatty():
        console = make_console()
        for part in parts:
            if isinstance(part, str):
                console.print(part, soft_wrap=True)
            else:
                console.print(part.drawn())
    else:
        for part in parts:
            for line in [part] if isinstance(part, str) else part.plain():
                print(line)


def make_console(stderr: bool = False) -> Console:
    """A terminal with `HIGHLIGHTS`; takes no markup, which the name of a file may look like."""
    from rich.console import Console
    from rich.highlighter import RegexHighlighter

    colours = type("Colours", (RegexHighlighter,), {"highlights": HIGHLIGHTS})
    return Console(stderr=stderr, highlighter=colours(), markup=False, emoji=False)


def answer_error(as_json: bool, error: RsweepError) -> None:
    """Print why a command could not answer: to a person as an error, to programs as its answer."""
    if as_json:
        data: dict[str, Any] = {"error": str(error)}
        if isinstance(error, StudyError):
            data["problems"] = [{"where": p.where, "what": p.what} for p in error.problems]
        print(json.dumps(data, indent=1))
    elif sys.stderr.isatty():
        make_console(stderr=True).print(str(error), style="red", highlight=False, soft_wrap=True)
    else:
        print(error, file=sys.stderr)
