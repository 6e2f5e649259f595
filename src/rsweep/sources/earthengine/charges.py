"""What a request costs on Earth Engine, in EECU-seconds: a model, corrected by what was charged.

A request of a kind costs a part of its own and a part for each value that the service reads for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["list", "scenes", "composite"]
"""A list of scenes and their properties; pixels of scenes; scenes that the service reduces."""

GUESS: Mapping[str, tuple[float, float]] = {
    "list": (0.1, 0.0),
    "scenes": (0.2, 0.1),
    "composite": (0.2, 0.2),
}
"""EECU-seconds of a request and of a million values until some were charged: from no source."""
UNSURE = 10.0
"""A guess may be off by this factor."""
ENOUGH = 5
"""Charged requests of a kind from which its two numbers are fitted."""
LEAST_MARGIN = 1.25
"""What a request costs may be so many times what it is expected to cost, at the least."""
LEAST_HELD = 2.0
"""Set aside for a request is so many times what it is expected to cost, at the least."""

_ROW = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """What a request asks for: its kind, and millions of values that the service reads for it."""

    kind: Kind
    millions: float = 0.0


@dataclass(frozen=True)
class Fit:
    """Sums over the requests of a kind whose charge is known, x in millions of values.

    Attributes:
        most: largest charge over what was expected, since there were `ENOUGH`.
        far: largest x.
        top: largest charge.
        low: largest charge over the guess: how far the guess has been too low.
        untold: requests that were answered, and of which the service did not say what they cost.
    """

    n: int = 0
    x: float = 0.0
    xx: float = 0.0
    y: float = 0.0
    xy: float = 0.0
    most: float = 1.0
    far: float = 0.0
    top: float = 0.0
    low: float = 1.0
    untold: int = 0

    def with_charge(self, asked: Asked, charge: float) -> Fit:
        """The sums with one request more."""
        over = charge / max(expected(asked, self), 1e-9) if self.n >= ENOUGH else 1.0
        x = asked.millions
        return Fit(
            self.n + 1,
            self.x + x,
            self.xx + x * x,
            self.y + charge,
            self.xy + x * charge,
            max(self.most, over),
            max(self.far, x),
            max(self.top, charge),
            max(self.low, charge / expected(asked, Fit())),
            self.untold,
        )

    @property
    def tried(self) -> bool:
        """True if so many requests were answered that more of them would say nothing new."""
        return self.n + self.untold >= ENOUGH

    def line(self) -> tuple[float, float] | None:
        """Cost of a request and of a million values by least squares, neither below 0."""
        spread = self.n * self.xx - self.x**2
        if self.n < ENOUGH:
            return None
        if spread <= 1e-9 * max(self.xx * self.n, 1e-12):
            return self.y / self.n, 0.0
        slope = (self.n * self.xy - self.x * self.y) / spread
        own = (self.y - slope * self.x) / self.n
        if slope < 0:
            return self.y / self.n, 0.0
        return (own, slope) if own >= 0 else (0.0, self.xy / self.xx)


def expected(asked: Asked, fit: Fit) -> float:
    """EECU-seconds of a request, about."""
    own, slope = fit.line() or GUESS[asked.kind]
    return own + slope * asked.millions


def at_most(asked: Asked, fits: Mapping[str, Fit]) -> float:
    """EECU-seconds to set aside for a request, of which it must not cost more.

    A request costs no more than a larger one, and one that is twice as large no more than twice as
    much. So a few charges bound the next by the largest of them, and more by their line, with
    their mean as the least. Of a kind that nothing is known of it is `UNSURE` times the guess, and
    as many times that as any charge has been above its guess.
    """
    fit = fits.get(asked.kind, Fit())
    if not fit.top or (asked.millions and not fit.far):
        return UNSURE * max((f.low for f in fits.values()), default=1.0) * expected(asked, Fit())
    beyond = max(asked.millions / fit.far if fit.far else 1.0, 1.0)
    known = fit.y / fit.n if fit.line() else fit.top
    margin = max(LEAST_HELD, 1.1 * fit.most)
    return margin * beyond * max(known, expected(asked, fit))


def read_profile(text: str) -> float | None:
    """EECU-seconds of a request by the service's profile of it: the sum of its first column.

    None where the text has no row that begins with a number.
    """
    rows = _ROW.findall(text)
    return sum(map(float, rows)) if rows else None
