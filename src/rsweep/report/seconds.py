"""Durations as people say them."""

from __future__ import annotations


def seconds(value: float) -> str:
    """`0.4 s`, `27 s`, `5 min`, `3.2 h`."""
    if value < 100:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"
