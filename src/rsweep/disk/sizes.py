"""Sizes and parts of them, as people write them."""

from __future__ import annotations

import re

UNITS = {
    "": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


def parse_size(text: str) -> int:
    """Bytes of a size such as `200GB` or `1.5 GiB`.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([A-Za-z]*)\s*", text)
    try:
        if found is None:
            raise ValueError
        return round(
            float(found[1]) * UNITS[found[2].upper().removesuffix("B") + "B" if found[2] else ""]
        )
    except (ValueError, KeyError):
        raise ValueError(f"{text!r}; expected a size such as 200GB") from None


def size_text(size: float) -> str:
    """A number of bytes in the largest unit that leaves at least 1."""
    for name in ("TB", "GB", "MB", "KB"):
        if size >= UNITS[name]:
            return f"{size / UNITS[name]:.1f} {name}"
    return f"{size:.0f} B"
