"""Pages of `rsweep describe`: tables and pairs, within the width of a page."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 100
"""Columns that are easily read; also what a pipe gets."""


def pairs(rows: Sequence[tuple[str, str]]) -> Table:
    """Names and what is said of each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(Text(name), Text(text))
    return grid


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table whose first column is not broken."""
    made = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for place, head in enumerate(heads):
        made.add_column(head, no_wrap=place == 0, overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    return made


def render(parts: Sequence[RenderableType]) -> str:
    """Parts as text; in colour if it goes to a terminal."""
    terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size((WIDTH, 0)).columns if terminal else WIDTH
    file = io.StringIO()
    console = Console(
        file=file, width=min(columns, WIDTH), force_terminal=terminal, highlight=False
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
