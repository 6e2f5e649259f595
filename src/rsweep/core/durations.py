"""Durations as people say them."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """`0.4 s`, `27 s`, `5 min`, `3.2 h`."""
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
