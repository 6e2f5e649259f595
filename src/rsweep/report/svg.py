"""Parts of inline charts: they take their colours from the page, so they read in the dark too.

Places across are shares of the width and sizes are pixels: a chart narrows with the page while its
text stays as large as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

Html = Markup


def tag(name: str, *content: Any, **attributes: Any) -> Html:
    """An element. Text is escaped; attribute `class_` is `class`, and one of None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{''.join(str(escape(part)) for part in content)}</{name}>")


@dataclass(frozen=True)
class Axis:
    """A range of values, in logarithms where `log`."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, 0..1; what lies outside is put on the edge."""
        low, high, value = (self._scaled(v) for v in (self.low, self.high, value))
        return min(max((value - low) / ((high - low) or 1.0), 0.0), 1.0)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value

    def ticks(self) -> list[float]:
        """Round values inside the range."""
        found = self._log_ticks() if self.log else []
        return found if len(found) > 2 else self._even_ticks()

    def _even_ticks(self) -> list[float]:
        rough = (self.high - self.low) / 4 or 1.0
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 10) for i in range(first, last + 1)]

    def _log_ticks(self) -> list[float]:
        first, last = (math.floor(math.log10(v)) for v in (self.low, self.high))
        marks = (1, 2, 5) if last - first < 3 else (1,)
        found = [m * 10.0**e for e in range(first, last + 1) for m in marks]
        return [v for v in found if self.low * 0.999 <= v <= self.high * 1.001]


def axis_of(values: list[float], low: float | None = None, high: float | None = None) -> Axis:
    """An axis a little wider than values, within what is possible (`low`, `high`)."""
    least, most = min(values, default=0.0), max(values, default=1.0)
    room = (most - least) * 0.06 or 0.05
    least, most = least - room, most + room
    low = least if low is None else max(least, low)
    return Axis(low, most if high is None else min(most, high))


def log_axis(values: list[float]) -> Axis:
    """An axis in logarithms a little wider than positive values."""
    known = [v for v in values if v > 0] or [1.0]
    return Axis(min(known) / 1.25, max(known) * 1.25, log=True)


@dataclass(frozen=True)
class Frame:
    """The plane of a chart of `height` pixels, with room for the words of both axes."""

    across: Axis
    up: Axis
    height: int = 340
    left: float = 13.0
    right: float = 97.0
    top: int = 26
    foot: int = 44

    def x(self, value: float) -> str:
        """Place across, in per cent of the width."""
        return f"{self.left + (self.right - self.left) * self.across.at(value):.2f}%"

    def y(self, value: float) -> str:
        """Place from the top, in pixels."""
        room = self.height - self.top - self.foot
        return f"{self.height - self.foot - room * self.up.at(value):.1f}"

    def draw(self, title: str, across: str, up: str, *marks: Html) -> Html:
        """The chart: gridlines and words, and marks over them; `title` says what it shows."""
        words = [
            tag(
                "text",
                across,
                x=f"{(self.left + self.right) / 2}%",
                y=self.height - 6,
                text_anchor="middle",
                class_="axis",
            ),
            tag("text", up, x="0", y="10", class_="axis"),
        ]
        return tag(
            "svg",
            *self._gridlines(),
            *words,
            *marks,
            class_="chart",
            width="100%",
            height=self.height,
            role="img",
            aria_label=title,
        )

    def _gridlines(self) -> Iterator[Html]:
        low, high = f"{self.left}%", f"{self.right}%"
        for value in self.up.ticks():
            y = self.y(value)
            yield tag("line", x1=low, x2=high, y1=y, y2=y, class_="gridline")
            yield tag(
                "text", number(value), x=f"{self.left - 1}%", y=float(y) + 4, text_anchor="end"
            )
        base = self.height - self.foot
        for value in self.across.ticks():
            x = self.x(value)
            yield tag("line", x1=x, x2=x, y1=self.top, y2=base, class_="gridline")
            yield tag("text", number(value), x=x, y=base + 16, text_anchor="middle")


def number(value: float) -> str:
    """A tick in words."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
