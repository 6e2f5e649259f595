"""What the option `loader` of chips may say; the loaders themselves are in `loaders`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = {
    "torchgeo": ("torchgeo", "root", "splits", "arguments"),
    "datasets": ("datasets", "revision", "splits", "arguments"),
}
"""Package -> what the option `loader` may say of it."""


def check_loader(loader: Mapping[str, Any]) -> str:
    """What is wrong with the option `loader`; nothing if it can be used."""
    packages = [name for name in WORDS if name in loader]
    if len(packages) != 1:
        return f"names {len(packages)} packages; expected one of {', '.join(WORDS)}"
    unknown = sorted(set(loader) - set(WORDS[packages[0]]))
    if unknown:
        return f"has {unknown[0]!r}; it may say: {', '.join(WORDS[packages[0]])}"
    if packages[0] == "torchgeo" and not loader.get("root"):
        return "has no `root`, the folder that the class reads"
    return ""
